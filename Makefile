# The commands of this repository. Each builds what it needs and prints what it takes long over.
SHELL := /usr/bin/env bash
.SHELLFLAGS := -euo pipefail -c

SEEDS ?= 1000
INPUTS ?= 1000000

.PHONY: help test sim conformance museum mutants chaos model fuzz demo try bench cluster cluster-down shell crds

help: ## List the commands
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 16

test: ## All tests: unit, simulation, control plane, and end to end on a real cluster
	@e2e/test

sim: ## Play SEEDS=1000 stories out of seeds against the laws, from BASE=1; SEED=... tells one of them
	@SEEDS=$(SEEDS) cargo run --quiet --locked --profile sim --package operator --example sim

conformance: ## Hold the simulated API server against a real one; RECORD=1 writes down what that one answers
	@e2e/conformance

museum: ## Put our neighbours' bugs into a copy of our code and demand that a test catches each; EXHIBIT=name,...: some of them
	@cargo run --quiet --locked --package museum

mutants: ## Generic mutants of the domain against its tests, by cargo-mutants; SHARD=0/8 takes a part, FILE=glob some files
	@src/museum/mutants

chaos: ## Kill and stop real processes in RUNS=170 retreats, on a real API server; SEED=..., LANES=3
	@e2e/chaos

model: ## Every state that the decisions of several replicas can lead to, within bounds; MODEL=... for some of them
	@cargo run --quiet --locked --profile sim --package domain --example model -- $(MODEL)

fuzz: ## INPUTS=1000000 inputs for everything that reads what others wrote; TARGET=... SEED=... repeats one of them
	@INPUTS=$(INPUTS) cargo run --quiet --locked --profile sim --package cluster --example fuzz

demo: ## A good and a bad rollout on a real cluster with live traffic
	@e2e/demo

try: ## A local cluster with the operator, a fleet and load, for rollouts by hand
	@e2e/try

bench: ## Measure on a real cluster; QUICK=1, BENCH=section,...: see docs/benchmarks.md
	@e2e/bench

cluster: ## Start a real Kubernetes of one node; see e2e/cluster/README.md
	@e2e/cluster/cluster up

cluster-down: ## End it and leave nothing of it
	@e2e/cluster/cluster down

shell: ## A shell inside the cluster, where pods and Services can be reached
	@e2e/cluster/cluster shell

crds: ## Generate the definitions of our kinds
	@for kind in optimizationrollouts connections; do \
		cargo run --quiet --locked --package api --example crds $$kind > crds/$$kind.yaml; \
	done
	@mkdir -p charts/optimization-operator/files/crds
	@cp crds/*.yaml charts/optimization-operator/files/crds/
