# Everything runs in .venv, which is built from requirements.lock the first time it is needed. Needs Python >= 3.11 and make.
PYTHON ?= python3
LAB_ARGS ?=
GRADING ?=
BIN := .venv/bin
READY := .venv/.ready
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check

# What nbval runs: a notebook's cells, in order, in one worker (tests/conftest.py), compared with the output that is committed.
NOTEBOOKS := $(wildcard notebooks/*.ipynb solutions/*.ipynb)
NBVAL := --nbval --nbval-current-env --nbval-cell-timeout=120

# One numerical thread per process: test workers share the cores, and timings compare like with like.
export OMP_NUM_THREADS := 1
export OPENBLAS_NUM_THREADS := 1
export MKL_NUM_THREADS := 1

.PHONY: help lab test site lite test-browser torture reproduce lint bench figures notebooks exercises teaching slides package lock clean

help:
	@echo "make lab        open the course in JupyterLab (GRADING=yes: with nbgrader's buttons; LAB_ARGS=... are passed on)"
	@echo "make test       lint, every test, every notebook against its reference outputs"
	@echo "make site       the course as a web site that works offline, in build/site/html (needs npm)"
	@echo "make lite       the course for a browser alone (JupyterLite), in build/lite/site"
	@echo "make test-browser  the site and JupyterLab in a real browser (needs Chromium and ChromeDriver)"
	@echo "make reproduce  rebuild every figure and its data into build/, theory beside measurement"
	@echo "make torture    ten thousand cell problems against a dense solve in sixty digits (half an hour)"
	@echo "make bench      time the library against what one would use instead (minutes)"
	@echo "make figures    recompute the reference data of the figures"
	@echo "make notebooks  execute every notebook again, in place"
	@echo "make exercises  generate exercises/ from solutions/"
	@echo "make teaching   the lecturer's pages in teaching/, from the chapters, exercises and checks, and the cheat sheet"
	@echo "make slides     slides of every chapter in build/slides/, which work offline (needs npm)"
	@echo "make package    build wheel and source archive, install each into an empty environment, run the README's ten lines"
	@echo "make lock       choose the versions in requirements.lock anew, after a change in pyproject.toml"
	@echo "make clean      remove the environment and everything that was built"

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python >= 3.11 is needed, and '$(PYTHON)' is older or missing. Name another: make PYTHON=python3.12 ..."; exit 1; }
	@echo "Building .venv (once; a few minutes)"
	@$(PYTHON) -m venv .venv
	@$(INSTALL) -r requirements.lock
	@$(INSTALL) --no-deps --editable .
	@$(BIN)/python -m ipykernel install --sys-prefix --name python3 --display-name "Python 3 (HMM course)"
	@touch $@

# A learner sees neither JupyterLab's question about news nor nbgrader's buttons: settings in tools/lab, before the user's own.
SETTINGS := $(CURDIR)/tools/lab/quiet$(if $(GRADING),,:$(CURDIR)/tools/lab/learner)

lab: $(READY)
	JUPYTER_CONFIG_PATH="$(SETTINGS)$${JUPYTER_CONFIG_PATH:+:$$JUPYTER_CONFIG_PATH}" \
	  $(BIN)/jupyter lab --ServerApp.root_dir="$(CURDIR)" $(LAB_ARGS) notebooks/00_start_here.ipynb

lint: $(READY)
	$(BIN)/ruff check .

# One run for all, so that no core waits for the other between two: notebooks, which are long, first, then tests one by one.
test: lint
	$(BIN)/python -m pytest --numprocesses auto --quiet $(NBVAL) $(NOTEBOOKS) tests --ignore tests/browser

site: $(READY)
	$(BIN)/python tools/website.py

lite: $(READY)
	$(BIN)/python tools/lite.py

test-browser: site lite
	$(BIN)/python -m pytest --numprocesses auto --quiet tests/browser

torture: $(READY)
	$(BIN)/python tools/torture.py --cases 10000

bench: $(READY)
	@$(INSTALL) --editable '.[bench]' || echo "(without NGSolve, CHOLMOD, Numba, GillesPy2 and muSpectre, which could not be installed)"
	$(BIN)/python -m benchmarks

reproduce: $(READY)
	$(BIN)/python tools/reproduce.py
	$(BIN)/python tools/coverage.py --check

figures: $(READY)
	$(BIN)/python tools/figures.py

notebooks: $(READY)
	$(BIN)/python tools/notebooks.py run $(NOTEBOOKS)

exercises: $(READY)
	$(BIN)/python tools/exercises.py

teaching: $(READY)
	$(BIN)/python tools/teaching.py
	$(BIN)/python tools/cheat_sheet.py

slides: $(READY)
	$(BIN)/python tools/slides.py

package: $(READY)
	@$(INSTALL) build
	$(BIN)/python tools/package.py

lock: $(READY)
	@$(INSTALL) uv
	$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --extra test --extra lab --extra site \
	  --no-annotate --no-header --output-file requirements.lock pyproject.toml

clean:
	rm -rf .venv build *.egg-info .pytest_cache .hypothesis .ruff_cache
	find . -name __pycache__ -prune -exec rm -rf {} + -o -name .ipynb_checkpoints -prune -exec rm -rf {} +
