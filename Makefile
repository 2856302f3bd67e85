PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
ROOMS  := $(shell find src -name '*.pxd')
PURE   := MMTWIN_PURE=1
PYTEST := $(BIN)/python -m pytest -n 2 --dist worksteal

# Where it is set, every command that the tests start compiles all modules anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: all demo test test-deep lint bench oracle guest guest-debug guest-s390x guest-packages nodes foretell campaign-host campaign-qemu campaign-s390x storm clean

all: $(STAMP)

$(STAMP): requirements.lock pyproject.toml setup.py $(ROOMS) $(ROOMS:.pxd=.py)
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q --disable-pip-version-check -r requirements.lock
	$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $@

demo: $(STAMP) ## replay a bundled trace of a real program, with and without a regression
	$(BIN)/mmtwin demo

test: $(STAMP) ## every quick test, compiled and uncompiled
	$(PYTEST)
	$(PURE) $(PYTEST)

test-deep: $(STAMP) ## long fuzzing and differential runs
	$(PYTEST) --deep

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

guest: ## fetch the distribution's 6.1 kernel, for the comparison in qemu
	mkdir -p .oracle
	cd .oracle && apt-get download "$$(apt-cache search --names-only '^linux-image-6\.1\.0-[0-9]+-cloud-amd64$$' | cut -d' ' -f1 | sort -V | tail -1)"

guest-debug: guest ## fetch the guest kernel's debug information too (283 MB)
	cd .oracle && apt-get download "$$(ls -v linux-image-6.1.0-*-cloud-amd64_*.deb | tail -1 | cut -d_ -f1)-dbg"

PROGRAM := push @a, q(x) x (5000 * @a) while @a < 60; @a = (); push @b, q(y) x (@b % 700) while @b < 20000
nodes: $(STAMP) guest-debug ## the guest kernel's maple trees against the twin's, node for node
	$(BIN)/python -m pip install -q --disable-pip-version-check "drgn>=0.2"
	$(BIN)/mmtwin diff --kernel qemu --nodes --calls 45000
	$(BIN)/mmtwin diff --kernel qemu --nodes --program "$$(command -v perl) -e '$(PROGRAM)'"

foretell: $(STAMP) guest-debug ## which frames the guest's page allocator hands out, recorded and foretold
	$(BIN)/python -m pip install -q --disable-pip-version-check "drgn>=0.2"
	$(BIN)/mmtwin diff --kernel qemu --pages --calls 100000

S390X = -oAPT::Architecture=s390x -oAPT::Architectures=s390x -oDir::State::Lists=$(CURDIR)/.oracle/lists -oDir::Cache::pkgcache= -oDir::Cache::srcpkgcache=

guest-s390x: ## the same for s390x, without making it an architecture of this machine
	mkdir -p .oracle/lists/partial
	apt-get $(S390X) -qq update
	cd .oracle && apt-get $(S390X) download "$$(apt-cache $(S390X) search --names-only '^linux-image-6\.1\.0-[0-9]+-s390x$$' | cut -d' ' -f1 | sort -V | tail -1)"
	rm -rf .oracle/lists

guest-packages: ## install what the guests need (as root)
	apt-get install -y --no-install-recommends qemu-system-x86 qemu-system-misc gcc gcc-s390x-linux-gnu libc6-dev-s390x-cross

CALLS ?= 1000000
SEED  ?= 1

campaign-host: $(STAMP) ## a million random calls on this machine's kernel and the twin; make it again to go on
	mkdir -p out
	$(BIN)/mmtwin diff --kernel host --calls $(CALLS) --seed $(SEED) --state out/campaign-host-$(SEED).json

campaign-qemu: CALLS = 100000
campaign-qemu: $(STAMP) ## a hundred thousand on the distribution's 6.1
	mkdir -p out
	$(BIN)/mmtwin diff --kernel qemu --calls $(CALLS) --seed $(SEED) --state out/campaign-qemu-$(SEED).json

campaign-s390x: CALLS = 100000
campaign-s390x: $(STAMP) ## and on its 6.1 for s390x
	mkdir -p out
	$(BIN)/mmtwin diff --kernel qemu --arch s390x --calls $(CALLS) --seed $(SEED) --state out/campaign-s390x-$(SEED).json

storm: $(STAMP) ## ten million events on the page allocator of each kernel; make it again to go on
	$(BIN)/mmtwin bench pages --events 10000000 --state out/storms --bugs

clean:
	rm -rf build out $(VENV)
	find src -name '*.so' -delete -o -name '*.c' -not -path '*/native/*' -delete
