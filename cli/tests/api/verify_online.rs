//! `m2a verify --online` against the https site of a domain that is right, wrong, broken or slow.

use std::process::{Output, Stdio};
use std::time::Duration;

use crate::document_site::{Conduct, DocumentSite};
use crate::process::m2a;
use crate::proof::{Sample, sample_at};

/// Longest time that `m2a` may take: it gives a site 10 s.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);
const JSON: [&str; 2] = ["--output", "json"];
const PATH: &str = "/agent/acme/alice/did.json";

fn document(bytes: Vec<u8>) -> Conduct {
    Conduct::Answers("200 OK", String::new(), bytes)
}

fn status(line: &'static str) -> Conduct {
    Conduct::Answers(line, String::new(), b"{}".to_vec())
}

/// Verifies a file, and trusts this certificate for https.
async fn verify(file: &[u8], certificate: &str, more: &[&str]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let (proof, ca) = (folder.path().join("proof.json"), folder.path().join("ca.pem"));
    std::fs::write(&proof, file).unwrap();
    std::fs::write(&ca, certificate).unwrap();
    let mut command = m2a(folder.path());
    command.args(["verify", "--online", "--ca-file"]).arg(ca).args(more).arg(proof);
    let running = tokio::process::Command::from(command)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    tokio::time::timeout(ANSWER_TIMEOUT, running.wait_with_output()).await.unwrap().unwrap()
}

/// Asserts the exit code, that nothing is called verified, and that the words are there.
fn refused(output: &Output, code: i32, words: &[&str]) {
    assert_eq!(output.status.code(), Some(code), "{output:?}");
    assert!(output.stdout.is_empty(), "{output:?}");
    let said = String::from_utf8(output.stderr.clone()).unwrap();
    assert!(!said.contains("\"verified\""), "{said}");
    for word in words {
        assert!(said.contains(word), "{word:?} is missing: {said}");
    }
}

/// Verifies a proof of alice at a site with this conduct.
async fn verify_at(conduct: Conduct) -> (Output, DocumentSite) {
    let site = DocumentSite::start(|_| conduct).await;
    let Sample { file, .. } = sample_at(&DocumentSite::domain(site.port));
    (verify(&file, &site.certificate, &JSON).await, site)
}

#[tokio::test]
async fn the_did_document_at_the_domain_anchors_a_proof() {
    let mut file = None;
    let site = DocumentSite::start(|port| {
        let sample = sample_at(&DocumentSite::domain(port));
        file = Some(sample.file);
        document(sample.document)
    })
    .await;
    let file = file.unwrap();
    let verified = verify(&file, &site.certificate, &JSON).await;
    assert!(verified.status.success(), "{verified:?}");
    let printed: serde_json::Value = serde_json::from_slice(&verified.stdout).unwrap();
    assert_eq!(
        (&printed["verdict"], &printed["messages"][0]["anchor"]),
        (&"verified".into(), &"did_document".into())
    );
    assert_eq!(site.asked(), [PATH], "the recipient needs no anchor");

    let verified = verify(&file, &site.certificate, &["--output", "text"]).await;
    let said = String::from_utf8(verified.stdout).unwrap();
    assert!(said.starts_with("verified: 1 message"), "{said}");
    assert!(said.ends_with("known by the DID document at its domain\n"), "{said}");
}

#[tokio::test]
async fn a_root_key_that_the_user_gives_is_not_fetched() {
    let site = DocumentSite::start(|_| Conduct::IsSilent).await;
    let Sample { file, root, .. } = sample_at(&DocumentSite::domain(site.port));
    let verified = verify(&file, &site.certificate, &["--output", "json", "--root", &root]).await;
    assert!(verified.status.success(), "{verified:?}");
    assert!(site.asked().is_empty());
}

/// Anybody can make a file under the name of an agent of that domain.
#[tokio::test]
async fn a_forgery_is_refused_by_the_document_of_the_real_agent() {
    let site = DocumentSite::start(|port| document(sample_at(&DocumentSite::domain(port)).document)).await;
    let Sample { file, .. } = sample_at(&DocumentSite::domain(site.port));
    let forged = verify(&file, &site.certificate, &JSON).await;
    refused(&forged, 5, &["does not verify", "another root key than the one that is known"]);
    assert_eq!(site.asked(), [PATH]);
}

#[tokio::test]
async fn the_document_of_another_agent_anchors_nothing() {
    let (output, _site) = verify_at(document(sample_at("localhost").document)).await;
    refused(&output, 5, &["is not the DID document of did:wba:localhost%3A"]);
    let (output, _site) = verify_at(document(b"<html>".to_vec())).await;
    refused(&output, 5, &["is not the DID document of did:wba:localhost%3A"]);
}

#[tokio::test]
async fn a_domain_that_does_not_know_the_agent_does_not_vouch_for_it() {
    let (output, _site) = verify_at(status("404 Not Found")).await;
    refused(&output, 5, &["answers HTTP 404", "the domain does not vouch for this agent"]);
}

#[tokio::test]
async fn a_site_that_fails_says_neither_yes_nor_no() {
    for (line, said) in [("503 Service Unavailable", "HTTP 503"), ("429 Too Many Requests", "HTTP 429")] {
        let (output, _site) = verify_at(status(line)).await;
        refused(&output, 4, &[said, "try again"]);
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let elsewhere = DocumentSite::start(|_| status("200 OK")).await;
    let location = format!("location: https://localhost:{}/did.json\r\n", elsewhere.port);
    let (output, site) = verify_at(Conduct::Answers("302 Found", location, Vec::new())).await;
    refused(&output, 5, &["answers HTTP 302", "redirects are not followed"]);
    assert_eq!((site.asked().len(), elsewhere.asked().len()), (1, 0));
}

#[tokio::test]
async fn a_document_that_does_not_end_is_read_up_to_its_limit() {
    let (output, _site) = verify_at(Conduct::Floods).await;
    refused(&output, 5, &["is too long for a DID document"]);
}

#[tokio::test]
async fn a_site_that_cannot_be_reached_or_trusted_is_tried_again_later() {
    let (site, other) =
        (DocumentSite::start(|_| Conduct::IsSilent).await, DocumentSite::start(|_| Conduct::IsSilent).await);
    let Sample { file, .. } = sample_at(&DocumentSite::domain(site.port));
    let untrusted = verify(&file, &other.certificate, &JSON).await;
    refused(&untrusted, 4, &["cannot fetch https://localhost:", "certificate"]);
    assert!(site.asked().is_empty());

    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let Sample { file, .. } = sample_at(&DocumentSite::domain(free));
    let unreachable = verify(&file, &site.certificate, &JSON).await;
    refused(&unreachable, 4, &[&format!("cannot fetch https://localhost:{free}{PATH}")]);
}

#[tokio::test]
async fn a_site_that_is_silent_or_slow_gets_ten_seconds() {
    let (silent, slow) = tokio::join!(verify_at(Conduct::IsSilent), verify_at(Conduct::Drips));
    for (output, site) in [silent, slow] {
        refused(&output, 4, &["cannot fetch https://localhost:", "timed out"]);
        assert_eq!(site.asked(), [PATH]);
    }
}
