# Two commands need nothing but Python 3.10 or later and a network:
#
#     make demo    train on real data and draw the result
#     make test    lint, type check, tests and coverage
#
# Both work in a virtual environment of their own, .venv, which is made once and again
# when pyproject.toml changes.
#
#     PYTHON       interpreter that makes the environment
#     TORCH        what pip installs as torch: any requirement that pip understands,
#                  for example TORCH='torch==2.8.0'
#     TORCH_INDEX  package index that torch comes from; on Linux the CPU build saves
#                  several GB: TORCH_INDEX=https://download.pytorch.org/whl/cpu

PYTHON ?= python3
TORCH ?= torch
TORCH_INDEX ?=

ENVIRONMENT := .venv
STAMP := $(ENVIRONMENT)/.stamp
RUN := $(ENVIRONMENT)/bin/python
PIP := $(RUN) -m pip --disable-pip-version-check

.PHONY: demo test lint clean

demo: $(STAMP)
	@$(RUN) examples/1_quickstart/abalone_demo.py

# Two workers with one thread each: more threads would only wait for each other.
test: lint
	@OMP_NUM_THREADS=1 $(RUN) -m pytest -n 2 \
		--cov=sk_hca --cov-report=term --cov-fail-under=95

lint: $(STAMP)
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m mypy

$(STAMP): pyproject.toml
	$(PYTHON) -m venv $(ENVIRONMENT)
	$(PIP) install --quiet $(if $(TORCH_INDEX),--index-url '$(TORCH_INDEX)') '$(TORCH)'
	$(PIP) install --quiet --editable '.[dev]'
	@touch $@

clean:
	rm -rf $(ENVIRONMENT) build dist .coverage .mypy_cache .pytest_cache .ruff_cache \
		.hypothesis
	find . -type d -name __pycache__ -prune -exec rm -rf {} +
