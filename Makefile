# Everything that is done with a checkout of Firstline. Needs Python 3.11+, Node 20+ and make; `make help` lists the goals.
#
# What pip installed is remembered by stamp files in .make/; they are out of date as soon as a lock file changes, and
# otherwise every goal starts at once.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

PYTHON ?= $(shell for python in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$python && break; done)
PORT ?=
DATA ?= ./data
CONFIG ?=
ARGS ?=

BIN := .venv/bin
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check --no-input
CATALOGS := $(patsubst %.po,%.mo,$(wildcard web/locale/*/LC_MESSAGES/*.po))

.PHONY: help install install-dev servers run test lint format bench screenshots templates lock clean

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 14

install: .make/runtime web/static/vendor/LICENSES.txt $(CATALOGS) ## the hub and its pages: leaves .venv/bin/firstline

run: install ## starts the hub: PORT= (8080), DATA= (./data), CONFIG= (the reference company)
	@exec $(BIN)/firstline serve --data "$(DATA)" $(if $(PORT),--port "$(PORT)") $(if $(CONFIG),--config "$(CONFIG)")

test: install-dev servers lint ## every check and every test; ARGS= goes to pytest
	@$(BIN)/python -m pytest -n 2 --dist loadfile $(ARGS)

lint: install-dev ## style, types, borders of the rooms
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

format: install-dev ## mends what the tools can mend
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

bench: install-dev servers ## speed and memory, each beside the limit measured in the same run; ARGS= goes to the bench
	@exec $(BIN)/python -m bench $(ARGS)

screenshots: install-dev servers ## takes the pictures of docs/images anew
	@exec $(BIN)/python -m tools.screenshots $(ARGS)

templates: install-dev ## builds the DOCX templates of the bundled company anew
	@$(BIN)/python -m tools.build_document_templates

lock: install-dev ## writes the lock files from what is installed in .venv
	@$(BIN)/python tools/lock.py

clean: ## removes everything that was installed or built; keeps the data
	rm -rf .venv .make node_modules web/static/vendor build dist *.egg-info artifacts
	rm -rf .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
	find web -name '*.mo' -delete

install-dev: install .make/dev

servers:
	@tools/install_test_servers.sh

.venv/pyvenv.cfg:
	@test -n "$(PYTHON)" || { echo "Firstline needs Python 3.11 or newer." >&2; exit 1; }
	@tools/make_venv.sh "$(PYTHON)"

.make/runtime: .venv/pyvenv.cfg requirements.lock requirements-build.lock pyproject.toml
	@echo "Installing the hub …" >&2
	@$(PIP) install -r requirements-build.lock -r requirements.lock
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@mkdir -p .make && touch $@

.make/dev: .make/runtime requirements-dev.lock
	@echo "Installing the tools of the tests …" >&2
	@$(PIP) install -r requirements-dev.lock
	@mkdir -p .make && touch $@

node_modules/.package-lock.json: package.json package-lock.json .npmrc
	@node -e 'process.exit(parseInt(process.versions.node) >= 20 ? 0 : 1)' || \
		{ echo "Firstline needs Node 20 or newer to build its pages." >&2; exit 1; }
	@npm ci --loglevel=error >/dev/null
	@touch $@

web/static/vendor/LICENSES.txt: node_modules/.package-lock.json tools/build_assets.mjs
	@node tools/build_assets.mjs

%.mo: %.po .make/runtime
	@$(BIN)/pybabel --quiet compile --input-file $< --output-file $@
