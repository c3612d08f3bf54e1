#!/usr/bin/env bash
# Plays the vectors into the core with Icarus Verilog and compares every output bit.
# Needs iverilog and vvp, version 11 or newer, on PATH.
set -euo pipefail
cd "$(dirname "$0")"
for program in iverilog vvp; do
    command -v "$program" >/dev/null || { echo "$program must be on PATH to simulate with Icarus Verilog; apt-get install iverilog" >&2; exit 127; }
done
rm -rf build_icarus && mkdir build_icarus
iverilog -g2012 -s testbench -o build_icarus/simulation -c sources.f
vvp -n build_icarus/simulation | tee build_icarus/run.log
grep -Eq '^(# )?PASS [0-9]+ events' build_icarus/run.log
! grep -Eq '^(# )?FAIL' build_icarus/run.log
