#!/usr/bin/env bash
# Plays the vectors into the core with the Vivado simulator and compares every output bit.
# Needs xvhdl, xelab and xsim of Vivado on PATH.
set -euo pipefail
cd "$(dirname "$0")"
for program in xvhdl xelab xsim; do
    command -v "$program" >/dev/null || { echo "$program must be on PATH to simulate with the Vivado simulator; source Vivado's settings64.sh" >&2; exit 127; }
done
rm -rf build_xsim xsim.dir && mkdir build_xsim
xvhdl --2008 --log build_xsim/compile.log -f sources.f
xelab --debug off --log build_xsim/elaborate.log --snapshot simulation testbench
xsim simulation --runall --log build_xsim/xsim.log | tee build_xsim/run.log
grep -Eq '^(# )?PASS [0-9]+ events' build_xsim/run.log
! grep -Eq '^(# )?FAIL' build_xsim/run.log
