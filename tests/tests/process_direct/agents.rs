//! Two agents of one relay that listen for each other behind proxies that inject faults.

use std::net::SocketAddr;

use devtools::free_port::free_port;
use devtools::relay_process::RelayProcess;
use msg2agent::config::{DirectSettings, Endpoint};
use msg2agent::{Agent, Config, DirectEndpoint, Identity, KeySource, TokenSource, key_file};
use msg2agent_tests::fault_proxy::FaultProxy;
use protocol::admin::TenantSpec;
use tempfile::TempDir;

pub(crate) const TENANT: &str = "acme";

/// A relay, and what is needed to have agents of it.
pub(crate) struct DirectSite {
    pub(crate) relay: RelayProcess,
    /// Between the agents and the relay.
    pub(crate) relay_proxy: FaultProxy,
    folder: TempDir,
}

/// An agent that listens behind a proxy.
pub(crate) struct Listening {
    pub(crate) agent: Agent,
    /// Between other agents and this one.
    pub(crate) proxy: FaultProxy,
}

impl DirectSite {
    pub(crate) async fn start() -> Self {
        devtools::install_tls_provider();
        let relay = RelayProcess::start().await.unwrap();
        relay.admin().unwrap().put_tenant(TENANT, &TenantSpec::default()).await.unwrap();
        let relay_proxy = FaultProxy::start(relay.address()).await.unwrap();
        Self { relay, relay_proxy, folder: tempfile::tempdir().unwrap() }
    }

    /// The settings of a new agent with this name.
    pub(crate) async fn config(&self, name: &str) -> Config {
        let identity = self.relay.identity(TENANT, name).unwrap();
        let key = self.relay.admin().unwrap().make_agent(&identity).await.unwrap();
        let url = format!("ws://{}/ws", self.relay_proxy.address());
        let keys = self.folder.path().join(format!("{name}.json"));
        key_file::create(&keys, &identity).unwrap();
        let (did, token) = (identity.did().clone(), TokenSource::Value(key));
        Config::new(Endpoint::new(&url).unwrap(), did, token, KeySource::File(keys))
            .with_state_dir(self.folder.path().join(name))
    }

    /// An agent that listens, and whose record lists its proxy.
    pub(crate) async fn listening(&self, name: &str) -> Listening {
        let address: SocketAddr = ([127, 0, 0, 1], free_port().unwrap()).into();
        let proxy = FaultProxy::start(address).await.unwrap();
        let direct = DirectSettings::default().listening_on(address);
        let direct = direct.advertising(vec![endpoint(proxy.address())]).unwrap();
        let config = self.config(name).await.with_direct(direct);
        Listening { agent: Agent::connect(config).await.unwrap(), proxy }
    }
}

pub(crate) fn endpoint(address: SocketAddr) -> DirectEndpoint {
    DirectEndpoint::new(&address.ip().to_string(), address.port()).unwrap()
}

/// Somebody with the name of an agent and with keys of their own.
pub(crate) fn impostor(of: &Agent) -> Identity {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    Identity::generate(of.did().clone(), now, &mut rand::rng())
}
