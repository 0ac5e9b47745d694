# What a developer of Fieldgate does. `make` alone lists it.

VERSION  := $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
BUILD    := go build -trimpath -buildvcs=auto -ldflags "-s -w -X main.version=$(VERSION)"
# The race detector needs a C compiler.
RACE     := $(shell command -v gcc >/dev/null 2>&1 && echo -race)
MODULES  := . clients/go
# Tools run at a pinned version, without being dependencies of the program.
STATICCHECK := go run honnef.co/go/tools/cmd/staticcheck@v0.8.2
GOVULNCHECK := go run golang.org/x/vuln/cmd/govulncheck@v1.9.0
ASYNCAPI    := .ci/asyncapi
TYPESCRIPT  := clients/typescript
CONSOLE     := clients/console

.PHONY: help build run demo generate test test-kill test-balancer test-browser bench bench-sockets check format vet lint drift contract asyncapi vulncheck redis haproxy chromium node typescript typescript-check typescript-test console console-check

help: ## List the targets.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

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

test: redis ## Run every test; installs redis-server where it may.
	@for module in $(MODULES); do (cd $$module && go test $(RACE) -timeout 15m ./...) || exit 1; done
	@$(MAKE) --no-print-directory typescript-test test-browser

bench: redis ## Measure the queue into docs/performance.md, then the rest that has a bar; takes minutes.
	@FIELDGATE_MEASURE=full go test -count=1 -timeout 30m -v ./gateway/measure
	@go test -run '^$$' -bench . -benchmem ./api/... ./store/... ./queue/...

bench-sockets: redis ## Measure 10,000 sockets and the way of a command; takes minutes.
	@FIELDGATE_MEASURE_SOCKETS=full go test -count=1 -timeout 15m -v -run '^TestMeasureSockets$$' ./gateway

test-kill: ## Kill the agent a hundred times at its work.
	@FIELDGATE_TEST_KILLS=100 go test -count=1 -timeout 10m -v -run Killed ./cmd/fieldgate-agent

test-balancer: redis haproxy ## Test behind a real balancer; installs haproxy where it may.
	@FIELDGATE_TEST_BALANCER=yes go test -count=1 -timeout 10m -v -run 'Balancer|RollingRestart' ./gateway

check: format vet lint drift contract asyncapi typescript-check console-check ## Check what needs no test: format, vet, lint, drift, contracts.

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

contract:
	@go test -count=1 . ./generated

# The parser of the AsyncAPI project has the last word on asyncapi.yaml.
asyncapi: $(ASYNCAPI)/node_modules/.package-lock.json
	@node $(ASYNCAPI)/check.js asyncapi.yaml

# npm writes this file last, so it stands for all that was installed.
$(ASYNCAPI)/node_modules/.package-lock.json: $(ASYNCAPI)/package-lock.json | node
	@cd $(ASYNCAPI) && npm ci --loglevel=error && touch node_modules/.package-lock.json

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

redis:
	@command -v redis-server >/dev/null 2>&1 && exit 0; \
	if command -v apt-get >/dev/null 2>&1 && [ "$$(id -u)" = 0 ]; then \
		echo "installing redis-server for the tests"; \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends redis-server >/dev/null; \
	else \
		echo "the tests need redis-server 7 or later: install it (Debian: sudo apt-get install redis-server, macOS: brew install redis)"; exit 1; \
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
	echo "asyncapi.yaml and the TypeScript client need Node.js 20 or later with npm: install it (https://nodejs.org, macOS: brew install node)"; exit 1
