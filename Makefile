# The entry for people and CI; contract of each target: `make help`.

RUNTIME ?= process
PROFILE ?= release
FLAVOUR ?= slim
PREFIX  ?= /usr/local
CASES   ?= ../shared/asl-cases
SECONDS ?= 300
TIMES   ?= 100
NODES   ?= 1000
PODS    ?= 10000
CARGO   ?= cargo
PYTHON  ?= python3

TARGET := $(or $(CARGO_TARGET_DIR),target)
BINS   := master node-agent kubectl kubectl-execute

.PHONY: help demo demo-cluster up test soak chaos build install bench bench-nodes fuzz func-base conformance lint

help:
	@echo "make demo [RUNTIME=docker]   both seeds on a fresh one-machine cluster, each answer checked"
	@echo "make demo-cluster            three etcd members, two masters, three agents; leader and agent killed under load (root)"
	@echo "make up [RUNTIME=docker]     the same cluster in the foreground, until Ctrl-C"
	@echo "make test                    every test; installs what they need where it is missing"
	@echo "make soak [SECONDS=300]      calls, killed pods, to zero and back; RUNTIME=docker too: nothing lost, nothing left"
	@echo "make chaos [SECONDS=300]     faults on a cluster of eight hosts (network namespaces; root); SEED=N repeats a run"
	@echo "make build                   the four programs, into $(TARGET)/release"
	@echo "make install PREFIX=DIR      the programs into DIR/bin, settings and examples beside them"
	@echo "make bench                   side-by-side benchmarks: a table of ratios, and bench/results.json"
	@echo "make bench-nodes             a master with NODES=1000 simulated nodes and PODS=10000: memory, CPU, placing, recovery"
	@echo "make fuzz TIMES=100          generated definitions, paths, expressions and crashes against the language's engine"
	@echo "make func-base               the image functions run in, $(TARGET)/func-base/ARCH.tar; ARCH=amd64|arm64, FLAVOUR=slim|full"
	@echo "make conformance CASES=DIR   recorded Step Functions executions against the engine"
	@echo "make lint                    formatting and every check of the house"

demo:
	@$(PYTHON) tools/demo.py --runtime $(RUNTIME) --profile $(PROFILE)

demo-cluster:
	@$(PYTHON) tests/chaos/demo_cluster.py --profile $(PROFILE)

up:
	@$(PYTHON) tools/up.py --runtime $(RUNTIME) --profile $(PROFILE)

test:
	@$(PYTHON) tools/test.py

soak:
	@$(PYTHON) tests/soak/soak.py --seconds $(SECONDS) --runtime $(RUNTIME) --profile $(PROFILE)

chaos:
	@$(PYTHON) tests/chaos/chaos.py --seconds $(SECONDS) --profile $(PROFILE) $(if $(SEED),--seed $(SEED)) --keep

build:
	$(CARGO) build --release --bins

install: build
	install -d "$(DESTDIR)$(PREFIX)/bin" "$(DESTDIR)$(PREFIX)/share/troupe/config" "$(DESTDIR)$(PREFIX)/share/troupe/units"
	for program in $(BINS); do install -m 755 "$(TARGET)/release/$$program" "$(DESTDIR)$(PREFIX)/bin/" || exit 1; done
	install -m 644 config/*.toml "$(DESTDIR)$(PREFIX)/share/troupe/config/"
	for unit in tools/units/*.service; do sed "s|@PREFIX@|$(PREFIX)|g" "$$unit" > "$(DESTDIR)$(PREFIX)/share/troupe/units/$$(basename "$$unit")" || exit 1; done

bench:
	@$(PYTHON) bench/run.py

bench-nodes:
	@$(PYTHON) bench/nodes/measure.py --nodes $(NODES) --pods $(PODS)

fuzz:
	TROUPE_FUZZ_TIMES=$(TIMES) $(CARGO) test --release -p asl --test properties

func-base:
	@$(PYTHON) tools/func_base.py $(if $(ARCH),--arch $(ARCH)) --flavour $(FLAVOUR)

conformance:
	@$(PYTHON) tools/conformance.py --profile $(PROFILE) "$(CASES)"

lint:
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings
	$(PYTHON) tools/lint.py
