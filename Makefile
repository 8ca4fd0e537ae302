# The few things one does here. Each target makes what it needs in .venv, from Python 3.11 and make
# alone: with uv when it is on PATH, else with venv and pip.
#
#   make demo                      make test ARGS="-k tiles"
#   make lint                      make test PYTHON=python3.12

PYTHON ?= python3
JOBS ?= 2
ARGS ?=

VENV := .venv
BIN := $(VENV)/bin

ifneq ($(shell uv --version 2>/dev/null),)
create = uv venv --quiet --allow-existing --python "$(PYTHON)" $(VENV)
install = uv pip install --quiet --python $(BIN)/python
else
create = "$(PYTHON)" -m venv $(VENV)
install = $(BIN)/python -m pip install --quiet --disable-pip-version-check
endif

.DEFAULT_GOAL := help
.PHONY: help demo test test-clients lint bench bench-env bench-train bench-ued bench-agents figures-ued figures-agents clean
# Tests and benchmarks each want the whole machine, whatever -j says.
.NOTPARALLEL:

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

demo: $(VENV)/.stamp-run ## train a small agent, judge it on held-out tasks, draw what it does
	@$(BIN)/meadow demo $(ARGS)

test: $(VENV)/.stamp-dev ## every test that takes seconds (ARGS="-m slow" for the others)
	@$(BIN)/python -m pytest -q -n $(JOBS) --dist loadfile --durations 10 -m "not slow" $(ARGS)

test-clients: $(VENV)/.stamp-clients ## train stable-baselines3 through our Gymnasium door (installs Torch)
	@$(BIN)/python -m pytest -q -s tests/interop/test_clients.py tests/interop/test_dlpack.py $(ARGS)

lint: $(VENV)/.stamp-dev ## style, types, and who may import whom
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --quiet --check .
	@$(BIN)/pyright --pythonpath $(BIN)/python
	@$(BIN)/lint-imports --no-logo --no-cache

bench: $(VENV)/.stamp-dev ## both benchmarks, one after the other
	@$(BIN)/python benchmarks/bench_env.py $(ARGS)
	@$(BIN)/python benchmarks/bench_train.py $(ARGS)

bench-env: $(VENV)/.stamp-dev ## environment steps per second, beside the peer's
	@$(BIN)/python benchmarks/bench_env.py $(ARGS)

bench-train: $(VENV)/.stamp-dev ## training steps per second, beside the peer's
	@$(BIN)/python benchmarks/bench_train.py $(ARGS)

figures-ued: $(VENV)/.stamp-dev ## figures of curricula (ROWS="sfl rules"; ROWS=--list says which)
	@$(BIN)/python benchmarks/figures.py ued $(ROWS)

figures-agents: $(VENV)/.stamp-dev ## learning curves of agents (ROWS="dqn sac"; ROWS=--list says which)
	@$(BIN)/python benchmarks/figures.py agents $(ROWS)

bench-ued: $(VENV)/.stamp-ued ## environment design beside JaxUED and minimax (installs both)
	@$(BIN)/python benchmarks/bench_ued.py $(ARGS)

bench-agents: $(VENV)/.stamp-agents ## agents beside rejax, stable-baselines3 and flashbax (installs Torch)
	@$(BIN)/python benchmarks/bench_agents.py $(ARGS)

clean: ## remove .venv and every cache; runs are kept
	@rm -rf $(VENV) .pytest_cache .ruff_cache .import_linter_cache .hypothesis build dist
	@find src tests -type d -name __pycache__ -prune -exec rm -rf {} +

# What it takes to run, and on top of that what it takes to test; made again when pyproject.toml
# changes. The stamp comes last, so an installation cut short is taken up again.
$(VENV)/.stamp-run: pyproject.toml
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "Meadow needs Python 3.11 or newer; $(PYTHON) is older or missing." >&2; \
	  echo "Name another one: make PYTHON=python3.11 $(MAKECMDGOALS)" >&2; exit 1; }
	@echo "Installing what Meadow needs into $(VENV)" >&2
	@$(create)
	@$(install) -e .
	@touch $@

$(VENV)/.stamp-dev: $(VENV)/.stamp-run
	@echo "Installing what its tests need into $(VENV)" >&2
	@$(install) -e ".[dev,peers]"
	@touch $@

$(VENV)/.stamp-clients: $(VENV)/.stamp-dev
	@echo "Installing other libraries' agents into $(VENV); Torch is large" >&2
	@$(install) -e ".[dev,clients]"
	@touch $@

# minimax pins a NumPy that is older than ours; what it is used for here runs on newer ones.
$(VENV)/.stamp-ued: $(VENV)/.stamp-dev
	@echo "Installing the libraries of environment design into $(VENV)" >&2
	@$(install) -e ".[dev,peers,ued-peers]"
	@$(install) --no-deps "minimax-lib>=0.2"
	@touch $@

$(VENV)/.stamp-agents: $(VENV)/.stamp-dev
	@echo "Installing other libraries' agents into $(VENV); Torch is large" >&2
	@$(install) -e ".[dev,peers,agents-peers]"
	@touch $@
