# Two commands do all the set-up on a fresh machine: `make demo` shows the whole way, `make test` proves it.
# Everything else is for people who stay. `make help` lists the targets.

SHELL := /bin/bash
.DEFAULT_GOAL := help

# What is built lies in the project's folder, so that the demo, `make dev` and the command line see the same state.
export LAKEHOUSE_HOME ?= $(CURDIR)/.lakehouse
export DAGSTER_HOME := $(abspath $(LAKEHOUSE_HOME))/dagster
export PATH := $(CURDIR)/.venv/bin:$(PATH)
export VIRTUAL_ENV := $(CURDIR)/.venv

PYTHON ?= python3

.PHONY: help prerequisites setup demo dev test test-stack stack stack-down check bench lock clean

help: ## this list
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

prerequisites:
	@PYTHON="$(PYTHON)" MAKE_VERSION="$(MAKE_VERSION)" bash scripts/prerequisites.sh

setup: prerequisites .venv/.installed .jars/.resolved dbt_project/target/manifest.json ## install everything into .venv and .jars

.venv/.installed: requirements.lock pyproject.toml | prerequisites
	@echo "Installing the locked packages into .venv (about 2 GB) …"
	@test -x .venv/bin/python || $(PYTHON) -m venv .venv
	@awk '/^uv==/ {found = 1; print; next} found && /^ / {print; next} {found = 0}' requirements.lock > .venv/uv.lock
	@.venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r .venv/uv.lock
	@.venv/bin/uv pip sync --quiet --python .venv/bin/python --require-hashes --compile-bytecode requirements.lock
	@.venv/bin/uv pip install --quiet --python .venv/bin/python --no-deps --no-build-isolation --editable .
	@touch $@

.jars/.resolved: so_lakehouse/spark/jars.lock.txt .venv/.installed
	@echo "Resolving Spark's jars …"
	@.venv/bin/python -m so_lakehouse.spark.jars
	@touch $@

.jars/.of_the_stack: so_lakehouse/stack/jars.lock.txt so_lakehouse/spark/jars.s3.lock.txt .jars/.resolved
	@echo "Resolving the stack's jars (690 MB) …"
	@.venv/bin/python -m so_lakehouse.stack.jars
	@touch $@

# Java's classes as it has loaded them, for the tests: so_lakehouse_tests/java_classes.py.
.jars/.classes.jsa: .jars/.resolved
	@.venv/bin/python -m so_lakehouse_tests.java_classes $@

.jars/.classes_s3.jsa: .jars/.of_the_stack
	@.venv/bin/python -m so_lakehouse_tests.java_classes $@

dbt_project/target/manifest.json: .venv/.installed $(shell find dbt_project/models dbt_project/macros dbt_project/tests dbt_project/dbt_project.yml dbt_project/profiles.yml -type f 2>/dev/null)
	@cd dbt_project && ../.venv/bin/dbt --quiet parse
	@touch $@

demo: setup ## three simulated sites: three quarters and the days since, from the .7z to tested marts
	@so-lakehouse demo

dev: setup ## Dagster's UI on the same state, at http://127.0.0.1:3000
	@so-lakehouse dev

test: setup .jars/.classes.jsa ## everything that needs no server
	@.venv/bin/python -m pytest so_lakehouse_tests --ignore so_lakehouse_tests/stack --numprocesses 2 --dist loadfile --no-loadscope-reorder --durations 10

test-stack: setup .jars/.classes_s3.jsa ## on real servers; the first time Go builds them (minutes), and 690 MB of jars come
	@.venv/bin/python -m pytest so_lakehouse_tests/stack --numprocesses 2 --dist loadscope --no-loadscope-reorder --durations 10

stack: setup .jars/.of_the_stack ## object store, Postgres, metastore, Spark cluster and Dagster as processes of this machine
	@so-lakehouse stack up

stack-down: ## stop exactly what make stack started
	@so-lakehouse stack down

# As the first command that opens Dagster's instance makes it; what is there stays.
$(DAGSTER_HOME)/dagster.yaml:
	@mkdir -p $(@D) && cp so_lakehouse/dagster.yaml $@

check: setup $(DAGSTER_HOME)/dagster.yaml ## style, types, dbt models, Dagster definitions
	@ruff check . && ruff format --check .
	@mypy
	@cd dbt_project && dbt --quiet parse
	@dg check defs

bench: setup ## the benchmarks behind docs/benchmarks.md (slow; on an idle machine)
	@.venv/bin/python -m benchmarks

lock: ## write requirements.lock anew from pyproject.toml
	@uv pip compile --quiet --universal --no-strip-extras --generate-hashes --no-emit-index-url --extra dev pyproject.toml -o requirements.lock

clean: ## remove the lakehouse, the environment and everything made
	@rm -rf .lakehouse .venv .jars .stack build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis dbt_project/target dbt_project/logs
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
