#!/usr/bin/env bash
# Builds the oneAPI project around this script, from any folder:
#     bash run.sh [fpga_emu] [report] [fpga_sim] [fpga]      default: fpga_emu report
# Needs icpx (oneAPI Base Toolkit with its FPGA add-on) and cmake on PATH.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
for program in icpx cmake; do
    if ! command -v "$program" >/dev/null; then
        echo "$program must be on PATH; source setvars.sh of oneAPI" >&2
        exit 127
    fi
done
cmake -S . -B build
if [ $# -eq 0 ]; then
    set -- fpga_emu report
fi
for step in "$@"; do
    echo "trigforge: $step"
    cmake --build build --target "$step"
done
echo "trigforge: done"
