# memtrace. "make" lists the targets; "make demo" and "make test" need nothing
# but a Debian or Ubuntu machine with Go.

# Only this clang compiles the object files, so that check-generate compares
# the output of one compiler.
CLANG      ?= clang-19
LLVM_STRIP ?= llvm-strip-19
MULTIARCH  := $(shell gcc -dumpmachine 2>/dev/null)

# apt-get needs root; so do tracing and most tests.
SUDO := $(shell [ "$$(id -u)" = 0 ] || echo sudo)

# Says what runs and how long it took, and adds that to the file PARTS for the
# summary of make test. .ci/run adds what it has run before to the same file.
PART := ./.ci/part

RUN_PACKAGES   := gcc libc6-dev
BUILD_PACKAGES := $(CLANG) $(subst clang,llvm,$(CLANG)) libbpf-dev linux-libc-dev nodejs
TEST_PACKAGES  := gcc g++ libc6-dev xz-utils binutils python3 rustc qemu-system-x86 nodejs \
                  libssl3 libllvm16 musl-tools libjemalloc2 libtcmalloc-minimal4 libmimalloc2.0 gdb \
                  nginx-light postgresql default-jre-headless strace php-cli chromium

.PHONY: help setup setup-run setup-build setup-test generate check-generate build \
        demo test test-fast test-unit test-harm test-attack test-scenarios test-kernels test-kills attack fuzz bench lint fmt install pictures

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | expand -t 18

setup: setup-run setup-build setup-test ## install all that the targets need

setup-run:
	@$(SUDO) ./.ci/packages $(RUN_PACKAGES)

# Folders with a package-lock.json of what builds and tests run in node: the first one bundles the
# scripts of the HTML form.
WEB      := tracer/report/html/web
TEST_NPM := $(WEB) tracer/report/testdata/speedscope

setup-build:
	@$(SUDO) ./.ci/packages $(BUILD_PACKAGES)
	@SUDO="$(SUDO)" ./.ci/npm $(WEB)

setup-test:
	@$(SUDO) ./.ci/packages $(TEST_PACKAGES)
	@for folder in $(TEST_NPM); do SUDO="$(SUDO)" ./.ci/npm $$folder || exit 1; done

GENERATE = CLANG=$(CLANG) LLVM_STRIP=$(LLVM_STRIP) BPF2GO_CFLAGS="-I/usr/include/$(MULTIARCH)" go generate ./bpf ./tracer/report/html

generate: setup-build ## compile the BPF programs (clang), generate their Go, and bundle the scripts of the HTML form
	$(GENERATE)

check-generate: setup-build ## fail if what is committed differs from what is generated
	$(PART) check-generate sh -c '$(GENERATE) && git diff --exit-code -- bpf tracer/report/html/dist'

build: ## build ./memtrace, which is linked statically
	CGO_ENABLED=0 go build -o memtrace ./cmd/memtrace
	CGO_ENABLED=0 GOARCH=arm64 go build -o /dev/null ./cmd/memtrace

install: ## install memtrace into GOBIN
	CGO_ENABLED=0 go install ./cmd/memtrace

demo: setup-run ## run memtrace on a small leaking program
	CGO_ENABLED=0 go build -o memtrace ./cmd/memtrace
	@mkdir -p build
	gcc -g -O2 -fdebug-prefix-map=$(CURDIR)=. -o build/demo cmd/memtrace/testdata/demo.c
	@./build/demo & pid=$$!; trap "kill $$pid" EXIT; \
	echo "$(SUDO) ./memtrace -p $$pid -d 7"; $(SUDO) ./memtrace -p $$pid -d 7

pictures: setup-run setup-test build ## make the pictures of the documents anew, from real runs
	@mkdir -p build
	gcc -g -O2 -fdebug-prefix-map=$(CURDIR)=. -o build/demo cmd/memtrace/testdata/demo.c
	@./build/demo & pid=$$!; trap "kill $$pid" EXIT; $(SUDO) ./memtrace -p $$pid -d 20 -f html -o build/leak.html
	node $(WEB)/test/picture.mjs build/leak.html docs/leak.png
	$(SUDO) env "PATH=$$PATH" ./.ci/pictures

test: export PARTS := $(or $(PARTS),build/parts-$(shell echo $$PPID))
test: setup-test test-unit test-kernels ## run all tests, on this kernel and on Debian's
	@$(PART) --summary

test-unit:
	$(PART) "unit tests, with the race detector" $(SUDO) env "PATH=$$PATH" CI="$$CI" go test -count=1 -race -timeout 40m $$(./.ci/unit race)
	$(PART) "unit tests of packages without goroutines" $(SUDO) env "PATH=$$PATH" CI="$$CI" go test -count=1 -timeout 40m $$(./.ci/unit plain)
# These tests demand that nothing is lost. So they run alone, and without the
# race detector, which would slow the reader below the pace of what it reads.
	$(PART) "tests of the command" $(SUDO) env "PATH=$$PATH" CI="$$CI" go test -count=1 -timeout 40m ./cmd/...

# CI is unset here: with it, a test that is skipped fails, and -short skips some.
test-fast: setup-test ## run tests for two minutes at most: no kernels in qemu, no race detector, none of more than some 2 s
	$(PART) "short unit tests" $(SUDO) env "PATH=$$PATH" CI= go test -count=1 -short ./bpf/... ./symbolize/... ./tracer/...
	$(PART) "short tests of the command" $(SUDO) env "PATH=$$PATH" CI= go test -count=1 -short ./cmd/...

test-harm: setup-test ## run the tests of what must do no harm, a part of test-unit
	$(SUDO) env "PATH=$$PATH" CI="$$CI" go test -count=1 -timeout 40m -run '^TestHarm' ./...

test-attack: ATTACK_TIME = 30s
test-attack: attack ## run each attack for some seconds

# All attacks together get this long. ATTACK_SEED repeats a run.
ATTACK_TIME ?= 10m

attack: setup-test ## attack memtrace and what it traces for ATTACK_TIME, and print what held
	$(SUDO) env "PATH=$$PATH" CI="$$CI" go test -count=1 -tags attack -timeout 60m -parallel 4 -run '^TestAttack$$' -v ./tracer/testsupport/attack \
		-args -attack.time $(ATTACK_TIME) $(if $(ATTACK_SEED),-attack.seed $(ATTACK_SEED))

# Most scenarios wait most of the time, so four run at once. With UPDATE=1 the table goes to
# docs/SCENARIOS.md, RUN is a pattern for the names of some.
test-scenarios: setup-test ## trace programs that leak in known ways, and print what reports say first
	$(PART) scenarios $(SUDO) env "PATH=$$PATH" CI="$$CI" go test -count=1 -tags scenarios -timeout 20m -parallel 4 -run '^TestScenarios$$$(if $(RUN),/^all$$/$(RUN))' ./tracer/testsupport/scenarios -args $(if $(UPDATE),-update)

# Each fuzz target gets this long, on one processor.
FUZZ_TIME ?= 1m

fuzz: ## feed each reader of foreign data with garbage, FUZZ_TIME each
	$(PART) fuzz ./.ci/fuzz $(FUZZ_TIME)

test-kernels: setup-test ## run the core tests on Debian's kernels, in qemu
	$(PART) kernels go test -count=1 -tags kernels -timeout 60m -run TestKernels -v ./tracer/testsupport/kerneltest

# A kill takes some 3 s. In test-unit the same test makes fewer.
KILLS ?= 200

test-kills: setup-test ## kill memtrace KILLS times while it records, and say how much the records lack
	$(SUDO) env "PATH=$$PATH" CI="$$CI" MEMTRACE_KILLS=$(KILLS) go test -count=1 -timeout 60m -run '^TestRecordSurvivesKill$$' -v ./cmd/memtrace

bench: build ## measure the cost of tracing and the speed of the reader
	$(SUDO) env "PATH=$$PATH" go test -run '^$$' -bench . -benchtime 1s ./...

lint: ## vet, staticcheck (unused included), errcheck, gofumpt, go mod tidy
	$(PART) lint ./.ci/lint

fmt: ## format the Go code
	go run mvdan.cc/gofumpt@v0.12.0 -w .
