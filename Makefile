# `make demo` and `make test` are all that a fresh machine needs: they install what is missing into .venv first.
SHELL := /bin/bash
PYTHON ?= $(shell for p in python3.14 python3.13 python3.12 python3.11 python3; do \
	command -v $$p >/dev/null && $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin
CLOUD ?= aws

.DEFAULT_GOAL := help
.PHONY: help demo test test-fast test-az lint benchmark clean

help: ## show this
	@grep -E '^[a-z-]+:.*## ' Makefile | sed -E 's/:.*## /\t/' | expand -t 14

.venv/ready: pyproject.toml
	@test -n "$(PYTHON)" || { echo "error: no Python >= 3.11 found" >&2; echo "fix: install one, or \`make PYTHON=/path/to/python3\`" >&2; exit 3; }
	@echo "installing into .venv (once)"
	@$(PYTHON) -m venv .venv || { echo "error: $(PYTHON) cannot make a virtual environment" >&2; echo "fix: apt-get install python3-venv" >&2; exit 3; }
	@$(BIN)/python -m pip install --quiet --upgrade pip uv
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --editable '.[dev]'
	@touch .venv/ready

demo: .venv/ready ## a GPU machine in the embedded cloud: made, proven, stopped, started, removed (or CLOUD=azure)
	@PATH="$(CURDIR)/$(BIN):$$PATH" scripts/demo.sh $(CLOUD)

test: lint ## everything: style, types, unit tests, sandbox tests
	@$(BIN)/python -m pytest -n 2 --dist loadfile

test-fast: .venv/ready ## unit tests only
	@$(BIN)/python -m pytest -m "not slow" -n 2 --dist worksteal

test-az: .venv/ready ## the sandbox's Azure with the real az command line (installs 730 MB into .az first)
	@test -x .az/bin/az || { $(BIN)/uv venv --quiet .az && $(BIN)/uv pip install --quiet --python .az/bin/python azure-cli; }
	@GPUCLOUD_AZ=$(CURDIR)/.az/bin/az $(BIN)/python -m pytest tests/sandbox_arm/test_az_compute.py tests/e2e/test_az.py

lint: .venv/ready ## ruff, mypy, shellcheck
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/shellcheck -x scripts/*.sh bootstrap/*.sh bootstrap/stages/*.sh

benchmark: .venv/ready ## start-up time, API calls, overhead of `up`
	@for each in benchmarks/*.py; do echo "== $$each"; $(BIN)/python $$each || exit 1; done

clean: ## remove what was built here
	rm -rf .venv .az build dist *.egg-info
