#!/usr/bin/env bash
# Trains the QKeras zoo in its own environment (.venv-qkeras) and writes models and expected outputs to build/.
set -euo pipefail
here="$(cd "$(dirname "$0")" && pwd)"
root="$(cd "$here/../.." && pwd)"
venv="$root/.venv-qkeras"
python="${QKERAS_PYTHON:-python3.11}"
command -v "$python" >/dev/null || { echo "error: $python not found; QKeras 0.9 needs Python 3.11, set QKERAS_PYTHON" >&2; exit 2; }
if ! cmp -s "$here/requirements.txt" "$venv/.installed"; then
    "$python" -m venv --clear "$venv"
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check -r "$here/requirements.txt"
    cp "$here/requirements.txt" "$venv/.installed"
fi
exec "$venv/bin/python" "$here/make_zoo.py" "${1:-$here/build}"
