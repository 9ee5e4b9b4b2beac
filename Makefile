# `make help` lists what there is. Every target sets itself up: .venv, then the locked dependencies.
# PORT=, HOST= and any HUMANMARK_... work on this line, in the environment or in a .env file.

PYTHON ?= python3
BIN := .venv/bin
SLOW := browser or faults or load or site
ARGS ?=

# When make itself is killed, what it started is asked to stop (15 is SIGTERM).
TIED = $(BIN)/python -I config/lifeline.py $$PPID 15 $(BIN)/python

.DEFAULT_GOAL := help
.PHONY: help run demo test lint lock clean runtime dev

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-6s %s\n", $$1, $$2 }' Makefile

run: runtime ## the whole site on this machine; PORT=8000 HOST=127.0.0.1
	@exec $(TIED) manage.py run_site

demo: runtime ## the whole job, unattended: a simulated crowd, four models, one leaderboard
	@exec $(TIED) manage.py demo

test: dev ## every test; or some: make test ARGS="tests/annotate -k vote"
ifneq ($(strip $(ARGS)),)
	$(BIN)/python -m pytest $(ARGS)
else
	$(BIN)/python -m pytest -n 2 --dist worksteal -m "not ($(SLOW))"
	HUMANMARK_TEST_DATABASE=postgresql $(BIN)/python -m pytest -n 2 --dist worksteal -m "not ($(SLOW))"
	$(BIN)/python -m pytest -m "$(SLOW)"
endif

lint: dev ## ruff, mypy, and whether a migration is missing
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python manage.py makemigrations --check --dry-run

LOCK := build/lock/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-annotate --no-header

lock: ## choose the newest versions again and write them, with hashes, into requirements/*.lock
	$(PYTHON) -m venv --clear build/lock
	build/lock/bin/python -m pip install --quiet --disable-pip-version-check uv
	cd requirements && ../$(LOCK) --upgrade runtime.in -o runtime.lock
	cd requirements && ../$(LOCK) --upgrade dev.in -o dev.lock

clean: ## remove .venv, caches and builds; never var/, where people's answers are
	rm -rf .venv build staticfiles .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

runtime dev:
	@$(PYTHON) config/bootstrap.py $@
