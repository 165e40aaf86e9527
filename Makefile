# make run    start Prospero: on Discord with DISCORD_TOKEN set, in the browser without
# make test   run every test
# make lint   check style and types
# make env    make or refresh the environment (.venv); the others do it when needed

PYTHON ?= $(shell command -v python3.11 || command -v python3)
NEEDED := Prospero needs Python 3.11 or newer: make PYTHON=/path/to/python3.11
VENV := .venv

.PHONY: run test lint env

run: env
	@exec $(VENV)/bin/python -m bot

test: env
	$(VENV)/bin/python -m pytest --numprocesses logical --maxprocesses 4 --dist loadfile

lint: env
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

env: $(VENV)/.stamp

$(VENV)/.stamp: pyproject.toml constraints.txt
	@$(or $(PYTHON),$(error $(NEEDED))) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "$(NEEDED)")'
	@echo "Making the environment in $(VENV); the first time takes a few minutes."
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $@
