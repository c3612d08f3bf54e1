#!/usr/bin/env bash
# Synthesises, places and routes the RTL named in settings.tcl, from any folder:
#     bash run.sh
# Needs quartus_sh (Quartus Prime) on PATH.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
if ! command -v quartus_sh >/dev/null; then
    echo "quartus_sh must be on PATH" >&2
    exit 127
fi
exec quartus_sh -t build.tcl
