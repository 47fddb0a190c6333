//! Starts a relay with connected agents.

use std::path::Path;

use devtools::relay_process::RelayProcess;
use msg2agent::{Agent, Identity, key_file};
use protocol::admin::TenantSpec;
use protocol::api_key::ApiKey;

pub(crate) const TENANT: &str = "acme";

/// An agent's keys as the operator would make them.
pub(crate) struct Declared {
    pub(crate) key_file: String,
    pub(crate) key: ApiKey,
}

impl Declared {
    pub(crate) fn identity(&self) -> Identity {
        Identity::from_key_file(&self.key_file).unwrap()
    }

    /// Writes a folder of settings with the layout of a profile.
    pub(crate) fn write_profile(&self, relay: &RelayProcess, folder: &Path) {
        let identity = self.identity();
        key_file::create(&folder.join("identity.json"), &identity).unwrap();
        std::fs::write(folder.join("url"), relay.url()).unwrap();
        std::fs::write(folder.join("did"), identity.did().as_str()).unwrap();
        std::fs::write(folder.join("token"), self.key.reveal()).unwrap();
    }

    pub(crate) async fn connect(&self, relay: &RelayProcess) -> Agent {
        Agent::connect(relay.config(self.identity(), &self.key).unwrap()).await.unwrap()
    }
}

pub(crate) async fn relay() -> RelayProcess {
    devtools::install_tls_provider();
    let relay = RelayProcess::start().await.unwrap();
    relay.admin().unwrap().put_tenant(TENANT, &TenantSpec::default()).await.unwrap();
    relay
}

pub(crate) async fn declare(relay: &RelayProcess, tenant: &str, name: &str) -> Declared {
    let identity = relay.identity(tenant, name).unwrap();
    let key = relay.admin().unwrap().make_agent(&identity).await.unwrap();
    Declared { key_file: identity.to_key_file().to_string(), key }
}

/// Two agents of one tenant, connected.
pub(crate) async fn pair(relay: &RelayProcess) -> (Agent, Agent) {
    let alice = declare(relay, TENANT, "alice").await.connect(relay).await;
    let bob = declare(relay, TENANT, "bob").await.connect(relay).await;
    (alice, bob)
}
