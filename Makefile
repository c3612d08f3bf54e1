# trigforge: `make run` does the whole job, `make test` checks everything. Both set up .venv first.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
OUT ?= runs/latest

.PHONY: run test setup check-tools lint types unit clean

run: setup
	$(BIN)/trigforge run --out $(OUT)

test: setup lint types unit

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: setup
	$(BIN)/mypy

unit: setup
	$(BIN)/python -m pytest

setup: $(STAMP)

$(STAMP): pyproject.toml | check-tools
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"
	$(BIN)/python -m pip install --quiet --editable . --group dev
	touch $@

# Said before anything is downloaded.
check-tools:
	@command -v $(PYTHON) >/dev/null || { echo "error: $(PYTHON) not found; install Python 3.11 or newer, or set PYTHON=..." >&2; exit 2; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "error: $$($(PYTHON) --version) is too old; trigforge needs Python 3.11 or newer, set PYTHON=..." >&2; exit 2; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "error: $(PYTHON) has no venv module; install it (Debian: apt install python3-venv)" >&2; exit 2; }
	@for tool in g++ make perl; do command -v $$tool >/dev/null || { echo "error: $$tool not found; install it (Debian: apt install g++ make perl)" >&2; exit 2; }; done

clean:
	rm -rf $(VENV) runs build dist src/*.egg-info hls_projects/*/build
