#!/usr/bin/env bash
# Plays the vectors into the core with VCS and compares every output bit.
# Needs vcs on PATH, a C++ compiler and the licence.
set -euo pipefail
cd "$(dirname "$0")"
for program in vcs; do
    command -v "$program" >/dev/null || { echo "$program must be on PATH to simulate with VCS; load its settings" >&2; exit 127; }
done
rm -rf build_vcs && mkdir build_vcs
vcs -full64 -q -sverilog -timescale=1ns/1ps -top testbench -Mdir=build_vcs/csrc -o build_vcs/simulation -l build_vcs/compile.log -f sources.f
./build_vcs/simulation -q | tee build_vcs/run.log
grep -Eq '^(# )?PASS [0-9]+ events' build_vcs/run.log
! grep -Eq '^(# )?FAIL' build_vcs/run.log
