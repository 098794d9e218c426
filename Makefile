# Every target sets up what it needs; `make` alone lists them.
BUDGET ?= default
AGENTS ?= 2
# Replicates; empty = the budget's own number (smoke 2, default and paper 5).
SEEDS  ?=

PYTHON ?= python3
VENV   := .venv
RUN    := $(VENV)/bin/python runner.py
SWEEP  := --budget $(BUDGET) --agents $(AGENTS) $(if $(SEEDS),--seeds $(SEEDS))

.DEFAULT_GOAL := help
.PHONY: help setup ablation fusion contrastive report explore serve test lint clean

help: ## List the targets and variables
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo
	@echo "Variables: BUDGET=smoke|default|paper (now $(BUDGET))  AGENTS=$(AGENTS)  SEEDS=5 (empty: the budget's)"

setup: $(VENV)/ready ## Create .venv with the pinned packages

# Every step says what it does before it does it; pip shows what it loads, with sizes.
PIP := -m pip install --disable-pip-version-check --progress-bar on
SAY := @printf '==> %s\n'

$(VENV)/ready: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "error: $(PYTHON) is older than 3.11; use PYTHON=python3.x")'
	$(SAY) "1 of 2: an environment in $(VENV), with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv $(VENV)
	$(SAY) "2 of 2: the pinned packages, torch among them (1 to 6 GB on disk, by its build; minutes, once)"
	@$(VENV)/bin/python $(PIP) -c constraints.txt -e '.[dev]'
	@touch $@

ablation: setup ## Main job: MaxPool against strided convolution, from data to report
	$(RUN) sweep sweeps/maxpool_vs_strided_ablation.yaml $(SWEEP)

fusion: setup ## Compare the fusion architectures, from data to report
	$(RUN) sweep sweeps/fusion_architecture_comparison.yaml $(SWEEP)

contrastive: setup ## Borrow a LiDAR classifier for RGB: pre-train, project, fine-tune, report
	$(RUN) sweep sweeps/contrastive_pre_training.yaml $(SWEEP)

report: setup ## Write the report of the latest sweep again (SWEEP_ID=entity/project/id for another)
	$(RUN) report $(SWEEP_ID)

explore: $(VENV)/explore ## Open the FiftyOne App on the data and the predictions
	$(RUN) explore

$(VENV)/explore: $(VENV)/ready
	$(SAY) "FiftyOne and its database (about 1 GB on disk; minutes, once)"
	@$(VENV)/bin/python $(PIP) -c constraints.txt -e '.[explore]'
	@touch $@

serve: setup ## Run the embedded W&B-compatible server in the foreground
	$(RUN) serve

# The oldest wandb that pyproject.toml allows, in an environment of its own: tests drive both.
OLD_WANDB := $(VENV)/wandb-0.25.0

test: setup $(OLD_WANDB)/ready ## Run all tests
	WANDB_OLD_PYTHON=$(CURDIR)/$(OLD_WANDB)/bin/python $(VENV)/bin/python -m pytest -n 2 --dist loadfile

$(OLD_WANDB)/ready:
	$(SAY) "wandb 0.25.0 in $(OLD_WANDB), for tests (seconds, once)"
	@$(PYTHON) -m venv $(OLD_WANDB)
	@$(OLD_WANDB)/bin/python $(PIP) wandb==0.25.0 numpy pillow
	@touch $@

lint: setup ## Check style and types
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/pyright

clean: ## Stop the tracker, remove .venv and caches (data and results stay)
	@if [ -x $(VENV)/bin/python ] && [ -d .tracker ]; then $(RUN) serve --stop; fi
	rm -rf $(VENV) build *.egg-info .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
	@echo "Kept: data/ runs/ reports/ .tracker/ (your results; remove them by hand)"
