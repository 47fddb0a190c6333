//! Creates the agents of `m2a dev` as profiles and at the relay, or reuses those of a kept folder.
//! Alice and Bob talk. Carol is a second agent to act as: a DID has one connection, so whoever
//! connected as Bob would take his place and end `m2a dev`.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use msg2agent::{Capability, Card, Did, Identity, key_file, private_file};
use protocol::admin::{AgentKey, AgentSpec, Applied, TenantSpec, agent_path, tenant_path};
use protocol::api_key::ApiKey;
use protocol::did::{AgentName, Domain, TenantId};
use protocol::multikey;

use crate::clock::unix_now;
use crate::failure::{ExitKind, Failure};
use crate::relay::admin_client::AdminClient;

/// The relay's domain. It does not contain the port, which may differ the next time.
pub(super) const DOMAIN: &str = "localhost";
const TENANT: &str = "demo";

pub(super) struct DevAgent {
    pub(super) did: Did,
    pub(super) profile: PathBuf,
    /// A Multikey.
    pub(super) root_key: String,
}

/// Alice and Bob; the profile of Carol is created, too.
pub(super) async fn create(admin: &AdminClient, home: &Path, url: &str) -> Result<[DevAgent; 2], Failure> {
    let tenant: TenantId = TENANT.parse().map_err(|e: protocol::did::LabelError| invalid_name(&e))?;
    let spec = TenantSpec { display_name: "m2a dev".into(), ..TenantSpec::default() };
    let _: Applied = admin.put(&tenant_path(&tenant), &spec).await?;
    let alice = create_one(admin, home, url, (&tenant, "alice", "ask")).await?;
    let bob = create_one(admin, home, url, (&tenant, "bob", "answer")).await?;
    create_one(admin, home, url, (&tenant, "carol", "answer")).await?;
    Ok([alice, bob])
}

async fn create_one(
    admin: &AdminClient,
    home: &Path,
    url: &str,
    (tenant, name, capability): (&TenantId, &str, &str),
) -> Result<DevAgent, Failure> {
    let name: AgentName = name.parse().map_err(|e: protocol::did::LabelError| invalid_name(&e))?;
    let domain: Domain = DOMAIN.parse().map_err(|e: protocol::did::DomainError| invalid_name(&e))?;
    let did = Did::new(&domain, tenant, &name);
    let profile = home.join(name.as_str());
    let identity = load_or_create_identity(&profile, &did)?;
    let key = load_or_create_api_key(&profile)?;
    let capabilities = vec![Capability { id: capability.to_owned(), name: String::new() }];
    let card = Card { name: name.to_string(), capabilities, ..Card::default() };
    write(&profile, "url", url)?;
    write(&profile, "did", did.as_str())?;
    write(&profile, "card.json", &serde_json::to_string(&card).unwrap_or_default())?;
    let root_key = multikey::encode_ed25519(&identity.root_public());
    let spec = AgentSpec {
        root_key: Some(root_key.clone()),
        keys: vec![AgentKey { sha256: key.hash(), not_after: None }],
        ..AgentSpec::default()
    };
    let _: Applied = admin.put(&agent_path(tenant, &name), &spec).await?;
    Ok(DevAgent { did, profile, root_key })
}

fn load_or_create_identity(profile: &Path, did: &Did) -> Result<Identity, Failure> {
    let path = profile.join("identity.json");
    let failed = |e: &key_file::KeyStoreError| {
        Failure::new(ExitKind::Failed, format!("cannot create the keys of {did}")).caused_by(e)
    };
    if !path.exists() {
        let identity = Identity::generate(did.clone(), unix_now(), &mut rand::rng());
        key_file::create(&path, &identity).map_err(|e| failed(&e))?;
    }
    key_file::load(&path).map_err(|e| failed(&e))
}

fn load_or_create_api_key(profile: &Path) -> Result<ApiKey, Failure> {
    let existing = fs::read_to_string(profile.join("token")).ok().and_then(|text| text.trim().parse().ok());
    if let Some(key) = existing {
        return Ok(key);
    }
    let key = ApiKey::generate(&mut rand::rng());
    write(profile, "token", key.reveal())?;
    Ok(key)
}

fn write(profile: &Path, name: &str, text: &str) -> Result<(), Failure> {
    let path = profile.join(name);
    let failed = |e| Failure::io(format!("cannot write {}", path.display()), e);
    let mut options = private_file::options();
    let mut file = options.write(true).create(true).truncate(true).open(&path).map_err(failed)?;
    file.write_all(text.as_bytes()).map_err(failed)
}

fn invalid_name(error: &dyn std::error::Error) -> Failure {
    Failure::new(ExitKind::Failed, "cannot build the names of the agents").caused_by(error)
}
