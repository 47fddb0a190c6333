//! Calls the admin API of a relay in a cluster, as an administrator with its token does.

use anyhow::{Context as _, ensure};
use crds::name::{RELAY_ADMIN_PORT, relay_admin};
use k8s_openapi::api::core::v1::Secret;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::custom_resources::{RELAY, value};
use crate::namespace::TestNamespace;
use crate::relay_port_forward::{connect_to, host};

/// The status and the body of the answer.
///
/// # Errors
/// No answer.
pub async fn call(
    namespace: &TestNamespace,
    method: &str,
    path: &str,
    body: Option<&Value>,
) -> anyhow::Result<(u16, Value)> {
    let token = value(&namespace.api::<Secret>().get(&relay_admin(RELAY)).await?, "token")?;
    let body = body.map(Value::to_string).unwrap_or_default();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        host(namespace, RELAY),
        body.len(),
    );
    let mut stream = connect_to(namespace, RELAY, RELAY_ADMIN_PORT).await?;
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    // A peer that closes without a TLS close has sent everything: the length is in the head.
    let _closed = stream.read_to_end(&mut answer).await;
    parsed(std::str::from_utf8(&answer)?)
}

/// As [`call`], for an answer that must be a success.
///
/// # Errors
/// Another answer, or none.
pub async fn succeed(
    namespace: &TestNamespace,
    method: &str,
    path: &str,
    body: Option<&Value>,
) -> anyhow::Result<Value> {
    let (status, answer) = call(namespace, method, path, body).await?;
    ensure!((200..300).contains(&status), "{method} {path} is answered with {status}: {answer}");
    Ok(answer)
}

fn parsed(answer: &str) -> anyhow::Result<(u16, Value)> {
    let (head, body) = answer.split_once("\r\n\r\n").with_context(|| format!("{answer:?} is no answer"))?;
    let status = head.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)).context("read the status")?;
    let body = if body.is_empty() { Value::Null } else { serde_json::from_str(body)? };
    Ok((status.parse()?, body))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_and_body_are_read() {
        let answer = "HTTP/1.1 409 Conflict\r\nContent-Length: 2\r\n\r\n{}";
        assert_eq!(parsed(answer).unwrap(), (409, serde_json::json!({})));
    }
}
