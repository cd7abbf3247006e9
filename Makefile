# Two commands for a newcomer: `make demo` and `make test`. Both set everything up first. All: `make help`.

PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready

.PHONY: help demo test test-whole check check-gate check-wheels check-install docs clean crash power damage moves fuzz load soak workers bench bench-threads bench-scale bench-peers
MINUTES ?= 3
ROUNDS ?= 500
DOCUMENTS ?= 1000000
TRIALS ?= 400

# What is compiled is kept: tests start many Pythons, and each would compile the engine again.
unexport PYTHONDONTWRITEBYTECODE

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 14

demo: $(READY) ## index the bundled sample, search it three ways, evaluate all three
	$(BIN)/hybrid demo

test: check ## run the checks and all tests
test-whole: check ## the same, large inputs and long series whole
test-whole: whole := --whole
test test-whole:
	HF_HUB_OFFLINE=1 $(BIN)/pytest -n 2 --dist worksteal $(whole)

check: $(READY) ## ruff, mypy, import-linter
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy --strict -p hybrid -p tests
	$(BIN)/lint-imports

check-gate: $(READY) ## count how often the gate of tune and train is fooled (TRIALS=n)
	$(BIN)/python -m tests.gate --trials $(TRIALS)

docs: .venv/.docs ## build the documentation as a site in build/site
	$(BIN)/sphinx-build -q -W --keep-going -c docs -d build/doctrees . build/site

check-wheels: $(READY) ## check on the package index that a base install needs no compiler
	$(BIN)/python -m tests.wheels

check-install: $(READY) ## install wheel and sdist without a compiler, in clean environments
	$(BIN)/python -m tests.install
	$(BIN)/python -m tests.together

# Attempts to lose or falsify data: tests/durability/README.md
crash: $(READY) ## kill a writer a thousand times
	$(BIN)/python -m tests.durability.crash --kills 1000

power: $(READY) ## simulate a power cut in every state
	$(BIN)/python -m tests.durability.power

damage: $(READY) ## damage files (ROUNDS=n)
moves: $(READY) ## move directories under open handles (ROUNDS=n)
damage moves:
	$(BIN)/python -m tests.durability.$@ --rounds $(ROUNDS)

fuzz: $(READY) ## try hostile inputs (MINUTES=n)
load: $(READY) ## read in threads and processes beside a writer (MINUTES=n)
soak: $(READY) ## replace the corpus again and again during searches (MINUTES=n)
workers: $(READY) ## kill the processes of a pool beside a writer (MINUTES=n)
fuzz load soak workers:
	$(BIN)/python -m tests.durability.$@ --minutes $(MINUTES)

# Time and memory: tests/benchmarks/README.md. Results go to build/benchmarks.
bench: $(READY) ## compare the engine with its parts
	HF_HUB_OFFLINE=1 $(BIN)/python -m tests.benchmarks --documents 20000

bench-threads: $(READY) ## count queries a second by threads and processes
	HF_HUB_OFFLINE=1 $(BIN)/python -m tests.benchmarks threads --documents 20000

bench-scale: $(READY) ## measure growth (DOCUMENTS=n)
	$(BIN)/python -m tests.benchmarks scale --documents $(DOCUMENTS)

bench-peers: .venv-peers/.ready ## compare with other tools
	HF_HUB_OFFLINE=1 .venv-peers/bin/python -m tests.benchmarks peers --documents 60000
	HF_HUB_OFFLINE=1 .venv-peers/bin/python -m tests.benchmarks threads probes --documents 20000
	.venv-peers/bin/python -m tests.benchmarks words --documents 500000 --queries 100 --rounds 3

# Uses the project's environment, but does not change it.
.venv-peers/.ready: $(READY) tests/benchmarks/peers.txt
	$(BIN)/python -m venv --clear .venv-peers
	$(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))' > \
		"$$(.venv-peers/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/project.pth"
	.venv-peers/bin/pip install --quiet --constraint constraints.txt --requirement tests/benchmarks/peers.txt
	touch $@

clean: ## remove the environments, builds and the demo
	rm -rf .venv .venv-peers build dist *.egg-info hybrid-demo

.venv/.docs: $(READY)
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[docs]'
	touch $@

# setuptools warns of every editable installation.
$(READY) .venv/.docs: export PYTHONWARNINGS := ignore:Editable installation

# torch first and alone, so that no later package replaces its version. hnswlib if there is a compiler; otherwise
# faiss builds the graphs.
$(READY): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "hybrid-retrieval needs Python 3.11 or later")'
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --upgrade pip
	$(BIN)/pip install --quiet --constraint constraints.txt torch
	PYTHONWARNINGS='ignore:Editable installation' \
		$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[models,offline,evaluate,files,parquet,dev]'
	if command -v "$${CXX:-c++}" > /dev/null; then $(BIN)/pip install --quiet --constraint constraints.txt hnswlib; fi
	touch $@
