# Needs make and Python 3.11 or newer, nothing else. Everything is installed into .venv, from the locks.
# PYTHON=... picks the interpreter, ARGS=... is handed on to pytest, postseal or bench.

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help setup run serve test check bench soak fix lock clean

VENV := .venv
PY := $(VENV)/bin/python
# A stamp says which lock is installed; dev holds all of run, in the same versions (a test compares them).
RUN := $(VENV)/installed-run
DEV := $(VENV)/installed-dev
PIP := $(PY) -m pip install --quiet --disable-pip-version-check --no-input
LOCKED := --no-deps --require-hashes

help: ## list the targets
	@sed -n 's/^\([a-z]*\):[^#]*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 16

setup: $(DEV) ## create .venv and install everything, tools and tests included

run: $(if $(wildcard $(DEV)),$(DEV),$(RUN)) ## show what Postseal does, on a ledger of its own in ./data, and serve it
	@POSTSEAL_DATA_DIR="$(CURDIR)/data" exec $(VENV)/bin/postseal demo $(ARGS)

serve: $(if $(wildcard $(DEV)),$(DEV),$(RUN)) ## serve the ledger in ./data over HTTP, on this machine alone
	@POSTSEAL_DATA_DIR="$(CURDIR)/data" exec $(VENV)/bin/postseal serve $(ARGS)

test: $(DEV) ## run the tests
	$(PY) -m pytest -n logical --maxprocesses 4 --dist loadfile $(ARGS)

check: $(DEV) ## lint, formatting, types, import contracts, documentation
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(PY) -m mypy
	$(VENV)/bin/lint-imports
	$(PY) -m pytest -q tests/docs

bench: $(DEV) ## measure, and compare with others
	$(PY) -m bench $(ARGS)

soak: $(DEV) ## the long versions of the kill, race and fuzz tests
	$(PY) -m pytest -m soak --timeout 0 $(ARGS)

fix: $(DEV) ## repair what lint and formatting can repair by themselves
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .

LOCK := uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate \
	--custom-compile-command "make lock" $(ARGS)
lock: ## resolve the locks again (needs uv; ARGS=--upgrade for newer releases)
	$(LOCK) pyproject.toml --group build -o requirements/run.lock
	$(LOCK) pyproject.toml --group dev --constraints requirements/run.lock -o requirements/dev.lock
	$(LOCK) --no-deps requirements/nodeps.in -o requirements/nodeps.lock

clean: ## remove .venv and all caches (never ./data)
	rm -rf $(VENV) build dist *.egg-info .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# A copy of Python that cannot make a virtual environment (Debian splits it off) is passed over like one that is too old.
$(PY):
	@for python in $(or $(PYTHON),python3 python3.13 python3.12 python3.11); do \
		if $$python -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then \
			$$python -m venv $(VENV) && exit 0; rm -rf $(VENV); exit 1; \
		fi; \
	done; \
	echo "postseal: found no Python 3.11 or newer that can create a virtual environment (tried: $(or $(PYTHON),python3 python3.13 python3.12 python3.11))" >&2; exit 1

$(RUN): requirements/run.lock pyproject.toml | $(PY)
	@echo "Installing what postseal needs into $(VENV) ..."
	@$(PIP) $(LOCKED) -r requirements/run.lock
	@$(PIP) --no-deps --no-build-isolation --editable .
	@touch $@

# merkletools brings its own tests along as a top-level package called tests, which would hide ours.
$(DEV): requirements/dev.lock requirements/nodeps.lock pyproject.toml | $(PY)
	@echo "Installing postseal, its tools and its tests' needs into $(VENV) ..."
	@$(PIP) $(LOCKED) -r requirements/dev.lock
	@$(PIP) $(LOCKED) --no-build-isolation -r requirements/nodeps.lock
	@$(PY) -c 'import shutil, sysconfig; shutil.rmtree(sysconfig.get_path("purelib") + "/tests", ignore_errors=True)'
	@$(PIP) --no-deps --no-build-isolation --editable .
	@touch $@
