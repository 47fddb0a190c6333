//! Runs `m2a doctor mcp` against an endpoint with one fault at a time: it must name the right side
//! and the right cause.

mod endpoint;

use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use rcgen::{CertificateParams, KeyPair};
use serde_json::Value;
use tokio::net::TcpListener;

use crate::m2a::m2a;
use endpoint::{Endpoint, Fault, TOKEN};

const STEPS: [&str; 11] = [
    "name",
    "port",
    "challenge",
    "resource",
    "issuer",
    "registration",
    "authorization",
    "token",
    "discover",
    "tools",
    "call",
];

struct Report {
    code: Option<i32>,
    report: Value,
}

impl Report {
    fn steps(&self) -> Vec<&Value> {
        self.report["steps"].as_array().unwrap().iter().collect()
    }

    /// The one step that failed.
    fn fault(&self) -> &Value {
        let failed: Vec<_> = self.steps().into_iter().filter(|step| step["verdict"] == "failed").collect();
        assert_eq!((failed.len(), self.code), (1, Some(1)), "{}", self.report);
        failed[0]
    }
}

async fn examine(url: &str, token: bool, more: &[&str]) -> Report {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("token");
    std::fs::write(&file, TOKEN).unwrap();
    let mut command = m2a(home.path());
    command.args(["--output", "json", "doctor", "mcp", url]).args(more);
    if token {
        command.arg("--token-file").arg(&file);
    }
    let output = command.output().await.unwrap();
    let report = serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {output:?}"));
    Report { code: output.status.code(), report }
}

#[tokio::test]
async fn an_endpoint_without_fault_passes_every_step() {
    let endpoint = Endpoint::with(Fault::None).await;
    let seen = examine(&endpoint.url, true, &[]).await;
    assert_eq!((seen.code, &seen.report["works"]), (Some(0), &Value::Bool(true)), "{}", seen.report);
    let names: Vec<_> = seen.steps().iter().map(|step| step["step"].as_str().unwrap()).collect();
    assert_eq!(names, STEPS);
}

#[tokio::test]
async fn each_fault_is_named_with_its_step_its_side_and_its_cause() {
    for (fault, step, side, cause) in [
        (Fault::IssuerSlash, "issuer", "authorization_server", "trailing slash"),
        (Fault::MissingChallenge, "challenge", "endpoint", "no WWW-Authenticate"),
        (Fault::MetadataOnOnePathOnly, "resource", "endpoint", "some clients look only there"),
        (Fault::BlockedHost, "challenge", "endpoint", "refuses requests for the host"),
        (Fault::AuthorizationServerDown, "issuer", "authorization_server", "502"),
        (Fault::RelayDown, "call", "relay", "relay_unreachable"),
        (Fault::RevokedKey, "token", "client", "key_unknown"),
        (Fault::SuspendedTenant, "call", "relay", "refused: suspended"),
        (Fault::ClockSkew, "challenge", "client", "behind"),
        (Fault::WrongAudience, "token", "client", "token_wrong_audience"),
        (Fault::OtherResource, "resource", "endpoint", "wrong audience"),
        (Fault::NullInRegistration, "registration", "authorization_server", "client_uri: null"),
    ] {
        let endpoint = Endpoint::with(fault).await;
        let seen = examine(&endpoint.url, true, &[]).await;
        let found = seen.fault();
        assert_eq!(
            (&found["step"], &found["side"]),
            (&step.into(), &side.into()),
            "{fault:?}: {}",
            seen.report
        );
        assert!(found["cause"].as_str().unwrap().contains(cause), "{fault:?}: {found}");
        assert!(!found["remedy"].as_str().unwrap().is_empty());
        assert!(!seen.report.to_string().contains(TOKEN), "the token is in the report");
    }
}

#[tokio::test]
async fn an_endpoint_for_keys_only_is_fine_with_a_key_and_the_end_without() {
    let endpoint = Endpoint::with(Fault::KeyOnly).await;
    assert_eq!(examine(&endpoint.url, true, &[]).await.code, Some(0));
    let seen = examine(&endpoint.url, false, &[]).await;
    assert!(seen.fault()["cause"].as_str().unwrap().contains("names no resource metadata"));
}

#[tokio::test]
async fn a_port_nobody_listens_on_is_the_endpoints_fault_and_a_silent_one_the_networks() {
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let seen = examine(&format!("http://{free}/mcp"), true, &[]).await;
    assert_eq!((&seen.fault()["step"], &seen.fault()["side"]), (&"port".into(), &"endpoint".into()));

    let silent = silent_listener();
    let address = silent.local_addr().unwrap().as_socket().unwrap();
    let filled = fill(address);
    let seen = examine(&format!("http://{address}/mcp"), true, &[]).await;
    assert_eq!((&seen.fault()["step"], &seen.fault()["side"]), (&"port".into(), &"network".into()));
    assert!(seen.fault()["remedy"].as_str().unwrap().contains("NetworkPolicies"));
    drop(filled);
}

/// Takes no connection, and lets hardly any wait: further ones get no answer, as behind a
/// NetworkPolicy.
fn silent_listener() -> socket2::Socket {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&"127.0.0.1:0".parse::<std::net::SocketAddr>().unwrap().into()).unwrap();
    socket.listen(0).unwrap();
    socket
}

/// Connections until one gets no answer.
fn fill(address: std::net::SocketAddr) -> Vec<TcpStream> {
    let connect = || TcpStream::connect_timeout(&address, Duration::from_millis(300)).ok();
    std::iter::from_fn(connect).take(64).collect()
}

#[tokio::test]
async fn an_expired_certificate_and_an_unknown_authority_are_told_apart() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let expired = tls_listener(2020).await;
    let seen = examine(&expired.url, true, &["--ca-file", expired.ca.path().to_str().unwrap()]).await;
    assert!(seen.fault()["cause"].as_str().unwrap().contains("expired"), "{}", seen.report);
    let seen = examine(&expired.url, true, &[]).await;
    assert_eq!(seen.fault()["step"], "tls");

    let valid = tls_listener(2090).await;
    let seen = examine(&valid.url, true, &[]).await;
    assert!(seen.fault()["cause"].as_str().unwrap().contains("not trusted"), "{}", seen.report);
}

struct TlsListener {
    url: String,
    ca: tempfile::NamedTempFile,
    serving: tokio::task::JoinHandle<()>,
}

impl Drop for TlsListener {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// Shakes hands, with a certificate that ends with that year, and says nothing more.
async fn tls_listener(end: i32) -> TlsListener {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
    params.not_after = rcgen::date_time_ymd(end, 1, 1);
    let certificate = params.self_signed(&key).unwrap();
    let ca = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(ca.path(), certificate.pem()).unwrap();
    let config = rustls::ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key.into())
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://localhost:{}/mcp", listener.local_addr().unwrap().port());
    let serving = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let _ = acceptor.accept(stream).await;
        }
    });
    TlsListener { url, ca, serving }
}
