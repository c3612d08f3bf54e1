#!/usr/bin/env bash
# Builds the Catapult project around this script, from any folder:
#     bash run.sh [csim=1] [synth=1] [cosim=1] [vsynth=1]      default: csim=1 synth=1
# Needs catapult on PATH. Report: <top>_prj/<solution>/rtl.rpt.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
if ! command -v catapult >/dev/null; then
    echo "catapult must be on PATH; add \$MGC_HOME/bin" >&2
    exit 127
fi
echo "trigforge: catapult"
catapult -product ultra -shell -f build_prj.tcl -eval "set ::argv \"${*:-csim=1 synth=1}\""
echo "trigforge: done"
