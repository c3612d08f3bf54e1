#!/usr/bin/env bash
# Builds the Intel HLS project around this script, from any folder:
#     bash run.sh [QUARTUS_COMPILE=--quartus-compile]
# Needs i++ (Intel HLS Compiler, up to 23.4) on PATH. Report: <top>-fpga.prj/reports.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
source ./settings.sh
if ! command -v i++ >/dev/null; then
    echo "i++ must be on PATH; source init_hls.sh of the Intel HLS Compiler" >&2
    exit 127
fi
echo "trigforge: component and co-simulation"
make "$TOP-fpga" "$@"
"./$TOP-fpga"
echo "trigforge: done"
