//! A relay with one agent, one API key, and a switch that suspends the agent.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};

use msg2agent_authorization::{ApiKeyError, McpEndpoint, Principal, Relay};
use protocol::Did;
use protocol::admin::McpSpec;
use protocol::did::TenantId;

pub(crate) const DOMAIN: &str = "relay.example";
pub(crate) const TENANT: &str = "default";
pub(crate) const ALICE: &str = "did:wba:relay.example:agent:alice";
/// The URL of alice's own endpoint.
pub(crate) const RESOURCE: &str = "https://mcp.example/alice";
/// The address at which the gateway reaches alice.
pub(crate) const ENDPOINT: &str = "https://alice.svc/mcp";
pub(crate) const API_KEY: &str = "the-api-key-of-alice";

#[derive(Default)]
pub(crate) struct FakeRelay {
    suspended: AtomicBool,
}

pub(crate) fn alice() -> Did {
    ALICE.parse().unwrap()
}

impl FakeRelay {
    pub(crate) fn suspend(&self, suspended: bool) {
        self.suspended.store(suspended, Ordering::SeqCst);
    }

    fn is_suspended(&self) -> bool {
        self.suspended.load(Ordering::SeqCst)
    }
}

impl Relay for FakeRelay {
    fn endpoint(&self, url: &str) -> Option<McpEndpoint> {
        if url == RESOURCE { self.endpoint_of(&alice()) } else { None }
    }

    fn endpoint_of(&self, agent: &Did) -> Option<McpEndpoint> {
        (*agent == alice()).then(|| McpEndpoint {
            agent: alice(),
            mcp: McpSpec { url: RESOURCE.into(), accounts: vec![], endpoint: Some(ENDPOINT.into()) },
            agent_name: Some("Alice of Acme".into()),
            suspended: self.is_suspended(),
        })
    }

    fn agents_listing(&self, _account_names: &[&str]) -> BTreeSet<Did> {
        BTreeSet::new()
    }

    fn authenticate(&self, api_key: &str) -> Result<Principal, ApiKeyError> {
        if api_key != API_KEY {
            return Err(ApiKeyError::Unknown);
        }
        if self.is_suspended() {
            return Err(ApiKeyError::Suspended);
        }
        Ok(Principal {
            tenant: alice().tenant(),
            agent: Some(alice()),
            endpoint: Some(ENDPOINT.into()),
            not_after: None,
        })
    }

    fn has_tenant(&self, tenant: &TenantId) -> bool {
        tenant.as_str() == TENANT
    }

    fn has_agent(&self, agent: &Did) -> bool {
        *agent == alice()
    }
}
