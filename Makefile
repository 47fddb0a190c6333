# Each target calls cargo or one script. No cargo command here selects a package, except for tests
# that write generated files: with the same set of packages cargo builds the dependencies with the
# same features, and so once.
CARGO ?= cargo

.PHONY: demo demo-down test check deny gen bench

# CONTEXT=kind-name installs into that existing cluster of kind, KIND=1 starts one with kind.
demo: ## The operator, two agents and one proven conversation on a cluster that stays up
	@scripts/demo.sh $(if $(CONTEXT),--context $(CONTEXT)) $(if $(KIND),--kind)

demo-down: ## Ends the cluster that `make demo` has started; forgets one that was named with CONTEXT
	$(CARGO) run -q --bin cluster -- down

test: ## Everything, the suites that need a cluster included; as root, unless they get another cluster
	@scripts/test.sh

check: ## Format, clippy, unit tests: minutes, no cluster
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings
	$(CARGO) test --workspace --lib --bins

deny: ## Licences, sources and known vulnerabilities of the dependencies
	@scripts/deny.sh advisories

gen: ## Writes the generated files
	$(CARGO) run -q --bin crdgen -- --write
	MSG2AGENT_WRITE_GOLDEN=1 $(CARGO) test -q -p msg2agent-protocol --test protocol golden
	MSG2AGENT_WRITE_GOLDEN=1 $(CARGO) test -q -p msg2agent-mcp-server --lib tools_are_listed
	MSG2AGENT_WRITE_GOLDEN=1 $(CARGO) test -q -p msg2agent-tests --test charts golden
	MSG2AGENT_WRITE_GOLDEN=1 $(CARGO) test -q -p msg2agent-tests --test structure -- limits admin_api

bench: ## The relay beside a TCP forwarder, nats-server and attackers, the MCP gateway beside a bare rmcp server
	$(CARGO) build -q --release --workspace --bins
	$(CARGO) run -q --release --bin load -- --rounds 5
	$(CARGO) run -q --release --bin load -- --rounds 5 --size 65536 --workload 4x2
	$(CARGO) run -q --release --bin load -- --rounds 5 latency
	$(CARGO) run -q --release --bin load -- --rounds 5 --seconds 10 idle
	$(CARGO) run -q --release --bin load -- --rounds 5 backlog
	$(CARGO) run -q --release --bin load -- --rounds 5 reconnects
	$(CARGO) run -q --release --bin mcpload
	$(CARGO) run -q --release --bin load -- noisy-neighbour
