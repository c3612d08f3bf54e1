#!/usr/bin/env bash
# Synthesises, places and routes the RTL named in settings.tcl, from any folder:
#     bash run.sh
# Needs vivado on PATH.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
if ! command -v vivado >/dev/null; then
    echo "vivado must be on PATH; source settings64.sh of Vivado" >&2
    exit 127
fi
exec vivado -mode batch -nojournal -log vivado.log -source build.tcl
