# Everything starts here: `make lab` for learners, `make test` for contributors. `make help` lists the targets.
# Variables: PORT=8888  HEADLESS=1 (open no browser)  TORCH=cpu|cuda  PYTHON=/path/to/python3.12

PYTHON ?= python3
PORT ?= 8888
VENV := .venv/bin
TESTS ?= tests
export TORCH
LAB_FLAGS := --port $(PORT) $(if $(HEADLESS),--no-browser)

.DEFAULT_GOAL := help
.PHONY: help setup setup-test lab test test-all build execute site checkpoints bench lint lock latest doctor clean

help:  ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{printf "make %-11s %s\n", $$1, $$2}'

lab: setup  ## set everything up and open JupyterLab on lesson 00
	@$(VENV)/racecourse lab $(LAB_FLAGS)

setup:  ## make .venv with the packages that the lessons need (seconds when it is up to date)
	@$(PYTHON) utils/bootstrap.py

setup-test:
	@$(PYTHON) utils/bootstrap.py --test

test: setup-test  ## run the tests, short settings, two files at a time (TESTS=tests/test_cli.py for one file)
	@$(VENV)/racecourse test $(TESTS)

test-all: setup-test  ## run every test, full-size notebooks and training included
	@$(VENV)/racecourse test --all $(TESTS)

build: setup  ## build lessons/, solutions/ and exercises/ from sources/; run the lessons whose source changed
	$(VENV)/racecourse build

execute: setup  ## build, and run every lesson again at full settings
	$(VENV)/racecourse build --execute

site: setup-test  ## make the course as pages to read without a network, in build/site/html
	$(VENV)/racecourse site

checkpoints: setup  ## train the models again that come with the course, and the runs that lessons show as recorded (more than an hour)
	$(VENV)/racecourse checkpoints

bench: setup  ## run what is in benchmarks/ and print the tables
	$(VENV)/racecourse bench

lint: setup-test  ## ruff and mypy
	@$(VENV)/racecourse lint

lock: setup-test  ## pin the newest versions again in the two requirements*.lock files
	$(VENV)/racecourse lock

latest: setup-test  ## try the newest versions of all dependencies in an environment that is thrown away, and say what broke
	$(VENV)/racecourse latest

doctor: setup  ## say what works on this machine and what to do about the rest
	@$(VENV)/racecourse doctor

clean:  ## remove .venv and caches (your work in work/ stays)
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
