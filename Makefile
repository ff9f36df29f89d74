# `make` lists the targets. Everything runs in a virtual environment of its own:
#   make test PYTHON=python3.12 VENV=.venv312

PYTHON ?= python3
VENV ?= .venv
# Two processes: a third less time on two cores when the compilation cache is empty.
PYTEST_ARGS ?= -n 2

PY := $(VENV)/bin/python
# The oldest supported versions have an environment of their own.
OLDEST_PYTHON ?= python3.11
OLDEST := $(VENV)-oldest
METADATA := setup.cfg pyproject.toml
# Warnings are errors, and so are references that lead nowhere.
SPHINX := -m sphinx -q -n -W --keep-going -b html docs docs/_build/html

.DEFAULT_GOAL := help
.PHONY: help demo demo-train test test-long test-oldest lint format \
  docs docs-notebooks clean
.DELETE_ON_ERROR:

help:  ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) \
	  | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 20

demo: $(VENV)/.installed-demo  ## restore photographs with the weights that ship
	$(PY) -m irsde_jax.demo

demo-train: $(VENV)/.installed-demo  ## train and evaluate a small network, in minutes
	$(PY) -m irsde_jax.demo.training

test: lint  ## lint, types and tests
	$(PY) -m pytest $(PYTEST_ARGS)

test-long: $(VENV)/.installed-test  ## the tests that take minutes
	$(PY) -m pytest -m long $(PYTEST_ARGS)

test-oldest: $(OLDEST)/.installed-core  ## the core tests with the oldest supported versions
	$(OLDEST)/bin/python -m pytest -m core $(PYTEST_ARGS)

lint: $(VENV)/.installed-test  ## style, format and types
	$(PY) -m ruff check
	$(PY) -m ruff format --check
	$(PY) -m mypy

format: $(VENV)/.installed-test  ## rewrite the sources in the project's format
	$(PY) -m ruff check --fix
	$(PY) -m ruff format

docs: $(VENV)/.installed-docs  ## the documentation, as a website in docs/_build/html
	$(PY) $(SPHINX)
	@echo "Open docs/_build/html/index.html"

docs-notebooks: $(VENV)/.installed-docs $(VENV)/.installed-notebooks  ## the same with executed notebooks, in minutes
	IRSDE_JAX_DOCS_NOTEBOOKS=force $(PY) $(SPHINX)
	@echo "Open docs/_build/html/index.html"

clean:  ## remove what is made by build, tests and docs; never results or data
	rm -rf build dist *.egg-info docs/_build docs/notebooks docs/reference .cache .mypy_cache .pytest_cache .ruff_cache
	find irsde_jax configs docs tests benchmarks -name __pycache__ -prune -exec rm -rf {} +

# The name of an extra of setup.cfg stands for %. Run again only when the metadata changes.
$(VENV)/.installed-%: $(METADATA) | $(PY)
	$(PY) -m pip install --quiet --editable ".[$*]"
	@touch $@

# Exactly the lower bounds of setup.cfg, and what the core tests import beside it.
$(OLDEST)/.installed-core: $(METADATA) tests/lower_bounds.py
	$(MAKE) $(OLDEST)/bin/python VENV=$(OLDEST) PYTHON=$(OLDEST_PYTHON)
	$(OLDEST)/bin/python tests/lower_bounds.py >$(OLDEST)/constraints.txt
	$(OLDEST)/bin/python -m pip install --quiet --constraint $(OLDEST)/constraints.txt \
	  --editable ".[demo,export,opencv]" pytest pytest-xdist
	@touch $@

$(PY):
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit( \
	  "irsde_jax needs Python 3.11 or newer, but $(PYTHON) is " \
	  + sys.version.split()[0] + ". Name another one: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
