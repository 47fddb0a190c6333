//! `m2a init`: an agent's keys and profile. Never overwrites either.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::Args;
use msg2agent::config::{DEFAULT_PROFILE, Endpoint, profile_folder};
use msg2agent::{Capability, Card, Did, Identity, key_file};
use protocol::api_key::ApiKey;
use protocol::did::{AgentName, Domain, TenantId};
use protocol::multikey;
use serde::Serialize;
use zeroize::Zeroizing;

use crate::failure::{Exit, Failure};
use crate::output::{Output, Tone};

#[derive(Args)]
pub(crate) struct Options {
    /// The relay, for example wss://relay.example/ws.
    #[arg(long, value_name = "URL")]
    url: String,
    /// The agent's DID.
    #[arg(long, conflicts_with_all = ["name", "tenant", "domain"], required_unless_present = "name")]
    did: Option<Did>,
    /// The agent's name; with tenant and domain it makes the DID.
    #[arg(long)]
    name: Option<AgentName>,
    /// The agent's tenant.
    #[arg(long, default_value = "default")]
    tenant: TenantId,
    /// The relay's domain [default: host and port of the URL].
    #[arg(long)]
    domain: Option<Domain>,
    /// File with the API key; - reads it from standard input. It may also be put into the profile later.
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// File with PEM certificates, for a relay whose authority is private.
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// What the agent can do, for others to find; may be given several times.
    #[arg(long = "capability", value_name = "ID")]
    capabilities: Vec<String>,
    /// What the agent is, in a sentence.
    #[arg(long, default_value = "")]
    description: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Printed {
    did: String,
    profile: String,
    folder: PathBuf,
    /// For the tenant's admin, who may fix the name to it.
    root_key: String,
    has_token: bool,
}

pub(crate) fn run(profile: Option<&str>, options: Options, output: &Output) -> Result<ExitCode, Failure> {
    let endpoint = endpoint(&options.url)?;
    let did = did(&options, &endpoint)?;
    let named = std::env::var("MSG2AGENT_PROFILE").ok().filter(|name| !name.is_empty());
    let profile = profile.or(named.as_deref()).unwrap_or(DEFAULT_PROFILE);
    let folder = profile_folder(profile)?;
    let card = card(&options, &did)?;
    let token = options.token_file.as_deref().map(read_token).transpose()?;
    let ca = options.ca_file.as_deref().map(read_text).transpose()?;

    // The key file comes first: it is the one that must not exist, and its folder is made private.
    let identity = Identity::generate(did.clone(), now(), &mut rand::rng());
    key_file::create(&folder.join("identity.json"), &identity).map_err(|e| {
        Failure::new(Exit::Failed, format!("cannot make the profile {profile:?}")).caused_by(&e)
    })?;
    write(&folder, "url", endpoint.url())?;
    write(&folder, "did", did.as_str())?;
    write(&folder, "card.json", &serde_json::to_string(&card).unwrap_or_default())?;
    if let Some(pem) = &ca {
        write(&folder, "ca.crt", pem)?;
    }
    if let Some(token) = &token {
        write(&folder, "token", token.reveal())?;
    }
    let printed = Printed {
        did: did.to_string(),
        profile: profile.to_owned(),
        root_key: multikey::encode_ed25519(&identity.root_public()),
        has_token: token.is_some(),
        folder,
    };
    output.result(&printed, text(&printed, output));
    Ok(ExitCode::SUCCESS)
}

/// A profile may name a plaintext relay elsewhere only with the same leave that using it needs.
fn endpoint(url: &str) -> Result<Endpoint, Failure> {
    let insecure = std::env::var("MSG2AGENT_INSECURE_PLAINTEXT").is_ok_and(|v| v == "true");
    Ok(if insecure { Endpoint::new_insecure_plaintext(url)? } else { Endpoint::new(url)? })
}

fn did(options: &Options, endpoint: &Endpoint) -> Result<Did, Failure> {
    if let Some(did) = &options.did {
        return Ok(did.clone());
    }
    let name =
        options.name.as_ref().ok_or_else(|| Failure::usage("no name is given", "give --name or --did"))?;
    let domain = match &options.domain {
        Some(domain) => domain.clone(),
        None => authority(endpoint.url()).parse().map_err(|e: protocol::did::DomainError| {
            Failure::usage("the URL's host cannot be the domain of a DID", "give the relay's --domain")
                .caused_by(&e)
        })?,
    };
    Ok(Did::new(&domain, &options.tenant, name))
}

/// Host and port of a URL, the port written as in a DID.
fn authority(url: &str) -> String {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split('/').next().unwrap_or_default();
    authority.replace(':', "%3A")
}

fn card(options: &Options, did: &Did) -> Result<Card, Failure> {
    let capability = |id: &String| Capability { id: id.clone(), name: String::new() };
    let card = Card {
        name: did.name().to_owned(),
        description: options.description.clone(),
        capabilities: options.capabilities.iter().map(capability).collect(),
        ..Card::default()
    };
    card.check().map_err(|e| Failure::usage("the card cannot be used", "shorten it").caused_by(&e))?;
    Ok(card)
}

fn read_token(path: &Path) -> Result<ApiKey, Failure> {
    let text = Zeroizing::new(if path == Path::new("-") {
        std::io::read_to_string(std::io::stdin()).map_err(|e| Failure::io("cannot read the API key", e))?
    } else {
        read_text(path)?
    });
    text.trim().parse().map_err(|e: protocol::api_key::ApiKeyError| {
        Failure::usage(format!("{} holds no API key", path.display()), "give a file with sk_live_...")
            .caused_by(&e)
    })
}

fn read_text(path: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(path).map_err(|e| Failure::io(format!("cannot read {}", path.display()), e))
}

fn write(folder: &Path, name: &str, text: &str) -> Result<(), Failure> {
    let path = folder.join(name);
    let failed = |e| Failure::io(format!("cannot write {}", path.display()), e);
    let mut file =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path).map_err(failed)?;
    file.write_all(text.as_bytes()).and_then(|()| file.write_all(b"\n")).map_err(failed)
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

fn text(printed: &Printed, output: &Output) -> String {
    let Printed { did, profile, folder, root_key, has_token } = printed;
    let made = output.paint(Tone::Good, "made");
    let flag = if profile == DEFAULT_PROFILE { String::new() } else { format!(" --profile {profile}") };
    let next = if *has_token {
        format!("next: m2a whoami{flag}")
    } else {
        format!("next: put the API key into {}, then: m2a whoami{flag}", folder.join("token").display())
    };
    format!("{made} {did}\nprofile   {profile} ({})\nroot key  {root_key}\n{next}", folder.display())
}
