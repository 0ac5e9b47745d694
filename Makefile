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
# The renderer of /docs, and the checksum of its script.
SCALAR      := @scalar/api-reference@1.72.1
SCALAR_SHA  := bf091006bdc3af6067af77c2f534812e3e633e94a94e87138069f570f33b762c

.PHONY: help build run demo generate test test-balancer bench bench-sockets check format vet lint drift contract asyncapi vulncheck reference redis jq haproxy node

help: ## List the targets.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## Build bin/fieldgate.
	@$(BUILD) -o bin/fieldgate ./cmd/fieldgate

run: build ## Start a gateway that needs nothing, and say what to try.
	@./bin/fieldgate dev

demo: build ## Show the whole way of a command.
	@./bin/fieldgate demo

generate: ## Make the server and the client from openapi.yaml.
	go generate ./...

test: redis jq ## Run every test; installs redis-server where it may.
	@for module in $(MODULES); do (cd $$module && go test $(RACE) -timeout 15m ./...) || exit 1; done

bench: redis ## Measure what has a bar.
	go test -run '^$$' -bench . -benchmem ./api/... ./store/... ./queue/...

bench-sockets: redis ## Measure 10,000 sockets and the way of a command; takes minutes.
	@FIELDGATE_MEASURE_SOCKETS=full go test -count=1 -timeout 15m -v -run '^TestMeasureSockets$$' ./gateway

test-balancer: redis haproxy ## Test behind a real balancer; installs haproxy where it may.
	@FIELDGATE_TEST_BALANCER=yes go test -count=1 -timeout 10m -v -run 'Balancer|RollingRestart' ./gateway

check: format vet lint drift contract asyncapi ## Check what needs no test: format, vet, lint, drift, contracts.

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

vulncheck: ## Look the dependencies up in the vulnerability database (online).
	@for module in $(MODULES); do (cd $$module && $(GOVULNCHECK) ./...) || exit 1; done

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

node:
	@command -v node >/dev/null 2>&1 && command -v npm >/dev/null 2>&1 && [ "$$(node -p 'parseInt(process.versions.node)')" -ge 20 ] && exit 0; \
	echo "this needs Node.js 20 or later with npm: install it (https://nodejs.org, macOS: brew install node)"; exit 1
