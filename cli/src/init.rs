//! `m2a init`: creates an agent's keys and profile. It never overwrites keys.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use msg2agent::config::{DEFAULT_PROFILE, Endpoint, profile_dir};
use msg2agent::key_file::{self, KeyStoreError};
use msg2agent::{Capability, Card, Did, Identity, private_file};
use protocol::api_key::ApiKey;
use protocol::did::{AgentName, Domain, TenantId};
use protocol::multikey;
use serde::Serialize;
use zeroize::Zeroizing;

use crate::clock::unix_now;
use crate::failure::{ExitKind, Failure};
use crate::output::{Output, Tone};

#[derive(Args)]
pub(crate) struct InitArgs {
    /// The relay's URL, such as wss://relay.example/ws. Without it the agent talks to the peers
    /// that `peers.json` in its profile lists, and to nobody else.
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// The agent's DID.
    #[arg(long, conflicts_with_all = ["name", "tenant", "domain"], required_unless_present = "name")]
    did: Option<Did>,
    /// The agent's name. Domain, tenant and name form the DID.
    #[arg(long)]
    name: Option<AgentName>,
    /// The agent's tenant.
    #[arg(long, default_value = "default")]
    tenant: TenantId,
    /// The relay's domain [default: host and port of the URL, or localhost].
    #[arg(long)]
    domain: Option<Domain>,
    /// File with the API key; - reads standard input. You can also add the key to the profile
    /// later.
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// File with the PEM certificates of a private certificate authority.
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// A capability by which others find the agent. May be given several times.
    #[arg(long = "capability", value_name = "ID")]
    capabilities: Vec<String>,
    /// A description of the agent, in one sentence.
    #[arg(long, default_value = "")]
    description: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ProfileView {
    did: String,
    profile: String,
    folder: PathBuf,
    /// The root key, which the tenant's admin can pin for this agent.
    root_key: String,
    has_token: bool,
}

pub(crate) fn run(profile: Option<&str>, args: InitArgs, output: &Output) -> Result<ExitCode, Failure> {
    let endpoint = args.url.as_deref().map(endpoint).transpose()?;
    let did = did(&args, endpoint.as_ref())?;
    let from_env = std::env::var("MSG2AGENT_PROFILE").ok().filter(|name| !name.is_empty());
    let profile = profile.or(from_env.as_deref()).unwrap_or(DEFAULT_PROFILE);
    let folder = profile_dir(profile)?;
    let card = card(&args, &did)?;
    let token = args.token_file.as_deref().map(read_token).transpose()?;
    let ca = args.ca_file.as_deref().map(read_text).transpose()?;

    let identity = Identity::generate(did.clone(), unix_now(), &mut rand::rng());
    let url = endpoint.as_ref().map(Endpoint::url);
    let settings = Settings { url, did: &did, card: &card, ca: ca.as_deref(), token };
    let has_token = settings.token.is_some() || url.is_none();
    create_profile(&folder, &settings, &identity).map_err(|e| {
        Failure::new(ExitKind::Failed, format!("cannot create the profile {profile:?}")).caused_by(&e)
    })?;
    let view = ProfileView {
        did: did.to_string(),
        profile: profile.to_owned(),
        root_key: multikey::encode_ed25519(&identity.root_public()),
        has_token,
        folder,
    };
    output.result(&view, text(&view, output));
    Ok(ExitCode::SUCCESS)
}

/// A profile for a plaintext relay on another machine needs the same opt-in as using it.
fn endpoint(url: &str) -> Result<Endpoint, Failure> {
    let insecure = std::env::var("MSG2AGENT_INSECURE_PLAINTEXT").is_ok_and(|v| v == "true");
    Ok(if insecure { Endpoint::new_insecure_plaintext(url)? } else { Endpoint::new(url)? })
}

fn did(args: &InitArgs, endpoint: Option<&Endpoint>) -> Result<Did, Failure> {
    if let Some(did) = &args.did {
        return Ok(did.clone());
    }
    let name = args
        .name
        .as_ref()
        .ok_or_else(|| Failure::usage("the agent's name is missing", "give --name or --did"))?;
    let domain = match &args.domain {
        Some(domain) => domain.clone(),
        None => endpoint
            .map_or_else(|| "localhost".to_owned(), |endpoint| authority(endpoint.url()))
            .parse()
            .map_err(|e: protocol::did::DomainError| {
                Failure::usage(
                    "the URL's host is not valid as the domain of a DID",
                    "give the relay's domain with --domain",
                )
                .caused_by(&e)
            })?,
    };
    Ok(Did::new(&domain, &args.tenant, name))
}

/// Host and port of a URL, with the colon escaped as in a DID.
fn authority(url: &str) -> String {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split('/').next().unwrap_or_default();
    authority.replace(':', "%3A")
}

fn card(args: &InitArgs, did: &Did) -> Result<Card, Failure> {
    let capability = |id: &String| Capability { id: id.clone(), name: String::new() };
    let card = Card {
        name: did.name().to_owned(),
        description: args.description.clone(),
        capabilities: args.capabilities.iter().map(capability).collect(),
        ..Card::default()
    };
    card.check().map_err(|e| Failure::usage("the card is not valid", "shorten its texts").caused_by(&e))?;
    Ok(card)
}

fn read_token(path: &Path) -> Result<ApiKey, Failure> {
    let text = Zeroizing::new(if path == Path::new("-") {
        std::io::read_to_string(std::io::stdin()).map_err(|e| Failure::io("cannot read the API key", e))?
    } else {
        read_text(path)?
    });
    text.trim().parse().map_err(|e: protocol::api_key::ApiKeyError| {
        Failure::usage(
            format!("{} contains no API key", path.display()),
            "give a file with an API key (sk_live_...)",
        )
        .caused_by(&e)
    })
}

fn read_text(path: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(path).map_err(|e| Failure::io(format!("cannot read {}", path.display()), e))
}

/// The files of a profile besides its keys.
struct Settings<'a> {
    url: Option<&'a str>,
    did: &'a Did,
    card: &'a Card,
    ca: Option<&'a str>,
    token: Option<ApiKey>,
}

/// Writes the key file last, and all durably: a profile that could not be written whole has no
/// keys, and can be made again; one with keys is whole, also after a power loss.
fn create_profile(folder: &Path, settings: &Settings<'_>, identity: &Identity) -> Result<(), KeyStoreError> {
    let keys = folder.join("identity.json");
    if keys.exists() {
        return Err(KeyStoreError::Exists { path: keys });
    }
    let failed = |path: PathBuf| move |source| KeyStoreError::Write { path, source };
    private_file::create_folder(folder).map_err(failed(folder.to_owned()))?;
    let card = serde_json::to_string(settings.card).unwrap_or_default();
    let token = settings.token.as_ref().map(ApiKey::reveal);
    let files = [
        ("url", settings.url),
        ("peers.json", settings.url.is_none().then_some(r#"{"peers":[]}"#)),
        ("did", Some(settings.did.as_str())),
        ("card.json", Some(card.as_str())),
        ("ca.crt", settings.ca),
        ("token", token),
    ];
    for (name, text) in files {
        let path = folder.join(name);
        if let Some(text) = text {
            write(&path, text).map_err(failed(path))?;
        }
    }
    key_file::create(&keys, identity)
}

fn write(path: &Path, text: &str) -> std::io::Result<()> {
    let mut file = private_file::options().write(true).create(true).truncate(true).open(path)?;
    file.write_all(text.as_bytes())?;
    file.write_all(b"\n")?;
    file.sync_all()
}

fn text(view: &ProfileView, output: &Output) -> String {
    let ProfileView { did, profile, folder, root_key, has_token } = view;
    let created = output.paint(Tone::Good, "created");
    let flag = if profile == DEFAULT_PROFILE { String::new() } else { format!(" --profile {profile}") };
    let next = if *has_token {
        format!("next: m2a whoami{flag}")
    } else {
        format!("next: write the API key to {}, then run: m2a whoami{flag}", folder.join("token").display())
    };
    format!("{created} {did}\nprofile   {profile} ({})\nroot key  {root_key}\n{next}", folder.display())
}
