# Everything runs in .venv, which is built from requirements.lock the first time it is needed. Needs Python >= 3.11 and make.
PYTHON ?= python3
LAB_ARGS ?=
BIN := .venv/bin
READY := .venv/.ready

# One numerical thread per process: test workers share the cores, and timings compare like with like.
export OMP_NUM_THREADS := 1
export OPENBLAS_NUM_THREADS := 1
export MKL_NUM_THREADS := 1

.PHONY: help lab test lint bench figures clean

help:
	@echo "make lab      open the course in JupyterLab (LAB_ARGS=... are passed on)"
	@echo "make test     lint, every test, every notebook against its reference outputs"
	@echo "make bench    time the library against what one would use instead (minutes)"
	@echo "make figures  recompute the reference data of the figures"
	@echo "make clean    remove the environment and everything that was built"

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python >= 3.11 is needed, $(PYTHON) is older: make PYTHON=python3.12 ..."; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	$(BIN)/python -m ipykernel install --sys-prefix --name python3 --display-name "Python 3 (HMM course)"
	@touch $@

lab: $(READY)
	$(BIN)/jupyter lab $(LAB_ARGS) notebooks/00_start_here.ipynb

lint: $(READY)
	$(BIN)/ruff check .

# tests/ first, then the notebooks themselves: nbval runs every cell and compares it with the output that is committed.
test: lint
	$(BIN)/python -m pytest tests --numprocesses auto --quiet
	$(BIN)/python -m pytest --nbval --nbval-current-env --nbval-cell-timeout=120 \
	  --numprocesses auto --dist loadscope --quiet notebooks

bench: $(READY)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[bench]' || \
	  echo "(without NGSolve, which could not be installed)"
	$(BIN)/python -m benchmarks

figures: $(READY)
	$(BIN)/python tools/figures.py

clean:
	rm -rf .venv build *.egg-info .pytest_cache .hypothesis .ruff_cache
