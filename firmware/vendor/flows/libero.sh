#!/usr/bin/env bash
# Builds the SmartHLS project around this script, from any folder:
#     bash run.sh [sw] [hw] [cosim] [rtl_synth] [fpga]      default: sw hw
# Needs shls (SmartHLS of Libero SoC) on PATH. Report: hls_output/reports/summary.results.rpt.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
if ! command -v shls >/dev/null; then
    echo "shls must be on PATH; add SmartHLS/bin of Libero" >&2
    exit 127
fi
if [ $# -eq 0 ]; then
    set -- sw hw
fi
for step in "$@"; do
    echo "trigforge: $step"
    shls -a "$step"
done
echo "trigforge: done"
