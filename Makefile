# Two commands do everything on a fresh machine: `make demo` and `make test`. `make help` lists the rest.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
MEMBERS := core registry operator inference_pod distill_job cli
OWN := $(foreach name,core registry operator inference distill cli,--no-emit-package edgemodel-$(name))
# Two processes, shared out by tests/conftest.py: what mostly waits, on real nodes and API servers, comes first.
PYTEST := $(BIN)/python -m pytest -n 2 --no-loadscope-reorder
LOCK := uv pip compile --quiet --universal --generate-hashes $(OWN)

.DEFAULT_GOAL := help
.PHONY: help setup up status cut restore down images demo test test-quick test-long fuzz check generate lock bench bench-operator bench-healing bench-distill-teachers bench-distill-quick bench-distill

help:  ## this list
	@grep -hE '^[a-z -]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 24

$(VENV)/.ready: requirements/dev.txt $(foreach m,$(MEMBERS),$(m)/pyproject.toml)
	@echo "setup: Python environment in $(VENV) (PyTorch is large: a few minutes the first time)"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	@$(BIN)/uv pip sync --quiet --python $(BIN)/python --require-hashes requirements/dev.txt
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps $(foreach m,$(MEMBERS),-e $(m))
	@touch $@

setup: $(VENV)/.ready  ## the Python environment in .venv

up: setup  ## start the lab's cluster (built first where needed)
	@$(BIN)/python -m lab up

status: setup  ## what of the lab runs, and where
	@$(BIN)/python -m lab status

cut restore: setup  ## NODE=name: pull a node's network cable, plug it in again
	@$(BIN)/python -m lab $@ $(or $(NODE),$(error want a node, as `make status` names it: make $@ NODE=name))

down:  ## remove the lab's cluster and everything that runs in it
	@$(if $(wildcard $(BIN)/python),$(BIN)/python,$(PYTHON)) -m lab down

images: setup  ## build the three images and push them to the lab's registry
	@$(BIN)/python -m lab images

demo: setup  ## the whole loop on a real cluster: serve, fault, rollback, re-distil, push back
	@$(BIN)/python -m lab.demo

test: setup check  ## all tests: unit, contract, real API server, real nodes
	@$(BIN)/python -m lab build
	@$(BIN)/python -m lab up
	@$(BIN)/python -m lab images
	@echo "test: two processes side by side; tail -f build/e2e.log shows what happens on the nodes"
	@$(PYTEST) tests/e2e tests/apiserver tests/unit tests/contract

test-quick: setup  ## unit and contract tests only: no cluster, a few minutes
	@$(PYTEST) tests/unit tests/contract

test-long: setup  ## the tests that take minutes, and are not in `make test`: long simulations, every kill point
	@$(BIN)/python -m lab build
	@$(BIN)/python -m pytest -m long tests/unit tests/apiserver

fuzz: setup  ## SECONDS=60: search for bytes that crash what reads bytes from strangers; finds lie in build/fuzz
	@$(BIN)/uv pip install --quiet --python $(BIN)/python 'atheris>=3'
	@for target in v2_json v2_binary v2_grpc manifest; do \
	  $(BIN)/python -m tests.fuzz.run $$target -max_total_time=$(or $(SECONDS),60) || exit 1; done

check: setup  ## what needs no cluster and no test: lint, format, types, layers, generated files
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/python -m edgemodel_operator.api.crd | cmp - crds/edgemodels.yaml
	@cmp crds/edgemodels.yaml charts/edgemodel-operator/files/edgemodels.yaml
	@cmp manifests/grafana-dashboard.json charts/edgemodel-operator/files/grafana-dashboard.json
	@$(BIN)/python -m edgemodel_operator.api.vocabulary | cmp - docs/status.md
	@$(BIN)/python -m edgemodel_cli rules | cmp - manifests/prometheus-rules.yaml
	@cmp manifests/prometheus-rules.yaml charts/edgemodel-operator/files/prometheus-rules.yaml
	@$(BIN)/python -m tests.contract.decisions_table | cmp - docs/decisions-table.md

bench: setup  ## our server beside KServe, MLServer and FastAPI: half an hour and more on two quiet cores, needs wrk
	@$(BIN)/python -m tests.bench.serving

bench-operator: setup  ## the operator with a thousand EdgeModels beside a raw loop of the same writes: an hour
	@$(BIN)/python -m lab build
	@$(BIN)/python -m tests.bench.operator

# The caller is on this machine and asks a pod: kind's network has no way there.
bench-healing: export LAB_DRIVER := self-built
bench-healing: setup  ## fault to twenty good answers, beside Prometheus and the kubelet: half an hour, starts the lab
	@$(BIN)/python -m lab up
	@$(BIN)/python -m tests.bench.healing

bench-distill-teachers: setup  ## train the benchmark's teachers anew: about 20 minutes on two quiet cores
	@$(BIN)/python -m tests.bench.distillation.teacher tests/bench/distillation/assets/teacher.onnx --threads 2
	@$(BIN)/python -m tests.bench.distillation.teacher tests/bench/distillation/assets/hardened.onnx --threads 2 \
	  --drifted-from tests/bench/distillation/assets/teacher.safetensors

bench-distill-quick: setup  ## distillation on Fashion-MNIST, one seed: 15 minutes on two quiet cores
	@$(BIN)/python -m tests.bench.distillation --quick

bench-distill: setup  ## the same with five seeds and long trainings: hours; goes on where it was stopped
	@$(BIN)/python -m tests.bench.distillation

generate: setup  ## write what is made from code: the CRD, docs/status.md, the table of decisions, alert rules, the chart's copies
	@$(BIN)/python -m edgemodel_operator.api.crd > crds/edgemodels.yaml
	@cp crds/edgemodels.yaml charts/edgemodel-operator/files/edgemodels.yaml
	@cp manifests/grafana-dashboard.json charts/edgemodel-operator/files/grafana-dashboard.json
	@$(BIN)/python -m edgemodel_operator.api.vocabulary > docs/status.md
	@$(BIN)/python -m edgemodel_cli rules > manifests/prometheus-rules.yaml
	@cp manifests/prometheus-rules.yaml charts/edgemodel-operator/files/
	@$(BIN)/python -m tests.contract.decisions_table > docs/decisions-table.md

lock: setup  ## resolve requirements/ anew
	$(BIN)/$(LOCK) --python-version 3.11 --group dev -o requirements/dev.txt
	$(BIN)/$(LOCK) --python-version 3.13 requirements/build.in -o requirements/build.txt
	$(BIN)/$(LOCK) --python-version 3.13 operator/pyproject.toml -o requirements/operator.txt
	$(BIN)/$(LOCK) --python-version 3.13 --extra grpc --extra otlp inference_pod/pyproject.toml -o requirements/inference.txt
	for device in cuda openvino; do $(BIN)/$(LOCK) --python-version 3.13 --constraint requirements/inference.txt \
	  requirements/device-$$device.in -o requirements/device-$$device.txt || exit 1; done
	$(BIN)/$(LOCK) --python-version 3.13 --excludes requirements/distill.exclude distill_job/pyproject.toml -o requirements/distill.txt
	$(BIN)/$(LOCK) --python-version 3.13 distill_job/pyproject.toml -o requirements/distill-cuda.txt
