# Everything here needs Python 3.11+ and make; the rest is installed into .venv on first use.

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PIP := $(BIN)/python -m pip -qq --disable-pip-version-check --no-input
CANDIDATES := python3 python3.14 python3.13 python3.12 python3.11 python
PYTEST := $(BIN)/python -m pytest -q -n auto --dist loadfile
# Lint and docs must never hold the warehouse that a run writes to.
ASIDE := TIDEMILL_TARGET=duckdb TIDEMILL_DUCKDB_PATH=:memory:

.DEFAULT_GOAL := help
.PHONY: help run test slow endurance lint format bench docs lock install clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: $(STAMP) ## let a day pass in the demo shop and run the daily job on it
	@$(BIN)/tidemill demo $(ARGS)

test: $(STAMP) ## run the fast tests on all cores, on a real PostgreSQL and a real Redis
	@$(PYTEST) -m "not slow and not endurance" $(ARGS)

slow: $(STAMP) ## run the tests that take longer, on all cores
	@$(PYTEST) -m slow $(ARGS)

endurance: $(STAMP) ## run whole histories and kills by the dozen: an hour or more
	@$(PYTEST) -m endurance $(ARGS)

lint: $(STAMP) ## check format, style, types and SQL
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --check --quiet . || { $(BIN)/ruff format --check . | tail -n 20; exit 1; }
	@$(BIN)/mypy --no-error-summary
	@$(ASIDE) $(BIN)/sqlfluff lint --nocolor --disable-progress-bar dbt_project/models

format: $(STAMP) ## put Python and SQL into the house format
	@$(BIN)/ruff check --quiet --fix-only .
	@$(BIN)/ruff format --quiet .
	@$(ASIDE) $(BIN)/sqlfluff fix --nocolor --disable-progress-bar --quiet dbt_project/models

bench: $(STAMP) ## measure it all: start-up, loads, builds, outputs; into docs/benchmarks.md
	@for each in $(filter-out %/figures.py %/file_contenders.py,$(wildcard tests/benchmarks/*.py)); do \
		name=$$(basename "$$each" .py); echo "== $$name"; \
		TIDEMILL_BENCH_KEEP=1 $(BIN)/python -m "tests.benchmarks.$$name" || exit 1; \
	done

docs: $(STAMP) ## write the models' documentation to var/docs as one page
	@cd dbt_project && ../$(BIN)/dbt --quiet docs generate --static --target-path ../var/docs
	@echo "The page is var/docs/static_index.html."

lock: ## resolve pyproject.toml anew into requirements.lock
	@[ -x $(BIN)/uv ] || $(MAKE) install
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url --no-header --extra demo --extra brokers --extra dev pyproject.toml \
		-o requirements.lock $(ARGS)

install: $(STAMP) ## make the environment in .venv (the others do it when needed)

clean: ## remove the environment and all caches; var/ with your data stays
	@rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis build *.egg-info logs \
		dbt_project/target dbt_project/logs
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
	@echo "Clean. Warehouse, ledger and reports are still in var/."

$(STAMP): requirements.lock pyproject.toml
	@python="$(PYTHON)"; \
	for each in $${python:-$(CANDIDATES)}; do \
		if "$$each" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; \
		then found="$$each"; break; fi; \
	done; \
	if [ -z "$$found" ]; then \
		echo "No Python 3.11 or newer: looked for $${python:-$(CANDIDATES)}." >&2; \
		echo "Install one, or name it: make PYTHON=/path/to/python3 ..." >&2; exit 1; \
	fi; \
	echo "Making the environment in $(VENV) with $$($$found --version): about a minute, once."; \
	"$$found" -m venv $(VENV) || { \
		echo "Python's own venv module is missing; on Debian: apt-get install python3-venv." >&2; \
		exit 1; }
	@$(PIP) install --no-deps --require-hashes -r requirements.lock
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@
