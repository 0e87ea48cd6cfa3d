# Every target runs from the root. Nested modules are entered with -C, since go test ./... stops at their door.

.DEFAULT_GOAL := help

NESTED    := internal/benchmarks internal/integration
TOOL      := go tool -modfile=internal/tools/go.mod
PKG       ?=
FUZZTIME  ?= 30s
BENCH     ?= .
BENCHTIME ?= 200ms
ROUNDS    ?= 8
ONLY      ?=

##@ Tests

.PHONY: test
test: ## the fast tier
	go test ./...

.PHONY: race
race: ## under the race detector, in random order
	go test -race -shuffle=on ./...

.PHONY: chaos
chaos: ## with yield points, under the race detector
	go test -tags chaos -race ./...

.PHONY: lincheck
lincheck: ## only the linearizability checks, with yield points
	go test -tags chaos -run Linearizable -count=3 ./...

.PHONY: invariants
invariants: ## with structures that check themselves at every step
	go test -tags invariants ./...

.PHONY: 386
386: ## on a 32-bit machine
	GOARCH=386 go test ./...

.PHONY: fuzz
fuzz: ## every fuzz target for FUZZTIME (30s)
	@go test -list '^Fuzz' ./... \
	| awk '/^Fuzz/ { names[n++] = $$1 } /^ok/ { for (i = 0; i < n; i++) print $$2, names[i]; n = 0 }' \
	| while read -r pkg name; do \
		echo "go test -run '^$$' -fuzz '^$$name$$' -fuzztime $(FUZZTIME) $$pkg"; \
		go test -run '^$$' -fuzz "^$$name\$$" -fuzztime $(FUZZTIME) "$$pkg" </dev/null || exit 1; \
	done

.PHONY: integration
integration: ## against real servers, which must be installed
	REQUIRE_SERVERS=1 go -C internal/integration test -race ./...

.PHONY: examples
examples: ## the main job, for ten seconds
	go run ./examples/edgegate -headless -seconds 10

##@ Proofs

.PHONY: promises
promises: ## every promise has its test
	go run ./internal/promises

.PHONY: mutants
mutants: ## every planted bug is caught (ONLY=lru for one package)
	go run ./internal/mutants $(ONLY)

.PHONY: mutate
mutate: ## generic mutation testing of one package (PKG=lru), 85 % must die
	@test -n "$(PKG)" || { echo "usage: make mutate PKG=lru"; exit 2; }
	$(TOOL) gremlins unleash --workers 1 --timeout-coefficient 5 --threshold-efficacy 85 ./$(PKG)

##@ Measurements

.PHONY: bench
bench: ## our packages beside the standard library (BENCH=regexp)
	go test -run '^$$' -bench '$(BENCH)' -benchmem ./...

.PHONY: bench-peers
bench-peers: ## beside the peers, into internal/benchmarks/RESULTS.md (PKG=lru, ROUNDS=8, BENCHTIME=200ms)
	go -C internal/benchmarks run ./cmd/peers -pkg '$(PKG)' -rounds $(ROUNDS) -benchtime $(BENCHTIME)

##@ Source

.PHONY: fmt
fmt: ## format
	$(TOOL) gofumpt -w .

.PHONY: vet
vet: ## vet every module and build
	go vet ./...
	go vet -tags chaos,invariants ./...
	@for module in $(NESTED); do go -C $$module vet ./... || exit 1; done

.PHONY: lint
lint: ## lint every module
	$(TOOL) golangci-lint run --allow-parallel-runners ./...
	@for module in $(NESTED); do \
		(cd $$module && go tool -modfile=../tools/go.mod golangci-lint run --allow-parallel-runners ./...) || exit 1; \
	done

.PHONY: tidy
tidy: ## tidy every go.mod
	go mod tidy
	@for module in $(NESTED) internal/tools; do go -C $$module mod tidy || exit 1; done

.PHONY: check
check: ## what CI runs
	bash .ci/run

.PHONY: help
help: ## this list
	@awk 'BEGIN { FS = ":.*## " } \
		/^##@/ { printf "\n%s\n", substr($$0, 5) } \
		/^[a-z0-9-]+:.*## / { printf "  %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
