# Two commands for a newcomer: `make demo` and `make test`. Both set everything up first.

PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready

.PHONY: demo test check check-wheels check-install clean crash power damage moves fuzz load soak bench bench-scale bench-peers
MINUTES ?= 3
ROUNDS ?= 500
DOCUMENTS ?= 1000000

demo: $(READY)
	$(BIN)/hybrid demo

test: check
	HF_HUB_OFFLINE=1 $(BIN)/pytest -n 2 --dist worksteal

check: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy --strict -p hybrid
	$(BIN)/mypy --strict tests
	$(BIN)/lint-imports

# That a base install needs no compiler: wheels on the index, and in a clean environment.
check-wheels: $(READY)
	$(BIN)/python -m tests.wheels

check-install: $(READY)
	$(BIN)/python -m tests.install
	$(BIN)/python -m tests.together

# What is tried to lose or falsify data: tests/durability/README.md
crash: $(READY)
	$(BIN)/python -m tests.durability.crash --kills 1000

power: $(READY)
	$(BIN)/python -m tests.durability.power

damage moves: $(READY)
	$(BIN)/python -m tests.durability.$@ --rounds $(ROUNDS)

fuzz load soak: $(READY)
	$(BIN)/python -m tests.durability.$@ --minutes $(MINUTES)

# What it costs: tests/benchmarks/README.md. Results go to build/benchmarks.
bench: $(READY)
	HF_HUB_OFFLINE=1 $(BIN)/python -m tests.benchmarks --documents 20000

bench-scale: $(READY)
	$(BIN)/python -m tests.benchmarks scale --documents $(DOCUMENTS)

bench-peers: .venv-peers/.ready
	HF_HUB_OFFLINE=1 .venv-peers/bin/python -m tests.benchmarks peers --documents 60000
	.venv-peers/bin/python -m tests.benchmarks words --documents 500000 --queries 100 --rounds 3

# Beside the project's environment, which it reads and does not touch.
.venv-peers/.ready: $(READY) tests/benchmarks/peers.txt
	$(BIN)/python -m venv --clear .venv-peers
	$(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))' > \
		"$$(.venv-peers/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/project.pth"
	.venv-peers/bin/pip install --quiet --constraint constraints.txt --requirement tests/benchmarks/peers.txt
	touch $@

clean:
	rm -rf .venv .venv-peers build dist *.egg-info hybrid-demo

# torch first and alone: with a version already there nothing later replaces it. hnswlib where there is a
# compiler; elsewhere faiss makes the graphs. Of every editable installation setuptools warns that it is one.
$(READY): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "hybrid-retrieval needs Python 3.11 or later")'
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --upgrade pip
	$(BIN)/pip install --quiet --constraint constraints.txt torch
	PYTHONWARNINGS='ignore:Editable installation' \
		$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[models,offline,evaluate,dev]'
	if command -v "$${CXX:-c++}" > /dev/null; then $(BIN)/pip install --quiet --constraint constraints.txt hnswlib; fi
	touch $@
