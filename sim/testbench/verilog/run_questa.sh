#!/usr/bin/env bash
# Plays the vectors into the core with Questa or ModelSim and compares every output bit.
# Needs vlib, vlog and vsim on PATH and their licence.
set -euo pipefail
cd "$(dirname "$0")"
for program in vlib vlog vsim; do
    command -v "$program" >/dev/null || { echo "$program must be on PATH to simulate with Questa; load its settings" >&2; exit 127; }
done
rm -rf build_questa && mkdir build_questa
vlib build_questa/work
vlog -quiet -sv -timescale 1ns/1ps -work build_questa/work -f sources.f
vsim -c -lib build_questa/work -onfinish exit -do "run -all; quit" testbench | tee build_questa/run.log
grep -Eq '^(# )?PASS [0-9]+ events' build_questa/run.log
! grep -Eq '^(# )?FAIL' build_questa/run.log
