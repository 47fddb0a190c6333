# Each target calls cargo or one script.
CARGO ?= cargo

.PHONY: demo demo-down test check gen bench

demo: ## A cluster with the operator, two agents and one proven conversation; stays up
	@scripts/need.sh cluster
	$(CARGO) run -q -p msg2agent-tests --bin demo

demo-down: ## Ends what `make demo` has started
	$(CARGO) run -q -p msg2agent-tests --bin cluster -- down

test: ## Everything, the suites that need a cluster included
	@scripts/test.sh

check: ## Format, clippy, unit tests: minutes, no cluster
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings
	$(CARGO) test --workspace --lib --bins

gen: ## Writes the generated files anew
	$(CARGO) run -q -p msg2agent-crds --bin crdgen -- --write

bench: ## Figures of the relay and the operator on this machine
	$(CARGO) run --release -p msg2agent-tests --bin load
