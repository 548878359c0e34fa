# `make demo` and `make test` work in a fresh clone: they need Python 3.11 or newer and make, and set up .venv themselves.

VENV := .venv
BIN := $(VENV)/bin
REQUIREMENTS := pyproject.toml constraints.txt
PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

# The first interpreter that is new enough and can make an environment (Debian ships ones that cannot).
USABLE := import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(shell for candidate in python3.13 python3.12 python3.11 python3 python; do \
	if $$candidate -c '$(USABLE)' 2>/dev/null; then echo $$candidate; break; fi; done)

# pytest runs one process per core; a second level of threads only makes the processes wait for each other.
PYTEST := OMP_NUM_THREADS=1 OMP_WAIT_POLICY=passive $(BIN)/pytest

.DEFAULT_GOAL := help
.NOTPARALLEL:
.DELETE_ON_ERROR:
.PHONY: help demo test test-all test-gpu lint docs bench format clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' Makefile

demo: $(VENV)/.installed-demo ## install what the demo needs, and run it
	$(BIN)/fieldsolver demo

test: lint ## linters, types, import order, and all tests but the slow ones
	$(PYTEST) -n auto --dist worksteal -m "not slow"

test-all: lint ## the same with the slow tests
	$(PYTEST) -n auto --dist worksteal

test-gpu: $(VENV)/.installed-test ## the tests that take a device, on CUDA (slow ones included)
	@$(BIN)/python -c 'import sys, torch; sys.exit(None if torch.cuda.is_available() else "make test-gpu: torch finds no CUDA device here")'
	FIELDSOLVER_TEST_DEVICE=cuda $(PYTEST)

lint: $(VENV)/.installed-test
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

docs: $(VENV)/.installed-docs ## draw its figures and build the documentation into docs/_build/html
	OMP_NUM_THREADS=1 $(BIN)/python docs/make_figures.py
	$(BIN)/sphinx-build --fail-on-warning --keep-going --quiet docs docs/_build/html
	@echo "docs/_build/html/index.html"

# One thread for both sides: more would time the waiting, and with small states nothing else.
bench: $(VENV)/.installed-demo ## measure speed and costs against other packages
	OMP_NUM_THREADS=1 OMP_WAIT_POLICY=passive $(BIN)/fieldsolver bench

format: $(VENV)/.installed-test ## let ruff rewrite the code
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

clean: ## remove everything that make made, the environment included
	rm -rf $(VENV) build dist *.egg-info docs/_build .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/.installed-demo: EXTRAS := experiments
$(VENV)/.installed-test: EXTRAS := test,experiments
$(VENV)/.installed-docs: EXTRAS := docs,experiments

# A stamp older than the requirements means a stale environment: install again.
$(VENV)/.installed-%: $(REQUIREMENTS) | $(BIN)/python
	@echo "Installing fieldsolver[$(EXTRAS)] into $(VENV); the first time takes some minutes."
	$(PIP_INSTALL) --editable '.[$(EXTRAS)]'
	@touch $@

$(BIN)/python:
	@if [ -z "$(PYTHON)" ]; then \
		echo "fieldsolver needs Python 3.11 or newer with the venv module, and none was found on PATH." >&2; \
		echo "Install one (on Debian: python3 and python3-venv), or name it: make PYTHON=/path/to/python3" >&2; \
		exit 1; \
	fi
	$(PYTHON) -m venv --clear $(VENV)
