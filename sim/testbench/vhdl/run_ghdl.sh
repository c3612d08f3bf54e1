#!/usr/bin/env bash
# Plays the vectors into the core with GHDL and compares every output bit.
# Needs ghdl, version 2 or newer, on PATH.
set -euo pipefail
cd "$(dirname "$0")"
for program in ghdl; do
    command -v "$program" >/dev/null || { echo "$program must be on PATH to simulate with GHDL; apt-get install ghdl" >&2; exit 127; }
done
rm -rf build_ghdl && mkdir build_ghdl
mapfile -t sources <sources.f
ghdl -a --std=08 --workdir=build_ghdl "${sources[@]}"
ghdl --elab-run --std=08 --workdir=build_ghdl testbench --ieee-asserts=disable | tee build_ghdl/run.log
grep -Eq '^(# )?PASS [0-9]+ events' build_ghdl/run.log
! grep -Eq '^(# )?FAIL' build_ghdl/run.log
