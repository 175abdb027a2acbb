# make train         train the quick preset on the sample images
# make test          run the tests
# make test-oldest   the same with every dependency at its lower bound
# make test-addons   the same on TensorFlow 2.15 with TensorFlow Addons; wants Python 3.10 or 3.11
# make smoke         build the archives; install the wheel alone and use it; downloads TensorFlow unless pip has it
# make bench         time it beside PyTorch, which must be there; 12 minutes
# make docs          build the site into build/site
# make lint          ruff and mypy
# Each sets itself up in .venv, test-oldest and test-addons in .venv-oldest and .venv-addons, smoke in .venv-smoke.
# Another Python: make test PYTHON=python3.10. Some of the tests: make test TESTS=tests/test_unet.py

PYTHON ?= python3
BIN = .venv/bin
# in the order of tests/conftest.py: left alone, xdist begins files of few tests last, however long they take
PYTEST = bin/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder $(TESTS)
# two processes with a thread each: 9 % less time on 2 cores than if each had two
test test-oldest test-addons: export TF_NUM_INTRAOP_THREADS = 1
test test-oldest test-addons: export OMP_NUM_THREADS = 1
LOWEST = tensorflow==2.18.0 tensorflow-serving-api==2.18.0 tensorboard==2.18.0 keras==3.12.4

.PHONY: train test test-oldest test-addons smoke bench docs lint clean

train: .venv/installed
	$(BIN)/python train.py --noise gaussian --sigma 25 --preset quick

test: .venv/installed
	.venv/$(PYTEST)

test-oldest: .venv-oldest/installed
	.venv-oldest/$(PYTEST)

test-addons: .venv-addons/installed
	.venv-addons/$(PYTEST)

smoke: | .venv-build/bin/pip
	.venv-build/bin/pip install --quiet build twine
	rm -rf build .venv-smoke
	.venv-build/bin/python -m build --outdir build/archives
	.venv-build/bin/twine check --strict build/archives/*
	$(PYTHON) -m venv .venv-smoke
	.venv-smoke/bin/pip install --quiet build/archives/*.whl
	.ci/smoke .venv-smoke

bench: .venv/installed
	@$(BIN)/python -c "import torch" 2>/dev/null || (echo "make bench: needs PyTorch: $(BIN)/pip install torch" && false)
	PYTHONPATH=benchmarks $(BIN)/python benchmarks/speed.py

docs: .venv-docs/bin/pip
	.venv-docs/bin/pip install --quiet $$(sed -n '/^docs =/,/^dev =/s/^ \+//p' setup.cfg)
	.venv-docs/bin/python docs/architecture.py
	.venv-docs/bin/mkdocs build --quiet --strict

lint: .venv/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

%/bin/pip:
	$(PYTHON) -m venv $*

.venv/installed: setup.cfg | .venv/bin/pip
	$(BIN)/pip install --quiet --editable .[test]
	touch $@

.venv/installed-dev: .venv/installed
	$(BIN)/pip install --quiet --editable .[test,dev]
	touch $@

# what setup.cfg bounds from below, at that bound; where TensorFlow 2.15 has a lower one, the main range's
.venv-oldest/installed: setup.cfg | .venv-oldest/bin/pip
	sed -n '/tensor\|keras/d; s/^ *\([a-z0-9-]*\)>=\([0-9.]*\).*/\1==\2/p' setup.cfg > .venv-oldest/lowest.txt
	.venv-oldest/bin/pip install --quiet --constraint .venv-oldest/lowest.txt $(LOWEST) --editable .[test]
	touch $@

.venv-addons/installed: setup.cfg | .venv-addons/bin/pip
	@.venv-addons/bin/python -c "import sys; sys.exit(sys.version_info >= (3, 12) and \
		'wants Python 3.10 or 3.11: rm -r .venv-addons, then make test-addons PYTHON=python3.11')"
	.venv-addons/bin/pip install --quiet --editable .[addons,test]
	touch $@

clean:
	rm -rf .venv .venv-oldest .venv-addons .venv-build .venv-smoke .venv-docs build *.egg-info
