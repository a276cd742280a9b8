# `make help` lists the targets. Everything is installed into .venv by the target that needs it.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
DEMO ?= machex_demo
APT_GET := $(if $(filter 0,$(shell id -u)),,sudo) apt-get

.DEFAULT_GOAL := help
.PHONY: help demo test test-all dcmtk check format docs bench clean

help:  ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 12

$(VENV)/bin/pip:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.runtime: requirements.txt constraints.txt | $(VENV)/bin/pip
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements.txt -c constraints.txt
	@touch $@

$(VENV)/.development: requirements-dev.txt $(VENV)/.runtime
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements-dev.txt -c constraints.txt
	@touch $@

demo: $(VENV)/.runtime  ## compose made-up miniatures of all sources into machex_demo
	rm -rf $(DEMO)
	$(BIN)/python machex.py demo -o $(DEMO)

test: $(VENV)/.development  ## the tests, in a few minutes
	$(BIN)/python -m pytest -n 2 --dist worksteal -m "not long"

test-all: $(VENV)/.development  ## the tests, the long ones too
	$(BIN)/python -m pytest -n 2 --dist worksteal

dcmtk: $(VENV)/.development  ## compare grey levels with DCMTK, installing it (Debian, Ubuntu)
	@command -v dcm2img > /dev/null || command -v dcm2pnm > /dev/null || \
		{ $(APT_GET) update && $(APT_GET) install --yes dcmtk; } || \
		{ echo "install DCMTK, https://dcmtk.org, with dcm2img or dcm2pnm on the PATH; then again"; exit 1; }
	$(BIN)/python -m pytest tests/composer/imaging/test_dcmtk.py

check: $(VENV)/.development  ## format, lint, types, import rules
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.development  ## format the code and sort imports
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(VENV)/.runtime  ## write docs/datasets.md from the processors, and the tables in docs/labels.md
	$(BIN)/python -m composer.catalogue > docs/datasets.md
	$(BIN)/python -m composer.labels.page docs/labels.md

bench: $(VENV)/.development  ## measure; see docs/performance.md, docs/pixels.md, docs/overlap.md and docs/leaks.md
	$(BIN)/python -m benchmarks.speed
	$(BIN)/python -m benchmarks.reading
	$(BIN)/python -m benchmarks.reading --steps
	$(BIN)/python -m benchmarks.reading --index
	$(BIN)/python -m benchmarks.plan
	$(BIN)/python -m benchmarks.ledger
	$(BIN)/python -m benchmarks.verify
	$(BIN)/python -m benchmarks.driver
	$(BIN)/python -m benchmarks.again
	$(BIN)/python -m benchmarks.pixels
	$(BIN)/python -m benchmarks.reduced
	$(BIN)/python -m benchmarks.labels
	$(BIN)/python -m benchmarks.guard
	$(BIN)/python -m benchmarks.overlap

clean:  ## delete what the targets above made
	rm -rf $(VENV) $(DEMO) .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
