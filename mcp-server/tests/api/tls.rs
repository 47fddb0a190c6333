//! TLS on the real listener, before and after the certificate is replaced.

use daemon::https::{ReloadingCertificate, TlsFiles, server_config};
use serde_json::json;

use crate::test_endpoint::{TestEndpoint, write_certificate};

/// The status a client gets that trusts this certificate and nothing else.
async fn status(served: &TestEndpoint, trusted: &str) -> Result<u16, reqwest::Error> {
    let trusted = reqwest::Certificate::from_pem(trusted.as_bytes()).unwrap();
    let client = reqwest::Client::builder().tls_certs_only([trusted]).build().unwrap();
    let url = format!("https://localhost:{}/mcp", served.address.port());
    let request = client.post(url).bearer_auth(served.key.reveal());
    let request = request.header("accept", "application/json, text/event-stream");
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
        "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"},
    }});
    Ok(request.json(&body).send().await?.status().as_u16())
}

#[tokio::test]
async fn a_replaced_certificate_serves_the_next_connection() {
    let folder = tempfile::tempdir().unwrap();
    let files = TlsFiles { cert: folder.path().join("tls.crt"), key: folder.path().join("tls.key") };
    let first = write_certificate(&files.cert, &files.key);
    let certificate = ReloadingCertificate::load(files.clone()).await.unwrap();
    let served = TestEndpoint::start_with(Some(server_config(&certificate).unwrap()), None).await;
    assert_eq!(status(&served, &first).await.unwrap(), 200);

    let second = write_certificate(&files.cert, &files.key);
    assert!(certificate.reload().await.unwrap());
    assert_eq!(status(&served, &second).await.unwrap(), 200);
    assert!(status(&served, &first).await.is_err());
}

#[tokio::test]
async fn plaintext_is_not_answered_on_a_tls_port() {
    let folder = tempfile::tempdir().unwrap();
    let files = TlsFiles { cert: folder.path().join("tls.crt"), key: folder.path().join("tls.key") };
    write_certificate(&files.cert, &files.key);
    let certificate = ReloadingCertificate::load(files).await.unwrap();
    let served = TestEndpoint::start_with(Some(server_config(&certificate).unwrap()), None).await;
    assert!(served.post(&json!({})).send().await.is_err());
}
