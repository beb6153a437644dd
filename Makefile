# Two commands do everything on a fresh machine: `make demo` and `make test`. `make help` lists the rest.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
MEMBERS := core registry operator inference_pod distill_job cli
OWN := $(foreach name,core registry operator inference distill cli,--no-emit-package edgemodel-$(name))
LOCK := uv pip compile --quiet --universal --generate-hashes $(OWN)

.DEFAULT_GOAL := help
.PHONY: help setup check generate lock

help:  ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

$(VENV)/.ready: requirements/dev.txt $(foreach m,$(MEMBERS),$(m)/pyproject.toml)
	@echo "setup: Python environment in $(VENV) (PyTorch is large: a few minutes the first time)"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	@$(BIN)/uv pip sync --quiet --python $(BIN)/python --require-hashes requirements/dev.txt
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps $(foreach m,$(MEMBERS),-e $(m))
	@touch $@

setup: $(VENV)/.ready  ## the Python environment in .venv
