# make train   train the quick preset on the sample images
# make test    run the tests
# make bench   time it beside PyTorch, which must be there; 12 minutes
# make lint    ruff and mypy
# Each sets itself up in .venv.

PYTHON ?= python3
BIN = .venv/bin

.PHONY: train test bench lint clean

train: .venv/installed
	$(BIN)/python train.py --noise gaussian --sigma 25 --preset quick

test: .venv/installed
	$(BIN)/python -m pytest -n 2 --dist loadfile

bench: .venv/installed
	@$(BIN)/python -c "import torch" 2>/dev/null || (echo "make bench: needs PyTorch: $(BIN)/pip install torch" && false)
	PYTHONPATH=benchmarks $(BIN)/python benchmarks/speed.py

lint: .venv/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

.venv/bin/python:
	$(PYTHON) -m venv .venv

.venv/installed: setup.cfg | .venv/bin/python
	$(BIN)/pip install --quiet --editable .[test]
	touch $@

.venv/installed-dev: .venv/installed
	$(BIN)/pip install --quiet --editable .[test,dev]
	touch $@

clean:
	rm -rf .venv build *.egg-info
