# Two commands for a newcomer: `make demo` and `make test`. Both set everything up first. All: `make help`.

PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready

.PHONY: help demo test check check-wheels check-install docs clean crash power damage moves fuzz load soak bench bench-scale bench-peers
MINUTES ?= 3
ROUNDS ?= 500
DOCUMENTS ?= 1000000

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 14

demo: $(READY) ## index the bundled sample, search it three ways, measure all three
	$(BIN)/hybrid demo

test: check ## run the checks and all tests
	HF_HUB_OFFLINE=1 $(BIN)/pytest -n 2 --dist worksteal

check: $(READY) ## ruff, mypy, import-linter
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy --strict -p hybrid
	$(BIN)/mypy --strict tests
	$(BIN)/lint-imports

docs: .venv/.docs ## build the documentation as a site in build/site
	$(BIN)/sphinx-build -q -W --keep-going -c docs -d build/doctrees . build/site

check-wheels: $(READY) ## that a base install needs no compiler: wheels on the index
	$(BIN)/python -m tests.wheels

check-install: $(READY) ## install wheel and sdist without a compiler, in clean environments
	$(BIN)/python -m tests.install
	$(BIN)/python -m tests.together

# What is tried to lose or falsify data: tests/durability/README.md
crash: $(READY) ## kill a writer a thousand times
	$(BIN)/python -m tests.durability.crash --kills 1000

power: $(READY) ## cut the power in every state
	$(BIN)/python -m tests.durability.power

damage: $(READY) ## damage files (ROUNDS=n)
moves: $(READY) ## move directories under open handles (ROUNDS=n)
damage moves:
	$(BIN)/python -m tests.durability.$@ --rounds $(ROUNDS)

fuzz: $(READY) ## pass in hostile inputs (MINUTES=n)
load: $(READY) ## read in threads and processes beside a writer (MINUTES=n)
soak: $(READY) ## replace the corpus again and again under searches (MINUTES=n)
fuzz load soak:
	$(BIN)/python -m tests.durability.$@ --minutes $(MINUTES)

# What it costs: tests/benchmarks/README.md. Results go to build/benchmarks.
bench: $(READY) ## measure the engine over its parts
	HF_HUB_OFFLINE=1 $(BIN)/python -m tests.benchmarks --documents 20000

bench-scale: $(READY) ## measure growth (DOCUMENTS=n)
	$(BIN)/python -m tests.benchmarks scale --documents $(DOCUMENTS)

bench-peers: .venv-peers/.ready ## measure beside other tools
	HF_HUB_OFFLINE=1 .venv-peers/bin/python -m tests.benchmarks peers --documents 60000
	.venv-peers/bin/python -m tests.benchmarks words --documents 500000 --queries 100 --rounds 3

# Beside the project's environment, which it reads and does not touch.
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

# torch first and alone: with a version already there nothing later replaces it. hnswlib where there is a
# compiler; elsewhere faiss makes the graphs. Of every editable installation setuptools warns that it is one.
$(READY): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "hybrid-retrieval needs Python 3.11 or later")'
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --upgrade pip
	$(BIN)/pip install --quiet --constraint constraints.txt torch
	PYTHONWARNINGS='ignore:Editable installation' \
		$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[models,offline,evaluate,files,parquet,dev]'
	if command -v "$${CXX:-c++}" > /dev/null; then $(BIN)/pip install --quiet --constraint constraints.txt hnswlib; fi
	touch $@
