# What the README's commands call. Every target makes the environment it needs, once.

# The newest Python on the path that runs, can make environments, and is of a version tested.
FITS := import ensurepip, sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))
ifndef PYTHON
PYTHON := $(shell for p in python3.14 python3.13 python3.12 python3.11 python3 python; do \
	"$$p" -c '$(FITS)' 2>/dev/null && { echo "$$p"; break; }; done)
endif
UV := $(shell command -v uv 2>/dev/null)
VENV ?= .venv
BIN := $(VENV)/bin

ifdef PYTHON
NEW_VENV = "$(PYTHON)" -m venv --clear $(VENV)
else ifdef UV
NEW_VENV = uv venv --seed --python '>=3.11,<3.15' $(VENV)
else
NEW_VENV = { echo "error: no Python 3.11 to 3.14 (with ensurepip) on the path: install one, or uv," \
	"which brings one, or name one: make live PYTHON=/path/to/python3.13" >&2; exit 2; }
endif

# PyPI's torch for Linux brings CUDA, gigabytes; PyTorch's own index has a build without.
CPU_ONLY := $(shell [ "$$(uname)" = Linux ] && ! nvidia-smi -L >/dev/null 2>&1 \
	&& ! [ -d /proc/driver/nvidia ] && echo yes)
TORCH := $(shell sed -n 's/^ *"\(torch>=[^"]*\)".*/\1/p' pyproject.toml)
ifdef UV
INSTALL := uv pip install --quiet --python $(BIN)/python
CPU_BUILD := --torch-backend cpu
else
INSTALL := $(BIN)/python -m pip install --quiet
CPU_BUILD := --no-deps --retries 0 --timeout 20 --index-url https://download.pytorch.org/whl/cpu
endif

# Options for the program: make live ARGS="--source demo"
ARGS ?=

# The tests of a file share what they set up, so a file stays in one process.
PYTEST = $(BIN)/python -m pytest -n logical --maxprocesses 4 --dist loadfile

# Where the benchmark leaves its reports: a new folder each time.
BENCH := runs/benchmark-$(shell date +%Y%m%d-%H%M%S)

.PHONY: live test test-fast resolve check lint screenshots bench help

help: ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/'

live: $(VENV)/.live ## open the page; with no camera, on the demo face
	$(BIN)/python run_live.py $(ARGS)

test: $(VENV)/.dev ## run the tests
	$(PYTEST)

test-fast: $(VENV)/.dev ## run the tests that need no browser
	$(PYTEST) -m "not browser"

resolve: $(VENV)/.dev ## ask for which systems and Pythons there are wheels of everything
	$(BIN)/python tests/wheels.py

check: lint test ## style, types, direction of imports, tests

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

screenshots: $(VENV)/.dev ## make the pictures in docs/images again
	$(BIN)/python tests/screenshots.py --seed 20 --out docs/images

bench: $(VENV)/.dev ## measure latency anew, on a quiet machine, into docs/evidence/benchmarks.md
	$(BIN)/python -m realtime.benchmark --fps 30,60,200 --seconds 60 --out $(BENCH)/live
	$(BIN)/python -m realtime.benchmark --fps 60 --size 1280x720,1920x1080 --no-start --out $(BENCH)/large
	$(BIN)/python -m realtime.benchmark --fps 60 --seconds 60 --page --no-start --out $(BENCH)/page
	$(BIN)/python -m realtime.benchmark --fps 60 --seconds 60 --page --record --no-start --out $(BENCH)/record
	$(BIN)/python -m realtime.benchmark parts --out $(BENCH)/parts
	$(BIN)/python -m realtime.benchmark table $(BENCH)/live $(BENCH)/large $(BENCH)/page \
		$(BENCH)/record $(BENCH)/parts --into docs/evidence/benchmarks.md

$(VENV)/.live: pyproject.toml | $(VENV)/.torch
	@echo "Installing into $(VENV), once: some minutes."
	$(INSTALL) --editable .
	$(BIN)/python -m model.face fetch
	@touch $@

$(VENV)/.dev: pyproject.toml | $(VENV)/.torch
	@echo "Installing into $(VENV), with what the tests need, once: some minutes."
	$(INSTALL) --editable ".[dev]"
	$(BIN)/python -m model.face fetch
	@touch $(VENV)/.live $@

# The environment itself, and what of torch must not come from PyPI.
$(VENV)/.torch:
	@$(BIN)/python -c '$(FITS)' 2>/dev/null || $(NEW_VENV)
ifdef CPU_ONLY
	@echo "No NVIDIA GPU here: PyTorch's build for the CPU."
	@$(INSTALL) $(CPU_BUILD) '$(TORCH)' 2>/dev/null || echo "PyTorch's own index cannot be reached" \
		"or has none for this Python: PyPI's build follows, which brings CUDA, several GB."
endif
	@touch $@
