# What the README's commands call. Every target makes the environment it needs, once.

# The first interpreter on the path that runs and is of a version mediapipe has wheels for.
PYTHON ?= $(shell for p in python3 python3.12 python3.11 python; do \
	"$$p" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 12))' 2>/dev/null \
	&& { echo "$$p"; break; }; done)
VENV ?= .venv
BIN := $(VENV)/bin
# Options for the program: make live ARGS="--source demo"
ARGS ?=

# Where the benchmark leaves its reports: a new folder each time.
BENCH := runs/benchmark-$(shell date +%Y%m%d-%H%M%S)

.PHONY: live test check lint screenshots bench help

help: ## list the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/'

live: $(VENV)/.live ## open the page; with no camera, on the demo face
	$(BIN)/python run_live.py $(ARGS)

test: $(VENV)/.dev ## run the tests
	$(BIN)/python -m pytest

check: lint test ## style, types, direction of imports, tests

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

screenshots: $(VENV)/.dev ## make the pictures in docs/images again
	$(BIN)/python -m calibrate.screenshots --seed 20 --out docs/images

bench: $(VENV)/.dev ## measure latency anew, on a quiet machine, and write it into docs/benchmarks.md
	$(BIN)/python -m realtime.benchmark --fps 30,60,200 --seconds 60 --out $(BENCH)/live
	$(BIN)/python -m realtime.benchmark --fps 60 --size 1280x720 --no-start --out $(BENCH)/large
	$(BIN)/python -m realtime.benchmark --fps 60 --seconds 60 --page --no-start --out $(BENCH)/page
	$(BIN)/python -m realtime.benchmark parts --against opencv,skimage --out $(BENCH)/parts
	$(BIN)/python -m realtime.benchmark table $(BENCH)/live $(BENCH)/large $(BENCH)/page $(BENCH)/parts \
		--into docs/benchmarks.md

$(VENV)/.live: pyproject.toml | python
	@echo "Installing into $(VENV), once: some minutes. On Linux PyTorch brings CUDA, several GB;"
	@echo "without an NVIDIA GPU its CPU build is smaller: see the README, 'Without make'."
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable .
	@touch $@

$(VENV)/.dev: pyproject.toml | python
	@echo "Installing into $(VENV), with what the tests need, once: some minutes."
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable ".[dev]"
	@touch $(VENV)/.live $@

.PHONY: python
python:
	@test -n "$(PYTHON)" || { echo "error: no Python 3.11 or 3.12 on the path (mediapipe has wheels for no newer one): install one, or name it: make live PYTHON=/path/to/python3.12" >&2; exit 2; }
