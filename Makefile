# `make` lists the targets. Each sets up what it needs on a fresh machine, see scripts/deps.
#
# PROFILE: the dev profile compiles in a fraction of the time and its dependencies are optimised; what is measured is
#          always built for release. For a long look at a fast gateway: make run PROFILE=release
# ARGS:    passed on, for example: make run ARGS='--listen 127.0.0.1:9000', make test ARGS=rfc6749

PROFILE ?= dev
ARGS ?=

# Where rustup puts cargo, for shells that were opened before it was installed.
export PATH := $(PATH):$(HOME)/.cargo/bin

.DEFAULT_GOAL := help
.PHONY: help run test bench compare fuzz check fmt

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-7s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: ## Build, then start a whole demo world on loopback and print what to paste
	@scripts/deps run
	cargo run --locked --profile $(PROFILE) --bin faregate -- dev $(ARGS)

test: ## Every test, on SQLite and on a private PostgreSQL
	@scripts/deps test
	scripts/with-postgres cargo test --locked --profile $(PROFILE) $(ARGS)

bench: ## Cost of each check, and of the whole gateway under load, both built for release
	@scripts/deps bench
	cargo bench --locked --bench validate --bench gateway --bench sign_in $(ARGS)

compare: ## The same work behind others on this machine: nginx, HAProxy, Apache, Envoy, oidc-provider
	@scripts/deps compare
	cargo build --locked --release --bin faregate --example workbench
	benches/compare/run $(ARGS)

fuzz: ## Half a minute of fuzzing for every reader of what strangers send
	@scripts/deps build
	scripts/fuzz $(ARGS)

check: ## Format, lints, documentation links, and licences and advisories when cargo-deny is installed
	@scripts/deps build
	cargo fmt --all --check
	cargo clippy --locked --all-targets -- -D warnings
	RUSTDOCFLAGS='-D warnings --cfg internals' cargo doc --locked --no-deps --document-private-items
	@if cargo deny --version >/dev/null 2>&1; then cargo deny --locked check; \
	else echo 'check: cargo-deny is not installed, so licences and advisories were not checked'; fi

fmt: ## Format the code
	cargo fmt --all
