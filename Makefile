# Every command of the project.  The same ones run in CI (.ci/run).

PYTHON ?= python3
UV ?= uv
RUNS ?= 20000
ARGS ?=
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
# A loop that hangs while it closes can be ended from outside only.
PYTEST := timeout --foreground --kill-after=30 2100 $(BIN)/python -m pytest
# All but the peers, of which there is one lab. Some tests wait for processes and sockets: half as
# many again as there are cores keep these at work.
WORKERS ?= $(shell echo $$(( ($$(nproc) * 3 + 1) / 2 )))
UNITS := $(PYTEST) -m "not peer" --numprocesses $(WORKERS) --dist worksteal
# What is compiled once need not be compiled by each process that a test starts.
export PYTHONDONTWRITEBYTECODE :=
LOCK = $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-annotate --no-header pyproject.toml --group install

.PHONY: help demo test lint types unit talks peers peer-packages federation-table bench conformance \
	fuzz lock clean

help:
	@echo "make demo          two people talk through a gateway, nothing else installed"
	@echo "make test          lint, types and every test; real peers where the machine allows"
	@echo "make lint types unit talks peers     its parts"
	@echo "make conformance   which rows of docs/interworking are proved; writes docs/standards.md"
	@echo "make federation-table        how messages cross to real servers; writes docs/federation.md"
	@echo "make bench         how fast; ARGS=--quick for half a minute each"
	@echo "make fuzz          garbage for every parser; RUNS=$(RUNS)"
	@echo "make lock          pin what pyproject.toml asks for (needs uv)"
	@echo "make clean         remove what the others made"

demo: .venv/run.stamp
	@$(BIN)/dragoman demo

# All parts run even when one fails, so that one run shows everything; pytest has the last word.
test: .venv/test.stamp peer-packages
	@status=0; \
	$(MAKE) --no-print-directory lint types --keep-going || status=1; \
	$(UNITS) || status=1; \
	$(PYTEST) -rs tests/peers || status=1; \
	exit $$status

lint: .venv/test.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: .venv/test.stamp
	$(BIN)/mypy

unit: .venv/test.stamp
	$(UNITS) --ignore=tests/talks

talks: .venv/test.stamp
	$(PYTEST) tests/talks

peers: .venv/test.stamp peer-packages
	$(PYTEST) -rs tests/peers

federation-table: .venv/test.stamp peer-packages
	WRITE_TABLE=1 $(PYTEST) -rs tests/peers/test_modes.py

# Peers are optional: what they lack is said here, and again by pytest, which skips them.
peer-packages:
	@if [ "$$(id -u)" != 0 ]; then \
		echo "peers: left out, they need root (each lives in a network namespace)"; \
	elif ! unshare --net --mount true 2>/dev/null; then \
		echo "peers: left out, this machine does not allow network namespaces"; \
	elif ! command -v apt-get >/dev/null; then \
		echo "peers: left out, tests/lab/install knows Debian only"; \
	elif ! timeout 600 tests/lab/install; then \
		echo "peers: left out, tests/lab/install could not install their packages"; \
	elif ! timeout 600 tests/lab/install --all; then \
		echo "peers: Dino and Chromium left out, tests/lab/install --all could not install them"; \
	fi

bench: .venv/test.stamp
	@for bench in $$(grep -l __main__ bench/*.py); do $(BIN)/python $$bench $(ARGS) || exit 1; done

conformance: .venv/test.stamp
	@$(BIN)/python -m tests.conformance $(ARGS)

fuzz: .venv/test.stamp
	@for target in tests/fuzz/fuzz_*.py; do \
		$(BIN)/python -m tests.fuzz.$$(basename $$target .py) --runs $(RUNS) $(ARGS) || exit 1; \
	done

lock:
	$(LOCK) --output-file requirements/run.lock >/dev/null
	$(LOCK) --group test --output-file requirements/test.lock >/dev/null

clean:
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis dist tests/fuzz/corpus
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/run.stamp: requirements/run.lock pyproject.toml | .venv/bin/python
	$(PIP) --require-hashes --requirement requirements/run.lock
	$(PIP) --no-build-isolation --no-deps --editable .
	@touch $@

.venv/test.stamp: requirements/test.lock .venv/run.stamp
	$(PIP) --require-hashes --requirement requirements/test.lock
	@touch $@

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "dragoman needs Python 3.11 or newer; name one: make PYTHON=python3.11"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
		{ [ "$$(id -u)" = 0 ] && apt-get -q update && apt-get -qy install python3-venv; } || \
		{ echo "$(PYTHON) cannot make .venv; as root: apt install python3-venv"; exit 1; }
	$(PYTHON) -m venv .venv
