//! Profiles, file permissions, usage errors and error output of the command line.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Output;

use serde_json::Value;

use crate::process::m2a;

pub(crate) const TOKEN: &str = "sk_test_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

fn init(home: &Path, more: &[&str]) -> Output {
    let token = home.join("given-token");
    fs::write(&token, TOKEN).unwrap();
    let mut command = m2a(home);
    command.args(["init", "--output", "json", "--url", "wss://relay.example:8443/ws", "--name", "alice"]);
    command.args(more).arg("--token-file").arg(token);
    command.output().unwrap()
}

fn error(output: &Output) -> Value {
    let printed: Value = serde_json::from_slice(&output.stderr).unwrap_or_else(|_| panic!("{output:?}"));
    printed["error"].clone()
}

#[test]
fn init_makes_a_private_profile_and_prints_the_root_key() {
    let home = tempfile::tempdir().unwrap();
    let made = init(home.path(), &["--tenant", "acme", "--capability", "sum"]);
    assert!(made.status.success(), "{made:?}");
    let printed: Value = serde_json::from_slice(&made.stdout).unwrap();
    assert_eq!(printed["did"], "did:wba:relay.example%3A8443:agent:acme:alice");
    assert_eq!(printed["hasToken"], true);
    assert!(printed["rootKey"].as_str().unwrap().starts_with("z6Mk"));
    let folder = home.path().join("default");
    for name in ["identity.json", "token"] {
        let mode = fs::metadata(folder.join(name)).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{name}");
    }
    assert_eq!(fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o700);
}

#[test]
fn init_never_overwrites_keys() {
    let home = tempfile::tempdir().unwrap();
    assert!(init(home.path(), &[]).status.success());
    let key_file = home.path().join("default/identity.json");
    let before = fs::read(&key_file).unwrap();
    let again = init(home.path(), &[]);
    assert_eq!(again.status.code(), Some(1));
    assert!(error(&again)["causes"][0].as_str().unwrap().contains("never overwritten"));
    assert_eq!(fs::read(&key_file).unwrap(), before);
}

#[test]
fn a_profile_that_could_not_be_written_has_no_keys_and_is_made_again() {
    let home = tempfile::tempdir().unwrap();
    // A folder where a file should be.
    let in_the_way = home.path().join("default/card.json");
    fs::create_dir_all(&in_the_way).unwrap();
    let failed = init(home.path(), &[]);
    assert_eq!(failed.status.code(), Some(1));
    assert!(error(&failed)["causes"][0].as_str().unwrap().contains("card.json"), "{failed:?}");
    assert!(!home.path().join("default/identity.json").exists());
    fs::remove_dir(&in_the_way).unwrap();
    let made = init(home.path(), &[]);
    assert!(made.status.success(), "{made:?}");
}

#[test]
fn a_key_file_that_others_may_read_is_refused_with_what_to_do() {
    let home = tempfile::tempdir().unwrap();
    assert!(init(home.path(), &[]).status.success());
    let key_file = home.path().join("default/identity.json");
    fs::set_permissions(&key_file, fs::Permissions::from_mode(0o644)).unwrap();
    let refused = m2a(home.path()).args(["whoami", "-o", "json"]).output().unwrap();
    assert_eq!(refused.status.code(), Some(1));
    let error = error(&refused);
    assert!(error["causes"][0].as_str().unwrap().contains("make it 0600"), "{error}");
    assert!(refused.stdout.is_empty());
}

#[test]
fn a_missing_profile_says_how_to_make_one() {
    let home = tempfile::tempdir().unwrap();
    let refused = m2a(home.path()).args(["whoami", "-o", "json", "--profile", "carol"]).output().unwrap();
    assert_eq!(refused.status.code(), Some(1));
    assert!(error(&refused)["advice"].as_str().unwrap().contains("m2a init"));
}

#[test]
fn errors_for_people_say_attempt_cause_and_advice_without_colour_codes() {
    let home = tempfile::tempdir().unwrap();
    assert!(init(home.path(), &[]).status.success());
    fs::write(home.path().join("default/url"), "ws://127.0.0.1:1/ws").unwrap();
    let refused = m2a(home.path()).args(["send", "--to", "bob", "--text", "hi"]).output().unwrap();
    assert_eq!(refused.status.code(), Some(4), "an unreachable relay may be reached later");
    let text = String::from_utf8(refused.stderr).unwrap();
    assert!(text.starts_with("error: cannot connect to ws://127.0.0.1:1/ws\n  because: "), "{text}");
    assert!(text.contains("\n  try: ") && !text.contains('\x1b'), "{text}");
    assert!(!text.contains("sk_test"), "{text}");
}

#[test]
fn wrong_usage_has_exit_code_2() {
    let home = tempfile::tempdir().unwrap();
    for arguments in [
        &["send"][..],
        &["send", "--to", "x", "--text", "a", "--json", "1"],
        &["nonsense"],
        &["relay", "version"],
    ] {
        let refused = m2a(home.path()).args(arguments).output().unwrap();
        assert_eq!(refused.status.code(), Some(2), "{arguments:?}");
    }
}

#[test]
fn the_admin_token_is_not_sent_in_clear() {
    let home = tempfile::tempdir().unwrap();
    let token = home.path().join("admin-token");
    fs::write(&token, "secret").unwrap();
    let mut command = m2a(home.path());
    command.args(["relay", "-o", "json", "--admin-url", "http://relay.example:8081", "--admin-token-file"]);
    let refused = command.arg(token).arg("version").output().unwrap();
    assert_eq!(refused.status.code(), Some(2));
    assert!(error(&refused)["attempt"].as_str().unwrap().contains("in clear"));
}

#[test]
fn completions_are_made_for_every_shell() {
    let home = tempfile::tempdir().unwrap();
    for shell in ["bash", "zsh", "fish"] {
        let made = m2a(home.path()).args(["completions", shell]).output().unwrap();
        assert!(made.status.success());
        assert!(String::from_utf8(made.stdout).unwrap().contains("m2a"));
    }
}
