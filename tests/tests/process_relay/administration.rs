//! Runs the commands of `m2a relay` against a real relay and checks their effect on the agents.

use std::path::PathBuf;

use devtools::relay_process::RelayProcess;
use msg2agent::{Agent, Identity, Reason};
use protocol::admin::{AgentSpec, TenantSpec};
use protocol::api_key::ApiKey;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::agents::relay;
use crate::m2a::{failure, m2a, printed_values};

struct AdminCommands {
    relay: RelayProcess,
    home: TempDir,
}

impl AdminCommands {
    async fn new() -> Self {
        Self { relay: relay().await, home: tempfile::tempdir().unwrap() }
    }

    fn arguments(&self) -> [String; 5] {
        let token = self.relay.admin_token_file().display().to_string();
        ["relay".into(), "--admin-url".into(), self.relay.admin_url(), "--admin-token-file".into(), token]
    }

    async fn run(&self, words: &str) -> Vec<Value> {
        let own = self.arguments();
        let words = own.iter().map(String::as_str).chain(words.split(' '));
        printed_values(self.home.path(), &words.collect::<Vec<_>>()).await
    }

    async fn run_refused(&self, words: &str) -> (Option<i32>, Value) {
        let mut command = m2a(self.home.path());
        command.args(self.arguments()).args(words.split(' ')).args(["--output", "json"]);
        failure(&command.output().await.unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }
}

#[tokio::test]
async fn a_suspended_agent_is_out_keeps_its_key_and_comes_back_when_resumed() {
    let admin = AdminCommands::new().await;
    let alice = admin.relay.identity("acme", "alice").unwrap().to_key_file();
    let connect = async |key: &ApiKey| {
        let identity = Identity::from_key_file(&alice).unwrap();
        Agent::connect(admin.relay.config(identity, key).unwrap()).await
    };
    let file = admin.path("alice.key");
    let made = admin.run(&format!("agents add acme alice --key-out {}", file.display())).await;
    assert_eq!(made[0]["file"], json!(file));
    let key: ApiKey = std::fs::read_to_string(&file).unwrap().trim().parse().unwrap();
    let agent = connect(&key).await.unwrap();

    let applied = admin.run("agents suspend acme alice").await;
    assert!(applied[0]["version"].is_u64(), "{applied:?}");
    assert_eq!(agent.ended().await.reason(), Some(Reason::Suspended));
    let shown = admin.run("agents show acme alice").await;
    assert_eq!((&shown[0]["suspended"], &shown[0]["online"]), (&json!(true), &json!(false)));
    let again = admin.run("agents suspend acme alice").await;
    assert_eq!(again[0], json!({"version": applied[0]["version"], "changed": false}), "it was already");

    admin.run("agents resume acme alice").await;
    let shown = admin.run("agents show acme alice").await;
    assert_eq!((&shown[0]["suspended"], &shown[0]["keys"][0]["keyId"]), (&json!(false), &made[0]["keyId"]));
    assert!(connect(&key).await.unwrap().connection_state().is_online());
}

#[tokio::test]
async fn every_command_prints_json_and_what_is_gone_is_not_found() {
    let admin = AdminCommands::new().await;
    assert_eq!(admin.run("version").await[0]["domain"], "relay.test");
    admin.run("tenants put globex --display-name Globex --agents-max 3").await;
    let tenants = admin.run("tenants list").await;
    assert!(tenants.iter().any(|tenant| tenant["spec"]["displayName"] == "Globex"), "{tenants:?}");
    assert_eq!(admin.run("tenants show globex").await[0]["agents"], 0);
    let key = admin.run("keys add globex").await[0]["keyId"].clone();
    assert_eq!(admin.run("keys list globex").await[0]["keyId"], key);
    admin.run(&format!("keys revoke globex {}", key.as_str().unwrap())).await;
    assert_eq!(admin.run("keys list globex").await, Vec::<Value>::new());
    admin.run("agents add globex bob").await;
    assert_eq!(admin.run("agents list globex").await[0]["did"], "did:wba:relay.test:agent:globex:bob");
    admin.run("agents remove globex bob").await;
    for words in ["agents show globex bob", "agents suspend globex bob", "agents resume globex bob"] {
        let (code, error) = admin.run_refused(words).await;
        assert_eq!((code, error["reason"].as_str()), (Some(3), Some("not_found")), "{words}: {error}");
    }
    admin.run("tenants delete globex").await;
    let (code, error) = admin.run_refused("tenants show globex").await;
    assert_eq!((code, error["reason"].as_str()), (Some(3), Some("not_found")));
}

/// Somebody with a leaked key must not believe that it is shut.
#[tokio::test]
async fn what_was_not_revoked_or_removed_is_not_said_to_be() {
    let admin = AdminCommands::new().await;
    let key = admin.run("agents add acme victim").await[0].clone();
    let id = key["keyId"].as_str().unwrap();
    let (code, error) = admin.run_refused(&format!("keys revoke acme {id}")).await;
    assert_eq!((code, error["reason"].as_str()), (Some(3), Some("invalid_params")), "{error}");
    assert!(error["causes"][0].as_str().unwrap().contains("agent:acme:victim"), "{error}");
    assert_eq!(admin.run("agents show acme victim").await[0]["keys"][0]["keyId"], id);
    for words in [
        "keys revoke acme k_000000000000",
        "keys revoke globex k_000000000000",
        "agents remove acme nobody",
        "agents mcp acme victim --remove",
        "invitations remove acme inv_1",
        "tenants delete globex",
    ] {
        let (code, error) = admin.run_refused(words).await;
        assert_eq!((code, error["reason"].as_str()), (Some(3), Some("not_found")), "{words}: {error}");
        assert!(error["attempt"].as_str().unwrap().starts_with("nothing was changed"), "{error}");
    }
    admin.run("agents add acme victim --replace").await;
    assert_ne!(admin.run("agents show acme victim").await[0]["keys"][0]["keyId"], id);
}

#[tokio::test]
async fn an_invitation_is_created_into_a_file_listed_and_taken_back() {
    let admin = AdminCommands::new().await;
    admin.run("agents add default alice").await;
    let file = admin.path("code");
    let create = format!("invitations create default alice --expires-in 60 --code-out {}", file.display());
    let made = admin.run(&create).await;
    assert_eq!((&made[0]["file"], made[0].get("code")), (&json!(file), None));
    let code = std::fs::read_to_string(&file).unwrap();
    assert!(code.starts_with("m2inv_") && code.ends_with('\n'), "the code is not there");
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&file).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    let shown = admin.run("invitations create default alice").await;
    assert!(shown[0]["code"].as_str().unwrap().starts_with("m2inv_"));

    let listed = admin.run("invitations list default").await;
    let mut ids: Vec<_> = [&made, &shown].map(|said| said[0]["id"].as_str().unwrap()).into();
    ids.sort_unstable();
    assert_eq!(listed.iter().map(|view| view["id"].as_str().unwrap()).collect::<Vec<_>>(), ids);
    assert_eq!((&listed[0]["agent"], &listed[0]["used"]), (&json!("alice"), &json!(false)));
    for id in ids {
        admin.run(&format!("invitations remove default {id}")).await;
    }
    assert_eq!(admin.run("invitations list default").await, Vec::<Value>::new());
}

#[tokio::test]
async fn a_refused_invitation_leaves_no_file() {
    let admin = AdminCommands::new().await;
    let file = admin.path("code");
    let create = format!("invitations create default nobody --code-out {}", file.display());
    let (code, error) = admin.run_refused(&create).await;
    assert_eq!((code, error["reason"].as_str()), (Some(3), Some("not_found")), "{error}");
    assert!(!file.exists());
}

#[tokio::test]
async fn an_agents_mcp_endpoint_is_set_shown_and_taken_away() {
    let admin = AdminCommands::new().await;
    admin.run("agents add default alice").await;
    let url = "https://mcp.example/alice";
    let set =
        format!("agents mcp default alice --url {url} --account alice@example.com --account bob@example.com");
    let applied = admin.run(&set).await;
    let again = admin.run(&set).await;
    assert_eq!(again[0], json!({"version": applied[0]["version"], "changed": false}), "it was already");
    let shown = admin.run("agents mcp default alice").await;
    assert_eq!(shown[0], json!({"url": url, "accounts": ["alice@example.com", "bob@example.com"]}));
    let (code, error) = admin.run_refused("agents mcp default alice --url http://mcp.example/alice").await;
    assert_eq!((code, error["reason"].as_str()), (Some(3), Some("invalid_params")), "{error}");
    admin.run("agents mcp default alice --remove").await;
    let (code, error) = admin.run_refused("agents mcp default alice").await;
    assert_eq!((code, error["reason"].as_str()), (Some(3), Some("not_found")), "{error}");
}

#[tokio::test]
async fn a_person_takes_over_what_an_object_owns_only_when_asked_to() {
    let admin = AdminCommands::new().await;
    let owned = admin.relay.admin().unwrap().owned_by("kubernetes:uid-1");
    owned.put_tenant("acme", &TenantSpec::default()).await.unwrap();
    let alice = admin.relay.identity("acme", "alice").unwrap();
    owned.put_agent(&alice, &AgentSpec::default()).await.unwrap();

    let shown = admin.run("agents show acme alice").await;
    assert_eq!(shown[0]["owner"], "kubernetes:uid-1");
    for words in [
        "agents suspend acme alice",
        "agents add acme alice --replace",
        "agents remove acme alice",
        "keys add acme",
        "invitations create acme alice",
        "tenants put acme --suspend",
        "tenants delete acme",
    ] {
        let (code, error) = admin.run_refused(words).await;
        assert_eq!((code, error["reason"].as_str()), (Some(3), Some("owner_conflict")), "{words}: {error}");
        assert!(error["advice"].as_str().unwrap().contains("--take-over"), "{error}");
    }
    admin.run("agents suspend acme alice --take-over").await;
    assert_eq!(admin.run("agents show acme alice").await[0]["owner"], "command-line");
    admin.run("agents resume acme alice").await;
    let refused = owned.put_agent(&alice, &AgentSpec::default()).await.unwrap_err();
    assert!(refused.to_string().contains("owner_conflict"), "{refused}");
    let tenant = admin.run("tenants show acme").await;
    assert_eq!(tenant[0]["owner"], "kubernetes:uid-1", "only the named entry is taken over");
    admin.run("keys add acme --take-over").await;
    admin.run("tenants delete acme").await;
}

#[tokio::test]
async fn a_retained_agent_is_removed_for_good_with_another_policy() {
    let admin = AdminCommands::new().await;
    admin.run("agents add default alice").await;
    admin.run("agents remove default alice --policy retain").await;
    let shown = admin.run("agents show default alice").await;
    assert_eq!((&shown[0]["suspended"], shown[0].get("owner")), (&json!(true), None));
    admin.run("agents remove default alice --policy purge").await;
    let (code, error) = admin.run_refused("agents show default alice").await;
    assert_eq!((code, error["reason"].as_str()), (Some(3), Some("not_found")));
}

#[tokio::test]
async fn an_admin_listener_with_tls_is_reached_by_the_name_in_its_certificate() {
    let folder = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(vec!["relay.test".to_owned()]).unwrap();
    let file = |name: &str| folder.path().join(name).display().to_string();
    let (certificate, key) = (file("tls.crt"), file("tls.key"));
    std::fs::write(&certificate, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let tls = [("MSG2AGENT_RELAY_TLS_CERT_FILE", &*certificate), ("MSG2AGENT_RELAY_TLS_KEY_FILE", &*key)];
    let relay = RelayProcess::start_with(&tls).await.unwrap();
    let address = relay.admin_url().replace("http://", "");
    let token = relay.admin_token_file().display().to_string();
    let run = async |url: &str, ca: Option<&str>| {
        let mut command = m2a(folder.path());
        command.args([
            "relay",
            "--admin-url",
            url,
            "--admin-connect",
            &address,
            "--admin-token-file",
            &token,
        ]);
        command
            .args(ca.iter().flat_map(|file| ["--admin-ca-file", file]))
            .args(["version", "--output", "json"]);
        command.output().await.unwrap()
    };
    let shown = run("https://relay.test", Some(&certificate)).await;
    assert!(shown.status.success(), "{shown:?}");
    let version: Value = serde_json::from_slice(&shown.stdout).unwrap();
    assert_eq!(version["domain"], "relay.test");
    for (url, ca) in [("https://other.test", Some(&*certificate)), ("https://relay.test", None)] {
        let (code, error) = failure(&run(url, ca).await);
        assert_eq!(code, Some(4), "{url}: {error}");
    }
}
