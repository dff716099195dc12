# Working on this template. `make help` says what there is; everything needs Python >= 3.11, git and make only.
.DEFAULT_GOAL := help
SHELL := /bin/sh

PYTHON ?= python3
# another release of Copier than the pinned one, in an environment of its own: make test COPIER=9.18.0, or COPIER=newest
COPIER ?=
VENV := .venv$(addprefix -copier-,$(COPIER))
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# which versions a rendered service is tested with: the newest, or with lowest-direct those of its lower bounds
RESOLUTION ?= highest
PIP := $(BIN)/python -m pip install --quiet --quiet --disable-pip-version-check
# how many tests run at a time; a rendered service counts as one; `logical`: two for each core (tests/conftest.py)
PYTEST_WORKERS ?= logical

.PHONY: help
help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "%-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: demo
demo: $(READY) ## Make a service, run it, and show it answering
	@$(BIN)/python -m tests.demo

.PHONY: test
test: $(READY) ## Check the template, render all variants, run those that differ in structure
	@$(BIN)/python -m pytest -n $(PYTEST_WORKERS) $(PYTEST_ARGS)

.PHONY: test-variant
test-variant: $(READY) ## Render and run one variant in full: make test-variant VARIANT=asyncpg-dao-small-arq-orders-none-no
	@test -n "$(VARIANT)" || { echo 'Say which: make test-variant VARIANT=asyncpg-dao-small-arq-orders-none-no; `make matrix` lists them'; exit 1; }
	@UV_RESOLUTION=$(RESOLUTION) $(BIN)/python -m pytest tests/test_variants_run.py --variant "$(VARIANT)" $(PYTEST_ARGS)

.PHONY: matrix
matrix: $(READY) ## Print the variants as JSON, for CI
	@$(BIN)/python -m tests.variants

.PHONY: docs
docs: $(READY) ## Build the documentation, with an explorer of all variants, in site/
	@rm -rf site
	@$(BIN)/python -m pages site

.PHONY: dashboards
dashboards: $(READY) ## Draw the pictures of the dashboards anew, of a service in use and a real Prometheus
	@$(BIN)/python -m pages.dashboards docs/pictures

.PHONY: release
release: $(READY) ## Tag this commit as a release, if it may be one: make release VERSION=1.2.3
	@$(BIN)/python -m tests.release "$(VERSION)"

.PHONY: bench
bench: $(READY) ## Measure the variants beside the usual tutorial: make bench BENCH_ARGS="--help"
	@$(BIN)/python -m benchmarks $(BENCH_ARGS)

.PHONY: lint
lint: $(READY) ## Check the style and the types of this repository's own Python
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy

.PHONY: format
format: $(READY) ## Mend what `make lint` can mend by itself
	@$(BIN)/ruff check --fix
	@$(BIN)/ruff format

.PHONY: hooks
hooks: $(READY) ## Have git run `make lint` before each commit
	@$(BIN)/pre-commit install

.PHONY: clean
clean: ## Remove what the other targets made
	rm -rf .venv .venv-copier-* .*_cache site

$(READY): requirements.txt docs/requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed, this is " + sys.version.split()[0]) if sys.version_info < (3, 11) else None'
	@echo 'Installing the tools into $(VENV) ...' >&2
	@$(PYTHON) -m venv --clear $(VENV)
	@$(PIP) --requirement requirements.txt --requirement docs/requirements.txt
ifneq ($(COPIER),)
	@$(PIP) --upgrade copier$(addprefix ==,$(filter-out newest,$(COPIER)))
endif
	@touch $@
