# Sallyport. `make help` lists the targets; `make` alone builds.
#
# The product is seven programs. The supervisor is linked with libseccomp
# (cgo); everything else is static and built without cgo, because it runs on
# the unprivileged side or in the hands of people. Builds are reproducible:
# the same commit gives the same bytes, wherever the clone lies.
.DEFAULT_GOAL := build
.DELETE_ON_ERROR:
SHELL := /bin/sh

ifeq ($(origin GO),undefined)
GO := $(or $(shell command -v go 2>/dev/null),$(wildcard /usr/local/go/bin/go),go)
endif
export GO

# Not -buildvcs: git refuses to say it for a checkout of another user.
VERSION := $(or $(shell git describe --tags --always --dirty 2>/dev/null),unknown)
BUILD := $(GO) build -trimpath -buildvcs=false -ldflags "-X main.version=$(VERSION)"
WORKERS := sampler store alarm rogue

# Arguments of the demo: make demo ARGS="--for 10s"
ARGS ?=

# Tests that start confined programs. A race build of those would need system
# calls that no profile grants, so they stay out of `make race`.
NOT_RACE := /internal/(launch|attest|archtest|seccomp/live)$$|/cmd/|/tests/|/examples/

# Packages that are tested a second time, built with failpoints.
FAULTED := ./internal/fault ./pkg/scmrights ./tests/kill ./tests/killsup ./tests/succession

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: build
build: setup ## build bin/sallyport, bin/supervisor, bin/worker and bin/workers/*
	@umask 022 && mkdir -p bin/workers && \
	CGO_ENABLED=1 $(BUILD) -o bin/supervisor ./cmd/supervisor && \
	CGO_ENABLED=0 $(BUILD) -o bin/ ./cmd/sallyport ./cmd/worker && \
	CGO_ENABLED=0 $(BUILD) -o bin/workers/ $(WORKERS:%=./examples/sensor-logger/%)
	@echo "built bin/sallyport bin/supervisor bin/worker $(WORKERS:%=bin/workers/%)"

.PHONY: demo
demo: build ## set up, build, and show it at work (ARGS="--for 10s")
	@exec bin/sallyport demo $(ARGS)

.PHONY: test
test: build ## set up, build, and run every test that this machine can run
	@$(GO) vet ./...
	@$(GO) run ./internal/testsum/cmd $(TESTSUM) -- \
		$(GO) test -json -shuffle=on -count=1 -vet=off -timeout=170s ./... -- \
		$(GO) test -json -shuffle=on -count=1 -vet=off -timeout=170s -tags fault $(FAULTED)

# Long runs by hand: N= how much, SEED= to repeat one, RESUME=1 to go on where the
# results of that SEED end. What comes of them adds up in docs/results/.
.PHONY: kill
kill: ## kill -9 supervisors and their workers under load (N=100 WORKERS=2000 SEED= RESUME=1)
	@N=$(or $(N),100) WORKERS=$(or $(WORKERS),2000) CYCLES=$(or $(CYCLES),16) SEED=$(SEED) RESUME=$(RESUME) RESULTS=$(CURDIR)/docs/results/kill.txt \
		$(GO) test -v -count=1 -vet=off -timeout=0 -tags fault -run '^TestKills$$' ./tests/killsup

.PHONY: kill-scmrights
kill-scmrights: ## kill -9 at failpoints of the hand-over (N=2000 SEED= RESUME=1)
	@N=$(or $(N),2000) SEED=$(SEED) RESUME=$(RESUME) OFFERS=2 RESULTS=$(CURDIR)/docs/results/kill-scmrights.txt \
		$(GO) test -v -count=1 -vet=off -timeout=0 -tags fault -run '^(TestEveryPairOfPoints|TestRandomKills)$$' ./tests/kill

.PHONY: simulate
simulate: ## random schedules of a worker against its monitor (N=10000000 SEED=)
	@N=$(or $(N),10000000) SEED=$(SEED) RESULTS=$(CURDIR)/docs/results/simulate.txt \
		$(GO) test -v -count=1 -vet=off -timeout=0 -run '^TestSimulation$$' ./internal/monitor

.PHONY: upgrade-soak
upgrade-soak: build ## upgrade a busy supervisor again and again (N=200 SEED=)
	@N=$(or $(N),200) SEED=$(SEED) RESULTS=$(CURDIR)/docs/results/upgrade-soak.txt \
		$(GO) test -v -count=1 -vet=off -timeout=0 -run '^TestUpgradeSoak$$' ./tests/succession

.PHONY: cover-sysvctl
cover-sysvctl: ## what the tests cover of pkg/sysvctl, those in processes of their own included
	@dir=$$(mktemp -d) && trap 'rm -rf "$$dir"' EXIT && chmod 0777 "$$dir" && \
	$(GO) test -count=1 -vet=off -cover -coverpkg=./pkg/sysvctl ./pkg/sysvctl ./tests/conformance -args -test.gocoverdir="$$dir" && \
	echo "all together, below 90 % by function:" && \
	$(GO) tool covdata func -i="$$dir" | awk '$$1 == "total" || $$3 + 0 < 90'

.PHONY: diff-sysvctl
diff-sysvctl: ## random queue programs, kernel against model (N=100000 SEED= RESUME=1)
	@N=$(or $(N),100000) SEED=$(SEED) RESUME=$(RESUME) RESULTS=$(CURDIR)/docs/results/diff-sysvctl.txt \
		$(GO) test -v -count=1 -vet=off -timeout=0 -run '^TestProgramsAgainstModel$$' ./tests/differential

.PHONY: soak-alerts
soak-alerts: ## alerts to receivers that are killed at random (N=100000 SEED=)
	@N=$(or $(N),100000) SEED=$(SEED) RESULTS=$(CURDIR)/docs/results/soak-alerts.txt \
		$(GO) test -v -count=1 -vet=off -timeout=0 -run '^TestNoAlertIsLostInSilence$$' ./tests/alerts

.PHONY: handovers
handovers: build ## confined workers in Python, in C and at level 1, granted things N=1000 times each
	@HANDOVERS=$(or $(N),1000) RESULTS=$(CURDIR)/docs/results/handovers.txt \
		$(GO) test -v -count=1 -vet=off -timeout=0 -run '^TestHandovers' ./tests/programs

.PHONY: strace-scmrights
strace-scmrights: ## let system calls of the hand-over fail under strace (N=200 SEED=)
	@N=$(or $(N),200) SEED=$(SEED) RESULTS=$(CURDIR)/docs/results/strace-scmrights.txt \
		$(GO) test -v -count=1 -vet=off -timeout=0 -tags fault -run '^TestInjectedErrors$$' ./tests/kill

.PHONY: verify-random
verify-random: setup ## random calls, compiled filters against their profiles (N=10000000 each, SEED=)
	@N=$(or $(N),10000000) SEED=$(SEED) RESULTS=$(if $(RESULTS),$(RESULTS),$(CURDIR)/docs/results/verify-random.txt) \
		$(GO) test -v -count=1 -vet=off -timeout=0 -run '^TestRolesAgreeOnRandomCalls$$' ./internal/seccomp/scmp

.PHONY: tries
tries: setup ## random calls really made under sensor-read, none of which it admits (N=1000000 SEED=)
	@N=$(or $(N),1000000) SEED=$(SEED) RESULTS=$(CURDIR)/docs/results/tries.txt \
		$(GO) test -v -count=1 -vet=off -timeout=0 -run '^TestTries$$' ./internal/seccomp/live

.PHONY: suite
suite: build ## run a folder of built programs under a profile (SUITE=path PROFILE=c-basic TABLE= UPDATE=)
	@SUITE=$(abspath $(SUITE)) PROFILE=$(PROFILE) TABLE=$(if $(TABLE),$(abspath $(TABLE))) UPDATE=$(UPDATE) \
		$(GO) test -v -count=1 -vet=off -timeout=0 -run '^TestSuite$$' ./tests/suite

# The inputs that fuzzers found interesting stay in the go command's cache; one
# that failed goes into testdata/fuzz of its package.
FUZZED := ./pkg/scmrights ./internal/sys ./internal/config ./internal/seccomp
.PHONY: fuzz
fuzz: ## every fuzzer of the hand-over, the configuration and the policies, in turn (TIME=60s each)
	@TIME=$(or $(TIME),60s) RESULTS=$(CURDIR)/docs/results/fuzz-scmrights.txt tools/fuzz.sh $(FUZZED)

.PHONY: fuzz-brief
fuzz-brief: setup ## every fuzzer there is for a moment, without a result to keep (TIME=8s each)
	@TIME=$(or $(TIME),8s) tools/fuzz.sh $(FUZZED) ./internal/reading ./internal/lane

.PHONY: hostile
hostile: setup ## every profile against every misdeed, 1,000 restarts, 60 s of idleness; as root
	@PROFILES=all IDLE=60s $(GO) test -v -count=1 -vet=off -timeout=0 ./tests/confinement
	@RESTARTS=$(or $(N),1000) $(GO) test -v -count=1 -vet=off -timeout=0 -run '^TestRestartsLeaveNothing$$' ./internal/launch

.PHONY: integration
integration: build ## run tests/integration in a rootful container (podman or docker)
	@tools/container.sh prepare
	@umask 022 && mkdir -p build/integration/fault/workers && \
	CGO_ENABLED=0 $(BUILD) -o build/integration/ ./tests/integration/hostile && \
	CGO_ENABLED=1 $(BUILD) -tags fault -o build/integration/fault/supervisor ./cmd/supervisor && \
	CGO_ENABLED=0 $(BUILD) -tags fault -o build/integration/fault/ ./cmd/sallyport ./cmd/worker && \
	CGO_ENABLED=0 $(BUILD) -tags fault -o build/integration/fault/workers/ $(WORKERS:%=./examples/sensor-logger/%)
	@CGO_ENABLED=0 $(GO) run ./internal/testsum/cmd -required tests/integration/required.txt -- \
		$(GO) test -json -count=1 -vet=off -timeout=300s -tags integration \
		-exec "'$(CURDIR)/tools/container.sh' run" ./tests/integration

.PHONY: race
race: setup ## run the in-process tests under the race detector
	@GORACE=atexit_sleep_ms=0 $(GO) run ./internal/testsum/cmd -- \
		$(GO) test -json -race -shuffle=on -count=1 -vet=off -timeout=300s \
		$$($(GO) list ./... | grep -Ev '$(NOT_RACE)')

.PHONY: bench
bench: bench-sysv ## time hand-overs and queues beside C programs, on one CPU (ARGS="-rounds 5000")
	@mkdir -p build/bench && \
	$(or $(CC),cc) -O2 -Wall -Wextra -o build/bench/bare bench/bare/handover.c && \
	CGO_ENABLED=0 $(BUILD) -o build/bench/handover ./bench/handover && \
	build/bench/handover -bare build/bench/bare $(ARGS)

.PHONY: bench-launch
bench-launch: build ## time starts beside bubblewrap, proofs, and calls under a filter; as root (ARGS="-starts 50")
	@mkdir -p build/bench && \
	CGO_ENABLED=0 $(BUILD) -o build/bench/first ./bench/launch/first && \
	CGO_ENABLED=1 $(BUILD) -o build/bench/launch ./bench/launch && \
	build/bench/launch $(ARGS)

.PHONY: bench-sysv
bench-sysv: ## the queues alone (ARGS="-turns 9 -rounds 5000")
	@mkdir -p build/bench && \
	$(or $(CC),cc) -O2 -Wall -Wextra -o build/bench/queue bench/bare/queue.c && \
	CGO_ENABLED=0 $(BUILD) -o build/bench/sysv ./bench/sysv && \
	build/bench/sysv -bare build/bench/queue $(if $(filter bench-sysv,$(MAKECMDGOALS)),$(ARGS))

.PHONY: bench-supervisor
bench-supervisor: build ## re-grant after kills, 64 restarts at once, an idle supervisor (root; ARGS="-kills 100")
	@mkdir -p build/bench && CGO_ENABLED=0 $(BUILD) -o build/bench/supervisor ./bench/supervisor && \
	build/bench/supervisor -results docs/results/bench-supervisor.txt $(ARGS) bin

.PHONY: soak-scmrights
soak-scmrights: ## N=1000000 random grants through one channel, audited (SEED=)
	@N=$(or $(N),1000000) SEED=$(SEED) $(GO) test -count=1 -timeout=0 -run='^TestSoak$$' -v ./pkg/scmrights

.PHONY: model
model: ## check the Promela model of the hand-over with spin (QUICK=1: a smaller bound)
	@tools/setup.sh model
	@$(GO) run ./internal/modelcheck/cmd $(if $(QUICK),-quick) pkg/scmrights/model

.PHONY: machine
machine: cross ## boot whole emulated computers and run tests in them (ONLY="arm raspi3b")
	@tools/machine.sh
	@$(GO) run ./tests/machine/cmd -results docs/results/machine.txt $(ONLY)

.PHONY: narrow
narrow: setup ## run the queue tests as a 32-bit program of this machine (386)
	@GOARCH=386 CGO_ENABLED=0 $(GO) test -count=1 ./pkg/sysvctl ./internal/sys ./internal/reading

.PHONY: lint
lint: setup ## gofmt, go vet and staticcheck (pinned in tools/go.mod)
	@out=$$($$($(GO) env GOROOT)/bin/gofmt -l $$(git ls-files '*.go')); \
	if [ -n "$$out" ]; then echo "not formatted (make fmt):"; echo "$$out"; exit 1; fi
	@$(GO) vet ./...
	@$(GO) vet -tags integration ./tests/integration
	@$(GO) vet -tags machine ./tests/machine/...
	@$(GO) vet -tags fault $(FAULTED)
	@$(GO) tool -modfile=tools/go.mod staticcheck ./...
	@echo "lint: clean"

.PHONY: fmt
fmt: ## format the Go code in place
	@$$($(GO) env GOROOT)/bin/gofmt -l -w $$(git ls-files '*.go')

.PHONY: cross
cross: setup ## build the worker side for arm64, arm, amd64, the supervisor for arm64
	@tools/cross.sh

.PHONY: clean
clean: ## remove bin/ and build/
	rm -rf bin build

# What make needs from this machine. As root with apt it installs what is
# missing and says so; otherwise it prints the line to type and stops.
.PHONY: setup
setup:
	@tools/setup.sh build
