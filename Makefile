# `make up` and `make test` are all that a newcomer needs; `make help` lists the rest.

VENV := .venv
BIN := $(VENV)/bin
# A Python to use instead of the first good one that tools/venv finds.
PYTHON ?=
# What `make quick` runs: tests of pure code, which need no server, no process and no clock. Arguments of pytest.
QUICK := tests/snapshot tests/inputs tests/selection tests/outputs tests/config tests/test_imports.py \
	tests/etl/test_gate.py tests/etl/test_age.py tests/etl/test_schedule.py tests/etl/pull/test_rate.py \
	tests/store/test_keys.py tests/view/test_view.py tests/view/test_confirmations.py tests/view/test_pins.py \
	tests/view/test_outage.py tests/query/test_metrics.py tests/api/test_parser.py \
	--deselect tests/outputs/test_tables.py::test_rows_that_are_far_apart_cost_more
# Branch coverage in percent below which `make test` fails; a part of the tests, chosen by ARGS, has no floor.
FLOOR := 90
# Processes that run the tests. More than cores, because most tests wait for others.
TESTERS ?= 4
# More words for the command that is run, as in `make up ARGS="--port 8081"`.
ARGS ?=

.PHONY: help up set-up set-up-dev test quick test-long fuzz check bench bench-tools lock clean
.DEFAULT_GOAL := help

help: ## List these commands.
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 18

up: set-up ## Set up, run everything on this machine, print what to try. Ctrl-C stops it.
	@STARTED_WITH_MAKE=up $(BIN)/switchboard up $(ARGS)

test: set-up-dev ## Set up and run all tests; shows branch coverage, child processes included.
	@mkdir -p build/coverage
	@$(BIN)/python -m pytest -n $(TESTERS) --dist worksteal --cov --cov-report=term $(if $(ARGS),$(ARGS),--cov-fail-under=$(FLOOR))

# The plugin of schemathesis takes a second to load, and none of these tests uses it.
quick: set-up-dev ## Run the tests of the pure core, with few examples of each property: under 20 seconds.
	@SWITCHBOARD_FUZZ_EXAMPLES=10 $(BIN)/python -m pytest -q -p no:schemathesis $(QUICK) $(ARGS)

test-long: set-up-dev ## Run the tests of faults in all their combinations and at full length; takes long.
	@SWITCHBOARD_TEST_LONG=1 $(BIN)/python -m pytest -q -s --timeout 600 tests/integration $(ARGS)

fuzz: set-up-dev ## Let hypothesis look for bytes and queries that break something: 10,000 examples per property; takes long.
	@SWITCHBOARD_FUZZ_EXAMPLES=10000 $(BIN)/python -m pytest --timeout 3600 -q tests/inputs tests/snapshot tests/selection tests/outputs $(ARGS)

check: set-up-dev ## Lint, formatting, types, and the arrows between rooms.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -q tests/test_imports.py

bench: set-up-dev ## Measure; prints a table and writes build/bench.json.
	@$(BIN)/python -m bench $(ARGS)

bench-tools: ## Install what the serving part of `make bench` is measured with: wrk, nginx, hey.
	@tools/bench

# Pins are kept as far as they fit; ARGS=--upgrade takes the newest.
lock: ## Write the lock files anew from pyproject.toml.
	@tools/lock $(ARGS)

clean: ## Remove all that was made here.
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# These look themselves whether there is anything to do: make cannot see that a Python has changed or is gone.
set-up:
	@PYTHON="$(PYTHON)" GOAL="$(firstword $(MAKECMDGOALS))" tools/venv $(VENV)

set-up-dev:
	@PYTHON="$(PYTHON)" GOAL="$(firstword $(MAKECMDGOALS))" tools/venv $(VENV) dev
