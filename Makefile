# Commands, each of which sets up all it needs:
#   make demo   train the fraud recipe on generated transactions and show where the report is
#   make test   lint, types and tests
# And for those who change it:
#   make docs   the documentation as a site, in site/
.DEFAULT_GOAL := help
.PHONY: help demo test lint types tests docs clean

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
UV := $(shell command -v uv 2>/dev/null)

help:
	@sed -n 's/^# \{0,1\}//p' Makefile | head -5

# The environment is made again only when what is to be installed has changed.
$(STAMP): pyproject.toml
	@test -x $(BIN)/python || $(if $(UV),$(UV) venv --quiet --python $(PYTHON) $(VENV),$(PYTHON) -m venv $(VENV))
	@echo "Installing into $(VENV) (the first time this takes a few minutes)"
	@$(if $(UV),$(UV) pip install --quiet --python $(BIN)/python,$(BIN)/python -m pip install --quiet --disable-pip-version-check) --editable '.[fraud,medical,speech,translation,vision,dev]'
	@touch $@

demo: $(STAMP)
	@$(BIN)/zoo train fraud

test: lint types tests

lint: $(STAMP)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

types: $(STAMP)
	@$(BIN)/mypy

# The tests of a class or file share what is slow to make, so they stay in one process, and each
# process computes in one thread: more would only wait for one another.
tests: $(STAMP)
	@OMP_NUM_THREADS=1 TF_NUM_INTRAOP_THREADS=1 $(BIN)/pytest --numprocesses 2 --dist loadscope

# Any warning fails, such as a link within the site that leads nowhere.
docs: $(STAMP)
	@$(BIN)/sphinx-build --quiet --fail-on-warning --keep-going --doctree-dir build/doctrees docs site
	@echo "The first page is site/index.html"

clean:
	rm -rf $(VENV) build dist site *.egg-info .pytest_cache .mypy_cache .ruff_cache
