.DEFAULT_GOAL := test
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# Tests wait for programs, brokers and servers much of the time, so one more than there are cores. The seed
# makes them collect what is parametrized over a set in one order.
JOBS ?= $(shell expr $$(getconf _NPROCESSORS_ONLN) + 1)
TESTS = PYTHONHASHSEED=0 $(BIN)/pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder
export TF_CPP_MIN_LOG_LEVEL := 3

.PHONY: venv brokers chromium demo test coverage check bench lock clean

venv: $(READY)

# The stamp makes this incremental: pip runs again only when the lock or the project's metadata changes.
# The lock is the whole closure, so pip is told to resolve nothing: left to itself it meets an extra
# that a package asks of another (coverage[toml]), takes its newest release, and finds no hash for it.
$(READY): requirements.txt pyproject.toml
	$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(0 if (3, 11) <= v < (3, 14) else f"tankwatch needs Python 3.11, 3.12 or 3.13, and {sys.executable} is {v.major}.{v.minor}: run make PYTHON=/path/to/python3.11")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	$(BIN)/python -m pip check --disable-pip-version-check
	touch $@

# The tests of MQTT run against amqtt, which the lock brings, and against mosquitto where the system
# has it or root may install it; RUNLEVEL keeps the package from starting it as a service.
brokers:
	@PATH="$$PATH:/usr/sbin"; command -v mosquitto >/dev/null || { \
	  test "$$(id -u)" = 0 && command -v apt-get >/dev/null && \
	  { RUNLEVEL=1 apt-get install --yes --quiet mosquitto || \
	    { apt-get update --quiet && RUNLEVEL=1 apt-get install --yes --quiet mosquitto; }; }; \
	} || echo "mosquitto is not here and cannot be installed: the tests of MQTT run against amqtt alone"

# The tests of the page run in the system's Chromium; without one they fail, and say so.
chromium:
	@for name in chromium chromium-browser google-chrome-stable google-chrome; do \
	  command -v "$$name" >/dev/null && exit 0; done; \
	test "$$(id -u)" = 0 && command -v apt-get >/dev/null && \
	{ apt-get install --yes --quiet chromium || \
	  { apt-get update --quiet && apt-get install --yes --quiet chromium; }; } || \
	echo "Chromium is not here and cannot be installed: the tests of the page will fail"

demo: $(READY)
	$(BIN)/tankwatch demo --dir demo $(DEMO_FLAGS)

check: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/pytest -q tests/contracts

test: $(READY) brokers chromium
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(TESTS)

# The same tests, counting lines, which takes about twice the time: the floor is in pyproject.toml.
coverage: $(READY) brokers chromium
	$(TESTS) --cov --cov-report=term:skip-covered

bench: $(READY)
	for file in benchmarks/bench_*.py; do echo "== $$file"; $(BIN)/python "$$file"; done

# Needs uv. The exported files carry hashes and name no index, so plain pip installs them from anywhere.
lock:
	uv lock --quiet
	uv export --quiet --format requirements-txt --all-extras --no-emit-project --no-header -o requirements.txt
	uv export --quiet --format requirements-txt --extra postgres --extra serve --extra mqtt --extra opcua --extra channels --no-dev --no-emit-project --no-header -o requirements-edge.txt

clean:
	rm -rf $(VENV) demo .coverage .mypy_cache .pytest_cache .ruff_cache .hypothesis build dist
