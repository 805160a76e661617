# Tools are pinned here, outside of go.mod.
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2

.DEFAULT_GOAL := help

.PHONY: help
help: ## Say what there is to make
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  %-12s %s\n", $$1, $$2}'

.PHONY: run
run: ## Run the net/http example on http://127.0.0.1:8080
	go run ./examples/nethttp

.PHONY: test
test: ## Run the tests; what needs Redis, PostgreSQL, Chromium or node skips where it is missing
	go test ./...

.PHONY: race
race: ## Run the tests with the race detector; nothing may skip
	LUCIA_TEST_REQUIRE=redis,postgresql,chromium,node,npm go test -race -timeout 20m ./...

.PHONY: explore
explore: ## Explore the rotation rule in a larger world; takes minutes
	go test -run Explor -timeout 60m ./session -explore.large

.PHONY: lint
lint: ## gofmt, go vet, staticcheck, go.mod
	gofmt -l $$(git ls-files '*.go')
	go vet ./...
	go run $(STATICCHECK) ./...
	cd benchmarks && go run $(STATICCHECK) ./...
	cd internal/frameworks && go run $(STATICCHECK) ./...
	cd otellucia && go run $(STATICCHECK) ./...
	cd internal/moving && go run $(STATICCHECK) ./...
	go mod tidy -diff

.PHONY: generate
generate: ## Generate templ code anew
	go generate ./examples/...

.PHONY: bench
bench: ## Compare with other libraries; starts its own Redis
	cd benchmarks && go run ./cmd/compare

.PHONY: ci
ci: ## Everything that CI runs
	.ci/run
