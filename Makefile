# What a developer of Fieldgate does. `make` alone lists it.

VERSION  := $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
BUILD    := go build -trimpath -buildvcs=auto -ldflags "-s -w -X github.com/fieldgate/fieldgate/cmd/program.version=$(VERSION)"
# The race detector needs a C compiler.
RACE     := $(shell command -v gcc >/dev/null 2>&1 && echo -race)
MODULES  := . clients/go
# Tools run at a pinned version, without being dependencies of the program.
STATICCHECK := go run honnef.co/go/tools/cmd/staticcheck@v0.8.2
GOVULNCHECK := go run golang.org/x/vuln/cmd/govulncheck@v1.9.0
OASDIFF     := go run github.com/oasdiff/oasdiff@v1.35.0
ASYNCAPI    := .ci/asyncapi
# The renderer of /docs, and the checksum of its script.
SCALAR      := @scalar/api-reference@1.72.1
SCALAR_SHA  := bf091006bdc3af6067af77c2f534812e3e633e94a94e87138069f570f33b762c
OPENAPI     := .ci/openapi
TYPESCRIPT  := clients/typescript
CONSOLE     := clients/console

.PHONY: help build run demo generate test test-kill test-balancer test-browser test-contract histories faults measure-faults \
	mutants bench bench-sockets check format vet lint drift contract asyncapi openapi breaking release-contract vulncheck \
	reference typescript typescript-check typescript-test console console-check redis jq haproxy chromium node

help: ## List the targets.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## Build bin/fieldgate and bin/fieldgate-agent.
	@$(BUILD) -o bin/fieldgate ./cmd/fieldgate
	@$(BUILD) -o bin/fieldgate-agent ./cmd/fieldgate-agent

run: build ## Start a gateway that needs nothing, and say what to try.
	@./bin/fieldgate dev

demo: build ## Show the whole way of a command.
	@./bin/fieldgate demo

generate: $(TYPESCRIPT)/node_modules/.package-lock.json ## Make the server and the clients from openapi.yaml.
	go generate ./...
	@npm --prefix $(TYPESCRIPT) run --silent generate

test: redis jq ## Run every test; installs redis-server where it may.
	@for module in $(MODULES); do (cd $$module && go test $(RACE) -timeout 15m ./...) || exit 1; done
	@$(MAKE) --no-print-directory typescript-test test-browser

bench: redis ## Measure the queue into docs/performance.md, then the rest that has a bar; takes minutes.
	@FIELDGATE_MEASURE=full go test -count=1 -timeout 30m -v ./gateway/measure
	@go test -run '^$$' -bench . -benchmem ./api/... ./store/... ./queue/...

bench-sockets: redis ## Measure 10,000 sockets and the way of a command; takes minutes.
	@FIELDGATE_MEASURE_SOCKETS=full go test -count=1 -timeout 15m -v -run '^TestMeasureSockets$$' ./gateway

histories: redis ## Check 50 concurrent histories of 2,000 operations for linearizability.
	@FIELDGATE_HISTORIES=50 go test -count=1 -v -run '^TestLease_HistoriesAreLinearizable$$' ./queue

test-kill: ## Kill the agent a hundred times at its work, alone and with the gateway and Redis.
	@FIELDGATE_TEST_KILLS=100 go test -count=1 -timeout 10m -v -run 'Killed|WhateverDies' ./cmd/fieldgate-agent

test-balancer: redis haproxy ## Test behind a real balancer; installs haproxy where it may.
	@FIELDGATE_TEST_BALANCER=yes go test -count=1 -timeout 10m -v -run 'Balancer|RollingRestart' ./gateway

faults: redis ## Run the fault suite with ten seeds; takes about half an hour.
	@FIELDGATE_FAULT_SEEDS=10 go test -count=1 -timeout 90m ./gateway/faults

measure-faults: redis ## Measure what kills and failovers cost and lose; takes minutes.
	@log=$$(mktemp); FIELDGATE_MEASURE_FAULTS=20 go test -count=1 -timeout 60m -v -run '^TestMeasure' ./gateway/faults > $$log; \
	failed=$$?; [ $$failed = 0 ] && grep '^FIGURE' $$log || cat $$log; rm $$log; exit $$failed

test-contract: $(OPENAPI)/node_modules/.package-lock.json redis ## Test every operation past a second reader of openapi.yaml.
	@FIELDGATE_TEST_PRISM="$(CURDIR)/$(OPENAPI)/node_modules/.bin/prism" go test -count=1 -timeout 10m -run Prism ./gateway

check: format vet lint drift contract asyncapi typescript-check openapi breaking console-check ## Check what needs no test: format, vet, lint, drift, contracts.

format:
	@unformatted=$$(git ls-files -co --exclude-standard '*.go' | xargs gofmt -l); \
	if [ -n "$$unformatted" ]; then echo "not formatted (gofmt -w):"; echo "$$unformatted"; exit 1; fi

vet:
	@for module in $(MODULES); do (cd $$module && go vet ./...) || exit 1; done

lint:
	@for module in $(MODULES); do (cd $$module && $(STATICCHECK) ./...) || exit 1; done

# What is generated must be what openapi.yaml says, committed or not.
drift:
	@before=$$(cat generated/*.gen.go clients/go/*.gen.go | sha256sum); go generate ./... || exit 1; \
	after=$$(cat generated/*.gen.go clients/go/*.gen.go | sha256sum); \
	if [ "$$before" != "$$after" ]; then echo "generated code was not what openapi.yaml says: commit what make generate made"; exit 1; fi
	@go run ./.ci/mutants -match

contract:
	@go test -count=1 . ./generated

# The parser of the AsyncAPI project has the last word on asyncapi.yaml.
asyncapi: $(ASYNCAPI)/node_modules/.package-lock.json
	@node $(ASYNCAPI)/check.js asyncapi.yaml

# How openapi.yaml is written; the Go tests of the root package see to what it says.
openapi: $(OPENAPI)/node_modules/.package-lock.json
	@$(OPENAPI)/lint.sh openapi.yaml
	@OASDIFF="$(OASDIFF)" node --test --test-reporter=dot $(OPENAPI)/checks.test.js

# What a client of the last release relies on must still be there.
breaking:
	@OASDIFF="$(OASDIFF)" $(OPENAPI)/breaking.sh

release-contract: ## Take openapi.yaml as the contract of a release; for the commit that gets its tag.
	@$(OPENAPI)/release.sh

# npm writes this file last, so it stands for all that was installed.
.ci/%/node_modules/.package-lock.json: .ci/%/package-lock.json | node
	@cd .ci/$* && npm ci --loglevel=error && touch node_modules/.package-lock.json

typescript: typescript-check typescript-test ## Build, check and test the TypeScript client.

# What is generated is current, the types and the style are right, the package is fit to publish.
typescript-check: $(TYPESCRIPT)/node_modules/.package-lock.json
	@npm --prefix $(TYPESCRIPT) run --silent check

typescript-test: $(TYPESCRIPT)/node_modules/.package-lock.json
	@npm --prefix $(TYPESCRIPT) test --silent

$(TYPESCRIPT)/node_modules/.package-lock.json: $(TYPESCRIPT)/package-lock.json | node
	@cd $(TYPESCRIPT) && npm ci --loglevel=error && touch node_modules/.package-lock.json

console: $(CONSOLE)/node_modules/.package-lock.json $(TYPESCRIPT)/node_modules/.package-lock.json ## Build the console into api/console.
	@npm --prefix $(CONSOLE) run --silent build

# The types and the style are right, and what is built is what the sources give.
console-check: $(CONSOLE)/node_modules/.package-lock.json $(TYPESCRIPT)/node_modules/.package-lock.json
	@npm --prefix $(CONSOLE) run --silent check

test-browser: chromium redis $(CONSOLE)/node_modules/.package-lock.json ## Test the console in a browser; installs chromium where it may.
	@go build -o $(CONSOLE)/.build/ ./cmd/fieldgate ./cmd/fieldgate-agent
	@npm --prefix $(CONSOLE) test --silent

$(CONSOLE)/node_modules/.package-lock.json: $(CONSOLE)/package-lock.json | node
	@cd $(CONSOLE) && npm ci --loglevel=error && touch node_modules/.package-lock.json

vulncheck: ## Look the dependencies up in the vulnerability database (online).
	@for module in $(MODULES); do (cd $$module && $(GOVULNCHECK) ./...) || exit 1; done

mutants: redis ## Break the gateway on purpose, over a hundred times, and require that a test notices; takes minutes.
	@go run ./.ci/mutants

# What is committed is what npm has published; gzip -n leaves out when it was packed.
reference: | node ## Fetch the renderer of /docs from npm at its pinned version (online).
	@dir=$$(mktemp -d) && trap 'rm -rf "$$dir"' EXIT && \
	npm pack --silent --ignore-scripts --pack-destination "$$dir" $(SCALAR) >/dev/null && \
	tar -xzf "$$dir"/*.tgz -C "$$dir" package/dist/browser/standalone.js && \
	echo "$(SCALAR_SHA)  $$dir/package/dist/browser/standalone.js" | sha256sum --check --quiet && \
	gzip -9nc "$$dir/package/dist/browser/standalone.js" > docs/scalar/api-reference.js.gz

redis:
	@command -v redis-server >/dev/null 2>&1 && exit 0; \
	if command -v apt-get >/dev/null 2>&1 && [ "$$(id -u)" = 0 ]; then \
		echo "installing redis-server for the tests"; \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends redis-server >/dev/null; \
	else \
		echo "the tests need redis-server 7 or later: install it (Debian: sudo apt-get install redis-server, macOS: brew install redis)"; exit 1; \
	fi

# The samples of the guides use it.
jq:
	@command -v jq >/dev/null 2>&1 && exit 0; \
	if command -v apt-get >/dev/null 2>&1 && [ "$$(id -u)" = 0 ]; then \
		echo "installing jq for the tests"; \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends jq >/dev/null; \
	else \
		echo "the tests need jq: install it (Debian: sudo apt-get install jq, macOS: brew install jq)"; exit 1; \
	fi

haproxy:
	@command -v haproxy >/dev/null 2>&1 && exit 0; \
	if command -v apt-get >/dev/null 2>&1 && [ "$$(id -u)" = 0 ]; then \
		echo "installing haproxy for the tests"; \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends haproxy >/dev/null; \
	else \
		echo "these tests need haproxy: install it (Debian: sudo apt-get install haproxy, macOS: brew install haproxy)"; exit 1; \
	fi

chromium:
	@command -v chromium >/dev/null 2>&1 || [ -n "$$FIELDGATE_TEST_CHROMIUM" ] && exit 0; \
	if command -v apt-get >/dev/null 2>&1 && [ "$$(id -u)" = 0 ]; then \
		echo "installing chromium for the tests"; \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium >/dev/null; \
	else \
		echo "these tests need Chromium: install it (Debian: sudo apt-get install chromium), or name it in FIELDGATE_TEST_CHROMIUM"; exit 1; \
	fi

node:
	@command -v node >/dev/null 2>&1 && command -v npm >/dev/null 2>&1 && [ "$$(node -p 'parseInt(process.versions.node)')" -ge 20 ] && exit 0; \
	echo "the contracts and the TypeScript client need Node.js 20 or later with npm: install it (https://nodejs.org, macOS: brew install node)"; exit 1
