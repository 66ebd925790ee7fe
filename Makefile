# `make` shows what there is. Every target sets up .venv by itself; python3.11 and make are all that must be there.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
# pytest processes: two for each core, for tests often wait for what they have started. Each takes neighbouring tests,
# which share that.
WORKERS ?= $(shell expr $$(getconf _NPROCESSORS_ONLN) \* 2)
# Where it is set, each of the many processes that tests start would compile Stoker anew.
unexport PYTHONDONTWRITEBYTECODE
BIN := .venv/bin
READY := .venv/.ready

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test check slow chaos images bench docs clean

help: ## Show this list
	@sed -nE 's/^([a-z]+):.*## (.*)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 14

demo: $(READY) ## Train, evaluate and infer on this machine, from nothing
	@$(BIN)/stoker demo

test: check ## Everything that must pass: check, then all tests but slow, chaos and images
	$(BIN)/pytest -n $(WORKERS) --dist worksteal -m "not slow and not chaos and not images"

slow: $(READY) ## The long versions of what test tries in short
	$(BIN)/pytest -n $(WORKERS) --dist worksteal -m "slow and not chaos and not images"

check: $(READY) ## Lint, format, types, layers (no tests)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

chaos: $(READY) ## Kill processes and cut connections under load, and lose nothing
	$(BIN)/pytest -m chaos

images: $(READY) ## Install what the images install, each anew, and run it
	$(BIN)/pytest -m images

bench: $(READY) ## Measure throughput and latency beside other queues
	$(BIN)/python -m bench

docs: $(READY) ## Build the documentation as a site that is read without a network, into build/site
	@$(BIN)/python -m docs.site

clean: ## Remove .venv, build and every cache
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis build dist

$(READY): pyproject.toml constraints.txt
	@echo "Setting up .venv: this downloads and installs TensorFlow and takes a minute or two"
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[all,dev]'
	@touch $@
