# `make` alone lists the targets. `work` is Go's name for all packages of all modules in go.work.

BENCH     ?= .
BENCHTIME ?= 1s
FUZZTIME  ?= 5s

staticcheck := .bin/staticcheck
misspell    := .bin/misspell
licenses    := .bin/licenses

# The packages that have long tests. The build tag long turns these on, in a file long_test.go.
long = $(sort $(patsubst %/long_test.go,%,$(shell find . -name long_test.go)))

.DEFAULT_GOAL := help
.NOTPARALLEL:
unexport GOWORK

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: demo
demo: ## show the cache at work on the Go files of the standard library
	go run ./docs/examples/demo
	@echo 'Next, try a cache from a shell: go run ./cmd/cachewire -h'

.PHONY: demo-page
demo-page: ## the same, and serve a live page of the cache at http://localhost:8080 until Ctrl-C
	go run ./docs/examples/demo -page localhost:8080

.PHONY: test
test: servers ## run every test of every module
	go test work

.PHONY: long
long: servers ## test the packages that have long tests, and run these in full: 15 minutes
	go test -timeout 20m -tags long $(long)

.PHONY: race
race: servers ## run every test with the race detector (needs a C compiler)
	go test -race -timeout 20m work

.PHONY: cross
cross: servers ## vet for other systems and processors, and run tests as 32-bit programs
	scripts/cross.sh

.PHONY: lint
lint: $(staticcheck) $(misspell) ## gofmt, go vet, staticcheck and a spell check
	@echo gofmt -l .; unformatted=$$(gofmt -l .) && \
	if [ -n "$$unformatted" ]; then echo "not formatted, run gofmt -w:" $$unformatted >&2; exit 1; fi
	go vet work
	go vet -tags long $(long)
	$(staticcheck) work
	git ls-files -z '*.go' '*.md' '*.sh' Makefile | xargs -0 $(misspell) -error

.PHONY: licenses
licenses: $(licenses) ## list the licences of the libraries in users' programs, and fail if one is not permissive
	@go list -deps -f '{{with .Module}}{{.Path}} {{.Version}} {{.Dir}}{{end}}' \
		$$(go list work | grep -vE '/(docs/from|conformance/strangers|observe/page/browser|benchmarks)($$|/)') | $(licenses)

.PHONY: fuzz
fuzz: servers ## fuzz every Fuzz function of every module, each for FUZZTIME=5s
	scripts/fuzz.sh $(FUZZTIME)

.PHONY: bench
bench: servers ## run the benchmarks, BENCH=. each for BENCHTIME=1s
	go test -timeout 30m $(BENCHFLAGS) -run='^$$' -bench='$(BENCH)' -benchtime=$(BENCHTIME) -benchmem work

.PHONY: mod-check
mod-check: servers ## check that the go.mod files are consistent and that each module passes alone
	scripts/modules.sh check
	@for dir in $$(go list -m -f '{{.Dir}}'); do \
		echo "GOWORK=off go test -C $${dir#$(CURDIR)/} ./..."; \
		GOWORK=off go test -C "$$dir" ./... || exit; \
	done

.PHONY: rehearse
rehearse: servers ## tag a copy of this tree as a release, and follow README.md with these tags alone
	scripts/release.sh rehearse

.PHONY: servers
servers: ## install memcached, redis-server and their Python clients for the tests, if they are missing
	@scripts/servers.sh

# The quick targets come first. mod-check builds the same test programs as test, as long as the
# versions are the same, so that its results come from Go's test cache. FUZZTIME is a count and not a
# time, because before Go 1.27 the end of the time may be reported as a failure
# (golang.org/issue/75804).
.PHONY: check
check: BENCHTIME := 1x
check: BENCHFLAGS := -short
check: FUZZTIME := 1000x
check: lint licenses test mod-check rehearse race cross bench fuzz demo ## run all of the above but long: each benchmark once and short, each Fuzz function 1000 times
	@echo check: all passed

$(staticcheck): package = honnef.co/go/tools/cmd/staticcheck
$(misspell): package = github.com/golangci/misspell/cmd/misspell
$(licenses): package = ./licenses
$(licenses): tools/licenses/main.go
$(staticcheck) $(misspell) $(licenses): tools/go.mod tools/go.sum
	GOWORK=off go build -C tools -o ../$@ $(package)
