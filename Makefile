# Everything is made inside this clone: .venv (Python), .local (emulator, container, state), node_modules. Outside of it are
# the caches of uv and npm, and the CDK's fingerprints of files in ~/.cdk.
# Needed beforehand: python3 >= 3.11 with venv, and make. Nothing else.

PYTHON   ?= python3
STAGE    ?= dev
PIPELINE ?= ndvi-sample
# More for the CDK CLI, e.g. CDK_ARGS="-c region=eu-central-1"
CDK_ARGS ?=
# make bench: which suites (all: none named), how many rounds, pixels along the scene's side, where results go
SUITE    ?=
ROUNDS   ?= 3
SIZE     ?= 10980
OUT      ?= benchmarks/results
SETUP    := $(PYTHON) tools/setup.py

.PHONY: run test lint bench deploy destroy sdk lock clean

run:
	@$(SETUP) run
	@.venv/bin/python -m sample $(PIPELINE)

# tests/processing_scripts once, by what jobs run with: tests/container/test_script_tests.py starts them
test:
	@$(SETUP) test
	@.venv/bin/python -m pytest --numprocesses 3 --dist loadgroup --no-loadscope-reorder --ignore tests/processing_scripts

lint:
	@$(SETUP) test
	@.venv/bin/ruff check . && .venv/bin/ruff format --check .

bench:
	@$(SETUP) bench
	@.local/bench/env/bin/python -m benchmarks --suite "$(SUITE)" --rounds $(ROUNDS) --size $(SIZE) --output $(OUT)

deploy:
	@$(SETUP) deploy
	@.venv/bin/python tools/cdk.py deploy --all -c stage=$(STAGE) $(CDK_ARGS)

destroy:
	@$(SETUP) deploy
	@.venv/bin/python tools/cdk.py destroy --all -c stage=$(STAGE) $(CDK_ARGS)

# What `geocadence submit` needs beside the rest
sdk:
	@$(SETUP) sdk

lock:
	@$(SETUP) deploy
	@.venv/bin/python -m tools.lock

# The local cloud first: without its folder nobody would find it any more
clean:
	@if [ -x .venv/bin/geocadence ]; then .venv/bin/geocadence local down; fi
	rm -rf .venv .local node_modules cdk.out
