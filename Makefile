# The tasks of a developer of Fieldgate. `make` lists them.

# The tags of the Go client, clients/go/v1.1.0, are on the same commits.
VERSION  := $(shell git describe --tags --match 'v[0-9]*' --always --dirty 2>/dev/null || echo dev)
# The programs are static: without cgo, they need no C library of the system.
BUILD    := CGO_ENABLED=0 go build -trimpath -buildvcs=auto -ldflags "-s -w -X github.com/fieldgate/fieldgate/cmd/program.version=$(VERSION)"
BIN      := bin
# The race detector needs a C compiler.
RACE     := $(shell command -v gcc >/dev/null 2>&1 && echo -race)
MODULES  := . clients/go
# The systems for which the agent is built: GOOS/GOARCH, with GOARM if there is one.
AGENTS   := linux/amd64 linux/arm64 linux/arm/6 linux/arm/7 linux/mipsle linux/riscv64 darwin/amd64 darwin/arm64 windows/amd64 windows/arm64
# The architectures for which packages are built, and the time of the files in them.
PACKAGES := amd64 arm64
SOURCE_DATE_EPOCH ?= $(shell git log -1 --format=%ct 2>/dev/null || echo 0)
# The tools have pinned versions and are not dependencies of the program.
STATICCHECK := go run honnef.co/go/tools/cmd/staticcheck@v0.8.2
GOVULNCHECK := go run golang.org/x/vuln/cmd/govulncheck@v1.9.0
NFPM        := go run github.com/goreleaser/nfpm/v2/cmd/nfpm@v2.45.2
# Its first run compiles for some minutes.
GORELEASER  := go run github.com/goreleaser/goreleaser/v2@v2.15.1
# The tools that read deployment files are a module of their own, with checksums: .ci/manifests.
MANIFESTS   := .ci/manifests
HELM        := GOWORK=off CGO_ENABLED=0 go -C $(MANIFESTS) tool helm
OASDIFF     := go run github.com/oasdiff/oasdiff@v1.35.0
ASYNCAPI    := .ci/asyncapi
# The renderer of /docs and the checksum of its script.
SCALAR      := @scalar/api-reference@1.72.1
SCALAR_SHA  := bf091006bdc3af6067af77c2f534812e3e633e94a94e87138069f570f33b762c
OPENAPI     := .ci/openapi
DIFFERENTIAL := .ci/differential
GENERATORS   := .ci/generators
PEERS       := .ci/peers
TYPESCRIPT  := clients/typescript
CONSOLE     := clients/console

.PHONY: help build agents check-agents packages manuals chart helm image snapshot release run demo generate test test-go test-kill measure-agent test-agents test-examples test-packages test-image test-balancer test-monitoring test-stores test-supabase test-roll roll-fixture test-browser test-contract test-generators differential histories faults measure-faults \
	mutants bench bench-peers bench-sockets bench-abuse bench-reconnect bench-scale check format vet lint comments drift contract asyncapi openapi breaking release-contract vulncheck \
	alerts manifests reference typescript typescript-check typescript-test console console-check redis valkey jq haproxy strace qemu compiler packagers buildah promtool prometheus chromium node

help: ## List the targets.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## Build bin/fieldgate and bin/fieldgate-agent, static.
	@$(BUILD) -o $(BIN)/fieldgate ./cmd/fieldgate
	@$(BUILD) -o $(BIN)/fieldgate-agent ./cmd/fieldgate-agent

agents: ## Build the agent for all systems, static, into bin/agents.
	@for system in $(AGENTS); do \
		set -- $$(echo $$system | tr / ' '); suffix=; [ $$1 = windows ] && suffix=.exe; \
		GOOS=$$1 GOARCH=$$2 GOARM=$$3 GOMIPS=softfloat \
			$(BUILD) -o bin/agents/fieldgate-agent-$$1-$$2$${3:+v$$3}$$suffix ./cmd/fieldgate-agent || exit 1; \
	done

check-agents: # builds the agent for one system of each kind; the others differ in the processor only
	@$(MAKE) --no-print-directory agents AGENTS='linux/mipsle darwin/arm64 windows/amd64'

packages: ## Build .deb and .rpm of the gateway and of the agent into bin/packages.
	@rm -rf bin/packages && mkdir -p bin/packages/programs/state && $(MAKE) --no-print-directory manuals
	@for arch in $(PACKAGES); do \
		GOOS=linux GOARCH=$$arch $(MAKE) --no-print-directory build BIN=bin/packages/programs/$$arch && \
		VERSION="$(VERSION)" SOURCE_DATE_EPOCH="$(SOURCE_DATE_EPOCH)" NFPM="$(NFPM)" deploy/packages/build.sh $$arch || exit 1; \
	done

# The completions of shells and the manual pages, which are the same for all architectures.
manuals: build
	@mkdir -p bin/packages/manuals
	@for program in fieldgate fieldgate-agent; do \
		for kind in "completion bash" "completion zsh" "completion fish" man; do \
			$(BIN)/$$program $$kind > "bin/packages/manuals/$$program.$${kind#completion }" || exit 1; \
		done; \
		gzip -9nf bin/packages/manuals/$$program.man; \
	done

chart: ## Build the Helm chart of this version into bin/chart.
	@rm -rf bin/chart && mkdir -p bin/chart && version=$$(echo "$(VERSION)" | sed -E 's/^v//; /^[0-9]+\.[0-9]+\.[0-9]+/!s/^/0.0.0-g/') && \
	$(HELM) package --version "$$version" --app-version "$$version" --destination "$(CURDIR)/bin/chart" "$(CURDIR)/deploy/helm/fieldgate"

helm: # runs helm with ARGUMENTS
	@$(HELM) $(ARGUMENTS)

snapshot: ## Check the configuration of releases, and build a release of this commit into dist; takes minutes.
	@$(GORELEASER) check
	@$(GORELEASER) release --snapshot --clean --skip=sign

# The workflow of releases runs it: it signs with the identity of the workflow, and publishes.
release:
	@$(GORELEASER) release --clean

image: buildah ## Build the images of the gateway and of the agent, for this machine's architecture.
	@mkdir -p bin/packages/programs/state && GOOS=linux $(MAKE) --no-print-directory build BIN=bin/packages/programs/$$(go env GOARCH)
	@buildah bud --format docker --build-arg TARGETARCH=$$(go env GOARCH) -f deploy/image/Dockerfile -t "fieldgate:$(VERSION)" bin/packages/programs
	@buildah bud --format docker --build-arg TARGETARCH=$$(go env GOARCH) -f deploy/image/agent.Dockerfile -t "fieldgate-agent:$(VERSION)" bin/packages/programs

run: build ## Start a gateway for development and print commands to try.
	@./bin/fieldgate dev

demo: build ## Demonstrate the life of a command.
	@./bin/fieldgate demo

generate: $(TYPESCRIPT)/node_modules/.package-lock.json ## Generate the server and the clients from openapi.yaml.
	go generate ./...
	@npm --prefix $(TYPESCRIPT) run --silent generate
	@FIELDGATE_TEST_WRITE_SAMPLES=yes go test -count=1 -run '^(TestSamples_AreWholeFiles|TestPages_GoClientHasItsReadme)$$' ./docs

test: redis jq ## Run all tests; installs redis-server and other packages as root on Debian.
	@for module in $(MODULES); do (cd $$module && go test $(RACE) -timeout 30m ./...) || exit 1; done
	@$(MAKE) --no-print-directory typescript-test test-browser

# Without redis-server, storetest skips the tests that need it.
test-go: ## Run the fast Go tests; needs only Go, and takes up to three minutes.
	@command -v redis-server >/dev/null 2>&1 || echo "redis-server is not installed: the tests that need it are skipped"
	@for module in $(MODULES); do (cd $$module && go test -short ./...) || exit 1; done

bench: redis ## Run the benchmarks; those of the queue update docs/performance.md; takes minutes.
	@FIELDGATE_MEASURE=full go test -count=1 -timeout 30m -v -run '^TestMeasure$$' ./gateway/measure
	@go test -run '^$$' -bench . -benchmem ./api/... ./store/... ./queue/...

bench-peers: redis $(PEERS)/node_modules/.package-lock.json ## Measure the gateway beside a bare server and BullMQ; updates docs/performance.md; takes five minutes.
	@FIELDGATE_MEASURE_PEERS=full go test -count=1 -timeout 30m -v -run '^TestMeasurePeers$$' ./gateway/measure

bench-sockets: redis ## Measure 10,000 sockets and the latency of commands; takes minutes.
	@FIELDGATE_MEASURE_SOCKETS=full go test -count=1 -timeout 15m -v -run '^TestMeasureSockets$$' ./gateway

bench-abuse: redis ## Measure what a hostile tenant costs the gateway and another tenant; updates docs/performance.md; takes minutes.
	@FIELDGATE_MEASURE_ABUSE=full go test -count=1 -timeout 30m -v -run '^TestMeasureAbuse$$' ./gateway/measure

bench-reconnect: redis ## Measure what the death of one of two instances costs another tenant; updates docs/performance.md; takes a minute.
	@FIELDGATE_MEASURE_RECONNECT=full go test -count=1 -timeout 10m -v -run '^TestMeasureReconnect$$' ./gateway/measure

bench-scale: redis ## Play 20,000 devices against two instances and a Redis Cluster of three; takes eight minutes.
	@$(BUILD) -o $(BIN)/ ./cmd/fieldgate ./cmd/fieldgate-load
	@$(BIN)/fieldgate-load run cmd/fieldgate-load/scenarios/20000.yaml

histories: redis ## Check 50 concurrent histories of 2,000 operations for linearizability.
	@FIELDGATE_HISTORIES=50 go test -count=1 -v -run '^TestLease_HistoriesAreLinearizable$$' ./queue

test-kill: ## Kill the agent a hundred times while it executes commands, alone and with the gateway and Redis.
	@FIELDGATE_TEST_KILLS=100 go test -count=1 -timeout 30m -v -run 'TestKill' ./cmd/fieldgate-agent

measure-agent: build strace ## Measure what an idle agent and a command of it cost; takes twelve minutes, needs Linux.
	@log=$$(mktemp); FIELDGATE_MEASURE_AGENT="$(CURDIR)/$(BIN)/fieldgate-agent" go test -count=1 -timeout 30m -v -run '^TestMeasureCosts$$' ./cmd/fieldgate-agent > $$log; \
	failed=$$?; [ $$failed = 0 ] && grep '^FIGURE' $$log || cat $$log; rm $$log; exit $$failed

test-agents: qemu redis ## Build and run the agent of each Linux architecture under qemu-user, with a real gateway.
	@$(MAKE) --no-print-directory agents AGENTS='$(filter linux/%,$(AGENTS))'
	@FIELDGATE_TEST_AGENTS="$(CURDIR)/bin/agents" go test -count=1 -timeout 10m -v -run '^TestArchitectures' ./cmd/fieldgate-agent

test-examples: compiler redis ## Compile and run the example devices in C and Python against a gateway that restarts.
	@FIELDGATE_TEST_EXAMPLES=yes go test -count=1 -timeout 10m ./clients/examples

# The packages are built twice, and must be the same files.
test-packages: redis packagers ## Install the packages of this machine on a fresh Debian and run an approved command; needs root.
	@architecture=$$(go env GOARCH); sums=$$(mktemp); \
	$(MAKE) --no-print-directory packages PACKAGES=$$architecture && (cd bin/packages && sha256sum *.deb *.rpm) > $$sums && \
	$(MAKE) --no-print-directory packages PACKAGES=$$architecture && (cd bin/packages && sha256sum --check --quiet $$sums) && \
	FIELDGATE_TEST_PACKAGES="$(CURDIR)/bin/packages" go test -count=1 -timeout 20m ./deploy/packages; \
	failed=$$?; rm $$sums; exit $$failed

test-image: build redis buildah ## Build the images and run them without rights; needs root.
	@programs=$$(mktemp -d) && trap 'rm -rf "$$programs"' EXIT && mkdir "$$programs/$$(go env GOARCH)" "$$programs/state" && \
	cp bin/fieldgate bin/fieldgate-agent "$$programs/$$(go env GOARCH)" && \
	FIELDGATE_TEST_IMAGE="$$programs" go test -count=1 -timeout 10m ./deploy/image

test-monitoring: redis prometheus ## Plant five causes and read the alerts and dashboards of a real Prometheus; takes ten minutes.
	@FIELDGATE_TEST_MONITORING=yes go test -count=1 -timeout 40m -v ./gateway/monitoring

test-balancer: redis haproxy ## Test behind a real load balancer; installs haproxy as root on Debian.
	@FIELDGATE_TEST_BALANCER=yes go test -count=1 -timeout 10m -v -run '^TestBalancer' ./gateway

# Without a program of Valkey, its package is installed if Debian has one.
test-stores: redis valkey ## Run the life of a command on Redis and Valkey: one server, Sentinel, Cluster, failovers; prints a table.
	@.ci/stores/run.sh

# The source is not part of this repository: git clone --branch v2.196.0 https://github.com/supabase/auth
test-supabase: redis jq ## Test sign-in with a real Supabase Auth server, also in a browser; FIELDGATE_TEST_SUPABASE names a checkout of github.com/supabase/auth.
	@if [ -z "$$FIELDGATE_TEST_SUPABASE" ]; then \
		echo "SKIPPED: nothing was tested. Name a checkout of github.com/supabase/auth, or a .tar.gz of it: make test-supabase FIELDGATE_TEST_SUPABASE=../auth" >&2; \
	else \
		$(MAKE) --no-print-directory chromium $(CONSOLE)/node_modules/.package-lock.json || echo "SKIPPED: the console's sign-in in a browser" >&2; \
		FIELDGATE_TEST_SUPABASE="$$(realpath "$$FIELDGATE_TEST_SUPABASE")" go test -count=1 -timeout 20m -v ./gateway/supabase; \
	fi

# The programs of earlier versions are built from the history of the repository, and kept.
test-roll: redis ## Replace instances of earlier versions by this one and back, under load; load data of 1.0.0.
	@mkdir -p bin/earlier && FIELDGATE_TEST_ROLL="$(CURDIR)/bin/earlier" go test -count=1 -timeout 10m -v -run '^TestRoll' ./gateway/faults

roll-fixture: redis ## Write the data of 1.0.0 that test-roll loads.
	@mkdir -p bin/earlier && FIELDGATE_TEST_WRITE_FIXTURE=yes FIELDGATE_TEST_ROLL="$(CURDIR)/bin/earlier" \
		go test -count=1 -v -run '^TestFixture_Write' ./gateway/faults

faults: redis ## Run the fault suite with ten seeds; takes about half an hour.
	@FIELDGATE_FAULT_SEEDS=10 go test -count=1 -timeout 90m ./gateway/faults

measure-faults: redis ## Measure the downtime and the losses of kills and failovers; takes minutes.
	@log=$$(mktemp); FIELDGATE_MEASURE_FAULTS=20 go test -count=1 -timeout 60m -v -run '^TestMeasure' ./gateway/faults > $$log; \
	failed=$$?; [ $$failed = 0 ] && grep '^FIGURE' $$log || cat $$log; rm $$log; exit $$failed

test-contract: $(OPENAPI)/node_modules/.package-lock.json redis ## Test every operation against second implementations of the contract: Prism and ajv.
	@FIELDGATE_TEST_PRISM="$(CURDIR)/$(OPENAPI)/node_modules/.bin/prism" go test -count=1 -timeout 10m -run Prism ./gateway
	@$(MAKE) --no-print-directory differential

# The generators of Go clients are a module of their own, with checksums: see go.mod in the folder.
test-generators: build $(GENERATORS)/node_modules/.package-lock.json $(DIFFERENTIAL)/node_modules/.package-lock.json ## Generate a client with each of ten generators, compile it strictly and call a gateway; takes minutes.
	@node $(GENERATORS)/check.js bin/fieldgate

differential: build $(DIFFERENTIAL)/node_modules/.package-lock.json ## Compare the validation of generated requests with that of ajv.
	@node $(DIFFERENTIAL)/check.js bin/fieldgate openapi.yaml asyncapi.yaml
	@node --test --test-reporter=dot $(DIFFERENTIAL)/check.test.js

check: format vet check-agents lint comments drift contract asyncapi typescript-check openapi breaking console-check alerts manifests ## Run all checks other than tests: format, vet, lint, drift, contracts, alerts, manifests.

format:
	@unformatted=$$(git ls-files -co --exclude-standard '*.go' | xargs gofmt -l); \
	if [ -n "$$unformatted" ]; then echo "not formatted (gofmt -w):"; echo "$$unformatted"; exit 1; fi

vet:
	@for module in $(MODULES); do (cd $$module && go vet ./...) || exit 1; done

lint:
	@for module in $(MODULES); do (cd $$module && $(STATICCHECK) ./...) || exit 1; done

# Checks the style of comments: see docs/contributing/style.md.
comments:
	@go test ./.ci/comments
	@go run ./.ci/comments

# The generated files must match the contracts, whether they are committed or not.
drift:
	@before=$$(cat generated/*.gen.go generated/asyncapi.yaml clients/go/*.gen.go | sha256sum); go generate ./... || exit 1; \
	after=$$(cat generated/*.gen.go generated/asyncapi.yaml clients/go/*.gen.go | sha256sum); \
	if [ "$$before" != "$$after" ]; then echo "the generated files did not match the contracts: commit the files that make generate has changed"; exit 1; fi
	@go run ./.ci/mutants -match

contract:
	@go test -count=1 . ./generated ./.ci/bundle

# Checks asyncapi.yaml with the parser of the AsyncAPI project, and the published document also with its
# generator of models.
asyncapi: $(ASYNCAPI)/node_modules/.package-lock.json
	@node $(ASYNCAPI)/check.js asyncapi.yaml
	@node $(ASYNCAPI)/check.js generated/asyncapi.yaml
	@node $(ASYNCAPI)/models.js generated/asyncapi.yaml

# Checks the style of openapi.yaml, and of the published contract of the sockets. The Go tests of the root package check its content.
openapi: $(OPENAPI)/node_modules/.package-lock.json
	@$(OPENAPI)/lint.sh openapi.yaml
	@$(OPENAPI)/node_modules/.bin/spectral lint --quiet --fail-severity=hint --ruleset=$(OPENAPI)/spectral.yaml openapi.yaml generated/asyncapi.yaml
	@OASDIFF="$(OASDIFF)" node --test --test-reporter=dot $(OPENAPI)/checks.test.js

# Checks that openapi.yaml has no breaking change since the last release.
breaking:
	@OASDIFF="$(OASDIFF)" $(OPENAPI)/breaking.sh

release-contract: ## Copy openapi.yaml to the released contract, in the commit that is tagged.
	@$(OPENAPI)/release.sh

alerts: promtool ## Test the alerts in deploy/prometheus; installs promtool as root on Debian.
	@go test -count=1 ./.ci/alerts

# Its first run compiles helm, for some minutes.
manifests: promtool haproxy redis ## Check the Helm chart, the Compose project and the other files of deployments.
	@cd $(MANIFESTS) && GOWORK=off CGO_ENABLED=0 go test -count=1 ./...

# npm writes this file last, so it represents the whole installation.
.ci/%/node_modules/.package-lock.json: .ci/%/package-lock.json | node
	@cd .ci/$* && npm ci --loglevel=error && touch node_modules/.package-lock.json

typescript: typescript-check typescript-test ## Build, check and test the TypeScript client.

# Checks the generated files, the types, the style and the npm package.
typescript-check: $(TYPESCRIPT)/node_modules/.package-lock.json
	@npm --prefix $(TYPESCRIPT) run --silent check

typescript-test: $(TYPESCRIPT)/node_modules/.package-lock.json
	@npm --prefix $(TYPESCRIPT) test --silent

$(TYPESCRIPT)/node_modules/.package-lock.json: $(TYPESCRIPT)/package-lock.json | node
	@cd $(TYPESCRIPT) && npm ci --loglevel=error && touch node_modules/.package-lock.json

console: $(CONSOLE)/node_modules/.package-lock.json $(TYPESCRIPT)/node_modules/.package-lock.json ## Build the console into api/console.
	@npm --prefix $(CONSOLE) run --silent build

# Checks the types, the style, and that api/console is built from the sources.
console-check: $(CONSOLE)/node_modules/.package-lock.json $(TYPESCRIPT)/node_modules/.package-lock.json
	@npm --prefix $(CONSOLE) run --silent check

test-browser: chromium redis $(CONSOLE)/node_modules/.package-lock.json ## Test the console in a browser; installs chromium as root on Debian.
	@go build -o $(CONSOLE)/.build/ ./cmd/fieldgate ./cmd/fieldgate-agent
	@[ -n "$$FIELDGATE_TEST_SUPABASE_URL" ] || echo "SKIPPED: the console's sign-in with a real Supabase Auth server. make test-supabase runs it." >&2
	@npm --prefix $(CONSOLE) test --silent

$(CONSOLE)/node_modules/.package-lock.json: $(CONSOLE)/package-lock.json | node
	@cd $(CONSOLE) && npm ci --loglevel=error && touch node_modules/.package-lock.json

vulncheck: ## Check the dependencies for known vulnerabilities (online).
	@for module in $(MODULES); do (cd $$module && $(GOVULNCHECK) ./...) || exit 1; done

mutants: redis promtool ## Apply over a hundred mutations to the source and require that a test fails for each; takes minutes.
	@go run ./.ci/mutants

# The committed file is the published one. gzip -n omits the time of compression.
reference: | node ## Download the renderer of /docs at its pinned version from npm (online).
	@dir=$$(mktemp -d) && trap 'rm -rf "$$dir"' EXIT && \
	npm pack --silent --ignore-scripts --pack-destination "$$dir" $(SCALAR) >/dev/null && \
	tar -xzf "$$dir"/*.tgz -C "$$dir" package/dist/browser/standalone.js && \
	echo "$(SCALAR_SHA)  $$dir/package/dist/browser/standalone.js" | sha256sum --check --quiet && \
	gzip -9nc "$$dir/package/dist/browser/standalone.js" > docs/scalar/api-reference.js.gz

redis:
	@command -v redis-server >/dev/null 2>&1 || \
	.ci/apt "redis-server for the tests" "the tests need redis-server 7 or later: install it (Debian: sudo apt-get install redis-server, macOS: brew install redis)" redis-server

valkey:
	@[ -n "$$FIELDGATE_TEST_VALKEY" ] || command -v valkey-server >/dev/null 2>&1 && exit 0; \
	if command -v apt-get >/dev/null 2>&1 && [ "$$(id -u)" = 0 ] && apt-get update -qq && apt-cache show valkey-server >/dev/null 2>&1; then \
		echo "installing valkey-server for the tests"; \
		DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends valkey-server >/dev/null; \
	fi

# The samples in the guides use jq.
jq:
	@command -v jq >/dev/null 2>&1 || \
	.ci/apt "jq for the tests" "the tests need jq: install it (Debian: sudo apt-get install jq, macOS: brew install jq)" jq

haproxy:
	@command -v haproxy >/dev/null 2>&1 || \
	.ci/apt "haproxy for the tests" "these tests need haproxy: install it (Debian: sudo apt-get install haproxy, macOS: brew install haproxy)" haproxy

strace:
	@command -v strace >/dev/null 2>&1 || \
	.ci/apt "strace for the measurement" "this measurement needs strace: install it (Debian: sudo apt-get install strace)" strace

qemu:
	@command -v qemu-arm-static >/dev/null 2>&1 || \
	.ci/apt "qemu-user-static for the tests" "these tests need qemu-user-static: install it (Debian: sudo apt-get install qemu-user-static)" qemu-user-static

# The example devices in C need libcurl and cJSON.
compiler:
	@{ echo '#include <cjson/cJSON.h>' | cc -E -include curl/curl.h - >/dev/null 2>&1 && command -v python3 >/dev/null 2>&1; } || \
	.ci/apt "a C compiler, libcurl, cJSON and Python for the examples" "these tests need a C compiler, libcurl, cJSON and Python 3: install them (Debian: sudo apt-get install gcc libcurl4-openssl-dev libcjson-dev python3)" gcc libc6-dev libcurl4-openssl-dev libcjson-dev python3

packagers:
	@{ command -v mmdebstrap >/dev/null 2>&1 && command -v lintian >/dev/null 2>&1 && command -v rpm >/dev/null 2>&1; } || \
	.ci/apt "mmdebstrap, lintian and rpm for the tests of packages" "these tests need root, mmdebstrap, lintian and rpm: install them (Debian: sudo apt-get install mmdebstrap lintian rpm)" mmdebstrap lintian rpm

buildah:
	@command -v buildah >/dev/null 2>&1 || \
	.ci/apt "buildah for the image" "the image is built with buildah: install it (Debian: sudo apt-get install buildah)" buildah

# The package is only unpacked: installed, it would start a server on the port of our metrics.
promtool prometheus:
	@command -v $@ >/dev/null 2>&1 && exit 0; \
	if command -v apt-get >/dev/null 2>&1 && [ "$$(id -u)" = 0 ]; then \
		echo "unpacking $@ for the tests of alerts"; dir=$$(mktemp -d) && trap 'rm -rf "$$dir"' EXIT && cd "$$dir" && \
		apt-get update -qq && apt-get download -qq prometheus 2>/dev/null && \
		dpkg-deb --fsys-tarfile prometheus_*.deb | tar -xC "$$dir" ./usr/bin/$@ && install "$$dir/usr/bin/$@" /usr/local/bin/; \
	else \
		echo "the alerts are tested with $@: install it (Debian: sudo apt-get install prometheus, macOS: brew install prometheus)"; exit 1; \
	fi

chromium:
	@{ command -v chromium >/dev/null 2>&1 || [ -n "$$FIELDGATE_TEST_CHROMIUM" ]; } || \
	.ci/apt "chromium for the tests" "these tests need Chromium: install it (Debian: sudo apt-get install chromium), or name it in FIELDGATE_TEST_CHROMIUM" chromium

node:
	@command -v node >/dev/null 2>&1 && command -v npm >/dev/null 2>&1 && [ "$$(node -p 'parseInt(process.versions.node)')" -ge 20 ] && exit 0; \
	echo "the contracts and the TypeScript client need Node.js 20 or later with npm: install it (https://nodejs.org, macOS: brew install node)"; exit 1
