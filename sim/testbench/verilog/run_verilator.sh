#!/usr/bin/env bash
# Plays the vectors into the core with Verilator and compares every output bit.
# Needs Verilator 5.048 or newer (on PATH, or named by VERILATOR), make and a C++20 compiler. A register that is read
# before it is written has a random value; what is undefined is seen by simulators of four states only.
set -euo pipefail
cd "$(dirname "$0")"
VERILATOR=${VERILATOR:-verilator}
for program in "$VERILATOR" make; do
    command -v "$program" >/dev/null || { echo "$program must be on PATH to simulate with Verilator" >&2; exit 127; }
done
rm -rf build_verilator && mkdir build_verilator
scratch=$(mktemp -d)  # make cannot work in a folder with a space in its name
trap 'rm -rf "$scratch"' EXIT
"$VERILATOR" --binary --timing --timescale 1ns/1ps --x-assign unique -Wno-fatal -j 2 --output-split 10000 \
    --output-split-cfuncs 300 -MAKEFLAGS "OPT_FAST=-O1 OPT_GLOBAL=-O1" --top-module testbench \
    --Mdir "$scratch" -o simulation -f sources.f >build_verilator/compile.log 2>&1 ||
    { tail -n 20 build_verilator/compile.log >&2; exit 1; }
mv "$scratch/simulation" build_verilator/
./build_verilator/simulation +verilator+rand+reset+2 | tee build_verilator/run.log
grep -Eq '^(# )?PASS [0-9]+ events' build_verilator/run.log
! grep -Eq '^(# )?FAIL' build_verilator/run.log
