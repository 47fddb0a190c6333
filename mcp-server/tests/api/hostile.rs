//! Callers that must be rejected, and requests that exceed limits.

use msg2agent_mcp_server::endpoint::guard::REQUEST_BYTES_MAX;
use reqwest::header::WWW_AUTHENTICATE;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::test_endpoint::{HOST, TestEndpoint};

fn list(served: &TestEndpoint) -> reqwest::RequestBuilder {
    served.modern("tools/list", None, json!({}))
}

async fn status_and_reason(request: reqwest::RequestBuilder) -> (u16, Value) {
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    let problem: Value = response.json().await.unwrap();
    (status, problem["reason"].clone())
}

#[tokio::test]
async fn without_a_key_nothing_is_answered_but_how_to_get_in() {
    let served = TestEndpoint::start().await;
    let response = list(&served).send().await.unwrap();
    assert_eq!(response.status(), 401);
    assert_eq!(response.headers()[WWW_AUTHENTICATE], r#"Bearer realm="msg2agent""#);
    assert_eq!(response.json::<Value>().await.unwrap()["reason"], "key_missing");
    let counted = r#"msg2agent_mcp_http_refused_total{reason="key_missing"} 1"#;
    assert!(served.metrics().contains(counted), "{}", served.metrics());
}

#[tokio::test]
async fn another_agents_key_is_refused() {
    let served = TestEndpoint::start().await;
    let other = format!("sk_live_{}", "A".repeat(43));
    let response = list(&served).bearer_auth(&other).send().await.unwrap();
    assert_eq!(response.status(), 401);
    let challenge = response.headers()[WWW_AUTHENTICATE].to_str().unwrap().to_owned();
    assert!(challenge.starts_with(r#"Bearer realm="msg2agent", error="invalid_token""#), "{challenge}");
    let text = response.text().await.unwrap();
    assert!(text.contains("key_unknown") && !text.contains(&other), "{text}");
}

#[tokio::test]
async fn a_key_in_the_url_is_no_key() {
    let served = TestEndpoint::start().await;
    let url = format!("{}?token={}", served.url(), served.key.reveal());
    assert_eq!(reqwest::Client::new().post(url).json(&json!({})).send().await.unwrap().status(), 401);
}

#[tokio::test]
async fn after_a_rotation_the_new_key_opens() {
    let served = TestEndpoint::start().await;
    assert_eq!(status_and_reason(list(&served).bearer_auth("new")).await.0, 401);
    served.rotate("new");
    assert_eq!(list(&served).bearer_auth("new").send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn a_name_that_is_not_ours_in_the_host_header_is_refused() {
    let served = TestEndpoint::start().await;
    for (host, status) in [("evil.example.com", 403), (HOST, 200), ("mcp.example.com:8443", 200)] {
        let request = list(&served).bearer_auth(served.key.reveal()).header("host", host);
        assert_eq!(request.send().await.unwrap().status(), status, "{host}");
    }
}

#[tokio::test]
async fn a_web_page_from_elsewhere_is_refused() {
    let served = TestEndpoint::start().await;
    for (origin, status) in
        [("https://evil.example.com", 403), ("null", 403), ("https://app.example.com", 200)]
    {
        let request = list(&served).bearer_auth(served.key.reveal()).header("origin", origin);
        assert_eq!(request.send().await.unwrap().status(), status, "{origin}");
    }
}

#[tokio::test]
async fn a_session_id_from_elsewhere_opens_nothing() {
    let served = TestEndpoint::start().await;
    let unknown = "6f9619ff-8b86-4d01-b42d-00cf4fc964ff";
    let request = list(&served).bearer_auth(served.key.reveal()).header("mcp-session-id", unknown);
    assert_eq!(status_and_reason(request).await, (404, json!("unknown_session")));
    let stream = reqwest::Client::new().get(served.url()).bearer_auth(served.key.reveal());
    let stream = stream.header("accept", "text/event-stream").header("mcp-session-id", unknown);
    assert_eq!(status_and_reason(stream).await, (404, json!("unknown_session")));
}

#[tokio::test]
async fn a_request_beyond_the_limit_is_refused_unread() {
    let served = TestEndpoint::start().await;
    let text = "x".repeat(REQUEST_BYTES_MAX);
    let response = served.call("send_message", &json!({"to": "bob", "text": text})).send().await.unwrap();
    assert_eq!(response.status(), 413);
}

#[tokio::test]
async fn a_content_beyond_the_limit_is_refused_with_advice() {
    let served = TestEndpoint::start().await;
    let text = "x".repeat(700 * 1024);
    let answer = served.call("send_message", &json!({"to": "bob", "text": text})).send().await.unwrap();
    let answer: Value = answer.json().await.unwrap();
    assert_eq!(answer["result"]["isError"], true);
    assert!(answer["result"]["content"][0]["text"].as_str().unwrap().contains("too_large"));
}

#[tokio::test]
async fn a_tool_that_is_not_there_is_an_error_of_the_protocol() {
    let served = TestEndpoint::start().await;
    let answer: Value = served.call("run_shell", &json!({})).send().await.unwrap().json().await.unwrap();
    assert_eq!(answer["error"]["code"], -32602);
}

#[tokio::test]
async fn a_refused_request_whose_body_comes_later_leaves_its_connection_usable() {
    let served = TestEndpoint::start().await;
    let mut stream = TcpStream::connect(served.address).await.unwrap();
    for _ in 0..3 {
        let head = "POST /mcp HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n";
        stream.write_all(head.as_bytes()).await.unwrap();
        // In a segment of its own, as some clients send it.
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        stream.write_all(b"{}").await.unwrap();
        let mut answer = [0; 2048];
        let read = stream.read(&mut answer).await.unwrap();
        let answer = String::from_utf8_lossy(&answer[..read]);
        assert!(answer.starts_with("HTTP/1.1 401") && !answer.contains("connection: close"), "{answer}");
    }
}
