# Two commands for everyone: `make demo` and `make test`. The rest is for those who change the code.
PYTHON ?= python3
VENV ?= .venv
# Half of the time tests wait: for a lease, a deadline, a database.
WORKERS ?= $(shell expr 2 '*' $$(getconf _NPROCESSORS_ONLN))
# Files as they come, not those with most tests first: a few tests that take minutes would begin last, beside idle cores.
SPREAD := --dist loadfile --no-loadscope-reorder
BIN := $(VENV)/bin
# Interpreters besides ours that a smoke run uses when they are found.
OTHERS ?= python3.10 python3.12 python3.13 python3.14

.PHONY: help demo test test-long bench check format lint types layers docs pictures wheel smoke resolve clean

help:
	@echo "make demo       the main job in a minute, with an emulated Microsoft"
	@echo "make test       all tests"
	@echo "make check      format, lint, types, layers, documents, the built wheel"
	@echo "make test-long  property, fuzz and large tests for longer"
	@echo "make bench      the measures of speed and memory"
	@echo "make pictures   the pictures of the documents, drawn anew"
	@echo "make smoke      the demonstration on other Python versions found here"

$(BIN)/misp-microsoft: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

$(BIN)/pytest: $(BIN)/misp-microsoft pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

demo: $(BIN)/misp-microsoft
	$(BIN)/misp-microsoft demo $(ARGS)

test: $(BIN)/pytest
	$(BIN)/python -m pytest --numprocesses $(WORKERS) $(SPREAD) $(ARGS)

test-long: $(BIN)/pytest
	HYPOTHESIS_PROFILE=long $(BIN)/python -m pytest --numprocesses auto $(SPREAD) -m property $(ARGS)

# Figures depend on the machine: run it on one that does nothing else. ARGS="--help" tells how to choose.
bench: $(BIN)/pytest
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[bench]'
	$(BIN)/python -m tests.bench $(ARGS)

check: lint types layers docs wheel

format: $(BIN)/pytest
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lint: $(BIN)/pytest
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: $(BIN)/pytest
	$(BIN)/mypy

layers: $(BIN)/pytest
	$(BIN)/lint-imports

docs: $(BIN)/pytest
	$(BIN)/python -m pytest --quiet tests/docs

# The pictures of the documents, from today's answers; needs a Chromium.
pictures: $(BIN)/pytest
	$(BIN)/python -m tests.pictures

# What users get is the wheel: build it, install it into an environment of its own, do the main job with it.
wheel: $(BIN)/pytest
	rm -rf dist build/wheel-venv
	$(BIN)/python -m build --quiet --wheel --outdir dist .
	$(PYTHON) -m venv build/wheel-venv
	build/wheel-venv/bin/python -m pip install --no-compile --quiet --disable-pip-version-check dist/*.whl
	cd build && wheel-venv/bin/misp-microsoft --version
	cd build && wheel-venv/bin/misp-microsoft demo --report wheel-demo.html

# Where pyenv manages the interpreters, all of them answer to their names.
smoke: wheel
	@export PYENV_VERSION=$$(pyenv versions --bare 2>/dev/null | paste -sd: -); \
	test -n "$$PYENV_VERSION" || unset PYENV_VERSION; \
	for python in $(OTHERS); do \
	  if $$python -c 'import sys' 2>/dev/null; then \
	    echo "== $$($$python --version)" && rm -rf build/smoke-venv && $$python -m venv build/smoke-venv && \
	    build/smoke-venv/bin/python -m pip install --no-compile --quiet --disable-pip-version-check dist/*.whl && \
	    (cd build && smoke-venv/bin/misp-microsoft demo --report smoke-demo.html > smoke.log 2>&1 || { cat smoke.log; exit 1; }) && \
	    echo "   demo: ok" || exit 1; \
	  else echo "== $$python: not found here, skipped"; fi; \
	done

# That a set of dependencies exists for the versions that are not here.
resolve: wheel
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --dry-run --ignore-installed \
	  --only-binary=:all: --python-version 3.14 --target build/resolve dist/*.whl
	@echo "dependencies resolve for Python 3.14"

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
