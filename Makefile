PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
ROOMS  := $(shell find src -name '*.pxd')
PURE   := MMTWIN_PURE=1

.PHONY: all demo test test-pure test-deep lint bench oracle guest guest-debug nodes foretell clean

all: $(STAMP)

$(STAMP): requirements.lock pyproject.toml setup.py $(ROOMS) $(ROOMS:.pxd=.py)
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q --disable-pip-version-check -r requirements.lock
	$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $@

demo: $(STAMP) ## replay a bundled trace of a real program, with and without a regression
	$(BIN)/mmtwin demo

test: $(STAMP) ## every quick test, compiled and uncompiled
	$(BIN)/python -m pytest -n 2
	$(PURE) $(BIN)/python -m pytest -n 2

test-deep: $(STAMP) ## long fuzzing and differential runs
	$(BIN)/python -m pytest -n 2 --deep

lint: $(STAMP) ## ruff, mypy strict, the floors
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(STAMP) ## the benchmarks, side by side in one run
	$(BIN)/mmtwin bench replay
	$(BIN)/mmtwin bench maple

oracle: ## fetch the source package of the kernel, for the comparison with its own maple tree
	mkdir -p .oracle
	cd .oracle && apt-get download linux-source-6.1

guest: ## fetch the distribution's 6.1 kernel, for the comparison in qemu (package qemu-system-x86)
	mkdir -p .oracle
	cd .oracle && apt-get download "$$(apt-cache search --names-only '^linux-image-6\.1\.0-[0-9]+-cloud-amd64$$' | cut -d' ' -f1 | sort -V | tail -1)"

guest-debug: guest ## fetch the guest kernel's debug information too (283 MB)
	cd .oracle && apt-get download "$$(ls -v linux-image-6.1.0-*-cloud-amd64_*.deb | tail -1 | cut -d_ -f1)-dbg"

PROGRAM := push @a, "x" x (5000 * $$_) for 1..60; @a = (); $$h{$$_} = "y" x ($$_ % 700) for 1..20000;
nodes: $(STAMP) guest-debug ## the guest kernel's maple trees against the twin's, node for node
	$(BIN)/python -m pip install -q --disable-pip-version-check "drgn>=0.2"
	$(BIN)/mmtwin diff --kernel qemu --nodes --calls 40000
	$(BIN)/mmtwin diff --kernel qemu --nodes --program "$$(command -v perl) -e '$(PROGRAM)'"

foretell: $(STAMP) guest-debug ## which frames the guest's page allocator hands out, recorded and foretold
	$(BIN)/python -m pip install -q --disable-pip-version-check "drgn>=0.2"
	$(BIN)/mmtwin diff --kernel qemu --pages --calls 100000

clean:
	rm -rf build out $(VENV)
	find src -name '*.so' -delete -o -name '*.c' -not -path '*/native/*' -delete
