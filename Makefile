# Everything runs from a fresh clone with Python 3.11+ and make; `make help` lists the targets.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
EXTRAS := test,lint,docs
STAMP := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help venv demo test test-all lint format bench docs clean

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 12

# The stamp depends on the files that name the dependencies, so a change of those installs again.
$(STAMP): setup.cfg pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[$(EXTRAS)]'
	touch $@

venv: $(STAMP)  ## create .venv and install the package, editable, with all that development needs

DEMO_DIR ?= demo-output

demo: $(STAMP)  ## the whole way on real data: ingest, train, forecast, verify, plot
	mkdir -p $(DEMO_DIR)
	cd $(DEMO_DIR) && $(CURDIR)/$(BIN)/stforecast ingest --overwrite
	cd $(DEMO_DIR) && $(CURDIR)/$(BIN)/stforecast train --replace
	cd $(DEMO_DIR) && $(CURDIR)/$(BIN)/stforecast forecast --horizon 4
	cd $(DEMO_DIR) && $(CURDIR)/$(BIN)/stforecast verify
	cd $(DEMO_DIR) && $(CURDIR)/$(BIN)/stforecast plot
	@echo "The pictures of the demo:"; find $(DEMO_DIR)/runs -name '*.png' | sort

# Side by side, one thread each; a file's tests stay together, as they share what is slow to make.
TESTS := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n logical --maxprocesses 4 --dist loadfile --no-loadscope-reorder

test: $(STAMP)  ## the fast tests, under ten minutes on two cores
	$(TESTS) -m 'not slow'

test-all: $(STAMP)  ## every test: fault campaigns, all notebooks, compiled models
	$(TESTS)

lint: $(STAMP)  ## ruff, mypy on the package, and who may import whom
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(STAMP)  ## let ruff put the code in order
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(STAMP)  ## speed and memory beside a peer or a limit, as ratios
	$(BIN)/python -m benchmarks

docs: $(STAMP)  ## the documentation as a site in site/
	$(BIN)/mkdocs build --strict

clean:  ## remove what the build and the tests leave behind, and the virtual environment
	rm -rf $(VENV) demo-output build dist site *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
