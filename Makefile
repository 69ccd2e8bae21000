# Two commands do all the set-up: `make demo` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# How the environment is made: change it, and it is made again.
READY := $(VENV)/ready

.PHONY: demo test test-slow lint docs notebooks clean

demo: $(READY)  ## train the digits, leave a report to open
	$(BIN)/aae train

test: $(READY)  ## every test but the slow ones
	$(BIN)/python -m pytest -m "not slow"

test-slow: $(READY)  ## learning checks that take minutes
	$(BIN)/python -m pytest -m slow

lint: $(READY)  ## format, lint and types, as CI asks
	$(BIN)/ruff format --check src tests examples benchmarks docs/site_pages.py
	$(BIN)/ruff check src tests examples benchmarks docs/site_pages.py
	$(BIN)/mypy

docs: $(READY)  ## the documentation site, in site/; a warning is an error
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

notebooks: $(READY)  ## run every notebook of examples/notebooks, a minute or two
	$(BIN)/python -m pytest -m slow tests/test_notebooks.py

clean:  ## remove the environment and caches; runs/ stays
	rm -rf $(VENV) site .pytest_cache .mypy_cache .ruff_cache .hypothesis build dist src/*.egg-info

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11) and 'aae needs Python 3.11 or newer; set PYTHON=python3.11')"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev]"
	touch $(READY)
