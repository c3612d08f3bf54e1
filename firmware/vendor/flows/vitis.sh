#!/usr/bin/env bash
# Builds the HLS project around this script, from any folder:
#     bash run.sh [csim] [csynth] [cosim] [export]      default: csim csynth
# Needs vitis-run (2023.2 and later) or vitis_hls (earlier) on PATH.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
export TRIGFORGE_STEPS="${*:-csim csynth}"
if command -v vitis-run >/dev/null; then
    exec vitis-run --mode hls --tcl build.tcl
elif command -v vitis_hls >/dev/null; then
    exec vitis_hls -f build.tcl
fi
echo "vitis-run or vitis_hls must be on PATH; source settings64.sh of Vitis" >&2
exit 127
