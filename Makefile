# trigforge: `make run` does the whole job, `make test` checks everything. Both set up .venv first.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
DEV_STAMP := $(VENV)/.installed-dev
OUT ?= runs/latest

.PHONY: run test setup setup-dev check-tools qkeras lint types unit clean

run: setup
	$(BIN)/trigforge run --out $(OUT)

test: setup-dev qkeras lint types unit

# Real QKeras 0.9 in an environment of its own trains the models that tests read without it; it needs Python 3.11.
qkeras:
	@if command -v $${QKERAS_PYTHON:-python3.11} >/dev/null || [ -n "$$TRIGFORGE_REQUIRE_TOOLS" ]; then \
	    tests/qkeras_zoo/run.sh; else echo "python3.11 not found: the tests of the QKeras zoo are skipped"; fi

lint: setup-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: setup-dev
	$(BIN)/mypy

unit: setup-dev
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

setup: $(STAMP)

setup-dev: $(DEV_STAMP)

$(STAMP): pyproject.toml | check-tools
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"
	$(BIN)/python -m pip install --quiet --editable .
	touch $@

$(DEV_STAMP): $(STAMP)
	$(BIN)/python -m pip install --quiet --editable . --group dev
	touch $@

# Said before anything is downloaded.
check-tools:
	@command -v $(PYTHON) >/dev/null || { echo "error: $(PYTHON) not found; install Python 3.11 or newer, or set PYTHON=..." >&2; exit 2; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "error: $$($(PYTHON) --version) is too old; trigforge needs Python 3.11 or newer, set PYTHON=..." >&2; exit 2; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "error: $(PYTHON) has no venv module; install it (Debian: apt install python3-venv)" >&2; exit 2; }
	@for tool in g++ make perl; do command -v $$tool >/dev/null || { echo "error: $$tool not found; install it (Debian: apt install g++ make perl)" >&2; exit 2; }; done

clean:
	rm -rf $(VENV) .venv-qkeras runs build dist src/*.egg-info hls_projects/*/build
