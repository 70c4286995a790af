# Two commands matter: `make run` and `make test`. Paths are relative, so a checkout may lie in a
# directory with spaces.
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
PY := .venv/bin/python
PACKAGES := msp clients agents tickets monitoring security vendors billing
EPHEMERAL := $(PY) -m msp.embedded.ephemeral --
INSIDE := $(PY) -m msp.embedded.inside --
# More words for pytest: make fast T="tests/tickets -x"
T ?=
# Processes for pytest: make test N=4. An idle one takes what waits behind another's long test.
N ?= auto
PARALLEL = -n $(N) --dist worksteal

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z][a-z-]*:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

.PHONY: setup
setup: ## Make .venv with everything for work on the code (PYTHON=python3.12 picks another)
	@PYTHON='$(PYTHON)' sh scripts/venv.sh all

.PHONY: setup-run
setup-run:
	@PYTHON='$(PYTHON)' sh scripts/venv.sh run

.PHONY: system
system: ## Install Chromium and Pango with apt-get (as root)
	@$(or $(PYTHON),python3) scripts/machine.py --install

# ---------------------------------------------------------------- running

.PHONY: run
run: setup-run ## Run the platform with demo data (PORT=8000 BIND=127.0.0.1 PUBLIC_URL=...)
	@exec $(PY) -m msp.embedded.run --stop-with-parent $(RUN_ARGS)

.PHONY: worker
worker: setup-run ## Run one more worker beside `make run`
	@exec $(INSIDE) $(PY) -m msp.embedded.prefork celery -A msp.celery worker --hostname extra@%h

.PHONY: seed
seed: setup-run ## Add the demo data to the running platform's empty database
	@$(INSIDE) $(PY) manage.py seed_demo --if-empty

.PHONY: manage
manage: setup-run ## Run a management command beside `make run` (C="shell")
	@$(INSIDE) $(PY) manage.py $(C)

.PHONY: reset
reset: setup-run ## Throw away the data of `make run`
	@$(PY) -m msp.embedded.reset

# ---------------------------------------------------------------- testing

.PHONY: machine
machine:
	@# It only says so: what is missing makes its own tests fail, never skip.
	@$(PY) scripts/machine.py || true

.PHONY: test
test: setup machine ## Run all tests, browser and flows included
	$(PY) -m pytest $(PARALLEL) -m "not soak" $(T)

.PHONY: fast
fast: setup ## Run the tests without browser and flows
	$(PY) -m pytest $(PARALLEL) -m "not browser and not flow and not soak" $(T)

.PHONY: browser
browser: setup machine ## Run the tests that drive Chromium
	$(PY) -m pytest $(PARALLEL) -m "browser and not soak" $(T)

.PHONY: flows
flows: setup machine ## Run the tests that tell whole stories with real processes
	$(PY) -m pytest -n 0 -m "flow and not soak" $(T)

.PHONY: soak
soak: setup ## Run the long load and fault tests
	$(PY) -m pytest -n 0 -m soak $(T)

.PHONY: bench
bench: setup ## Run a benchmark (B=name; without B it lists them)
	@$(EPHEMERAL) $(PY) -m bench $(B)

.PHONY: screenshots
screenshots: setup machine ## Take the pictures in docs/screenshots anew (S="--all DIR": every view)
	$(PY) scripts/screenshots.py $(S)

# ---------------------------------------------------------------- checking

.PHONY: check
check: lint types arch migrations locks ## Check style, types, layers, migrations and locks

.PHONY: lint
lint: setup ## Check style and format
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .

.PHONY: format
format: setup ## Mend style and format
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .

.PHONY: types
types: setup ## Check types
	$(PY) -m mypy $(PACKAGES)

.PHONY: arch
arch: setup ## Check that apps import downward only
	.venv/bin/python -c 'import sys; from importlinter.cli import lint_imports_command as c; sys.exit(c())'

.PHONY: migrations
migrations: setup ## Check that models and migrations agree
	DJANGO_SETTINGS_MODULE=msp.settings.test $(EPHEMERAL) \
	    $(PY) manage.py makemigrations --check --dry-run

.PHONY: locks
locks: setup ## Check the locked requirements
	$(PY) -m pytest -q -n 0 tests/runtime/test_locks.py

.PHONY: lock
lock: setup ## Lock the requirements again (then: make locks)
	$(PY) -m uv pip compile --universal --python-version 3.11 --generate-hashes \
	    --no-emit-index-url --custom-compile-command "make lock" --quiet \
	    --extra embedded pyproject.toml -o requirements/run.txt
	$(PY) -m uv pip compile --universal --python-version 3.11 --generate-hashes \
	    --no-emit-index-url --custom-compile-command "make lock" --quiet \
	    -c requirements/run.txt pyproject.toml -o requirements/prod.txt
	$(PY) -m uv pip compile --universal --python-version 3.11 --generate-hashes \
	    --no-emit-index-url --custom-compile-command "make lock" --quiet \
	    --all-extras -c requirements/run.txt pyproject.toml -o requirements/all.txt

.PHONY: clean
clean: ## Remove caches and test results (neither .venv nor data)
	rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache .coverage \
	    test-results staticfiles
	find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +
