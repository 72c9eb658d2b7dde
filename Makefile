# Needs Python 3.11 or newer and make; everything else is installed into .venv, pinned by constraints.txt.
PYTHON ?= python3.14 python3.13 python3.12 python3.11 python3
export PATH := $(CURDIR)/.venv/bin:$(PATH)
SHELL := bash# not sh: make 3.81, as on a Mac, finds programs on this PATH only through another shell
# DVC and MLflow ask for both, also where the system does not know the user, as a container may not.
export HOME ?= $(CURDIR)/.cache
export USER ?= $(firstword $(shell id -un 2> /dev/null || id -u))
READY := .venv/.ready
UI_PORT ?= 5000

.DEFAULT_GOAL := help
.PHONY: help setup repro textbook all test slow clusters quick check format bench campaign ui readme screenshots lock clean

help: ## show this help
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

fits = -c 'import sys, ensurepip; sys.exit(sys.version_info < (3, 11))' 2> /dev/null

# The first of $(PYTHON) that works, where no .venv is there yet that does.
$(READY): constraints.txt
	@.venv/bin/python $(fits) || { \
	    for each in $(PYTHON); do if $$each $(fits); then python=$$each; break; fi; done; \
	    test -n "$$python" || { echo "Python 3.11 or newer is needed, with venv, got none from: $(PYTHON); set PYTHON=... if it has another name"; exit 2; }; \
	    $$python -m venv --clear .venv; }
	@echo "installing into .venv, for $$(python --version) (about two minutes)"
	@python -m pip install --quiet --disable-pip-version-check -r constraints.txt
	@python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $(READY)

# Without git, as in a downloaded ZIP, DVC must be told so: in .dvc/config.local, until git is there.
tell_dvc = if git rev-parse --git-dir > /dev/null 2>&1; \
    then ! grep -qs no_scm .dvc/config.local || dvc config --quiet --local --unset core.no_scm; \
    else grep -qs no_scm .dvc/config.local || dvc config --quiet --local core.no_scm true; fi

# An interruption can cut off DVC's lock files, which it writes in place; its run cache has all that was finished.
reproduce = $(tell_dvc); dvc repro $(1) || { python -m pipeline unlock 2> /dev/null && dvc repro $(1); }

setup: $(READY) ## install everything into .venv, without running anything

repro: $(READY) ## run the study: every stage that is out of date, then the results
	@$(call reproduce,dvc.yaml)

textbook: $(READY) ## measure the sentences of the textbook (five minutes) and draw the map (five more), into reports/textbook.html
	@$(call reproduce,textbook/dvc.yaml)

all: repro textbook ## run the study and the textbook

# Bytecode is kept, whatever the system says: every worker would take seconds to rewrite the assertions of all tests.
test slow quick: export PYTHONDONTWRITEBYTECODE =

# The order is tests/handing_out.py's: by the number of its tests, a module of few that take minutes would come last.
portions = -n auto --dist loadscope --no-loadscope-reorder

test: $(READY) ## run all tests, also the slow ones
	@python -m pytest -m "" $(portions)

packages = python -c "import sysconfig; print(sysconfig.get_path('purelib'))"

clusters: $(READY) ## run a small study on Dask and on Ray, in an environment of its own beside .venv
	@python -m venv .venv-clusters
	@$(packages) > "$$(.venv-clusters/bin/$(packages))/pipeline.pth"
	@.venv-clusters/bin/python -m pip install --quiet --disable-pip-version-check -r constraints-clusters.txt
	@CLUSTER_PYTHON=$(CURDIR)/.venv-clusters/bin/python python -m pytest -m "" tests/pipeline/test_clusters.py

slow: $(READY) ## run the other tests
	@python -m pytest -m slow $(portions)

quick: $(READY) ## run the tests that take under a minute together
	@python -m pytest -n auto --dist loadfile

check: $(READY) ## lint, types, import contracts
	@ruff check .
	@ruff format --check .
	@mypy
	@lint-imports --no-logo

format: $(READY) ## format the code and apply the safe lint fixes
	@ruff check --fix .
	@ruff format .

bench: $(READY) ## measure the engine, training and the search against the matrix-product bounds and the ordinary ways
	@python -m benchmarks.engine --write benchmarks/engine.json
	@python -m benchmarks.training_race --write benchmarks/training_race.json
	@python -m benchmarks.search --write benchmarks/search.json

campaign: $(READY) ## kill, interrupt, starve and cut off a tiny study at every stage, and see what survives (half an hour)
	@PYTHONPATH=tests python -m benchmarks.campaign --write benchmarks/campaign.json

ui: $(READY) ## open the MLflow UI on http://127.0.0.1:5000 (UI_PORT=... for another, OPEN=no for no browser)
	@python -m pipeline ui --port $(UI_PORT) $(if $(filter no,$(OPEN)),--no-browser)

readme: $(READY) ## write the README's numbers from the results and the benchmark
	@python -m pipeline readme

screenshots: $(READY) ## take the README's picture of the MLflow UI anew (needs Chromium)
	@SCREENSHOTS=docs/images python -m pytest -m "" tests/test_ui.py

lock: $(READY) ## write constraints.txt from the present environment
	@{ head -n 1 constraints.txt; pip freeze --all --exclude-editable | sed '/^pip==/d; s/+cpu$$//'; } > constraints.new && mv constraints.new constraints.txt

clean: ## delete the environment and everything that `make repro` makes again, but not DVC's cache
	@rm -rf .venv .venv-clusters .cache data members scores champions baselines pictures mlflow.db mlruns/*/ .pytest_cache .ruff_cache .mypy_cache
