//! Answers connections beyond the limits with status 503, as far as that is cheap.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use super::address_share::AtLimit;
use super::limits::ListenerLimits;

const TITLE: &str = "too many connections are open; wait for the seconds in Retry-After, then try again";

/// How long the request is waited for. A client that gets a response before it has sent its request
/// may take it for a protocol error.
const REQUEST_TIMEOUT: Duration = Duration::from_millis(500);

/// Bytes of the request that are read and ignored. Unread bytes would make the kernel reset the
/// connection, and the client lose the response.
const REQUEST_BYTES_MAX: u64 = 64 * 1024;

/// Answers the first request of `stream`, then closes it. Ends with the client or with the caller's
/// timeout.
pub(super) async fn answer<S>(mut stream: S, problem: &str) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut bytes = [0; 1024];
    if let Ok(read) = tokio::time::timeout(REQUEST_TIMEOUT, stream.read(&mut bytes)).await {
        read?;
    }
    stream.write_all(response(problem).as_bytes()).await?;
    stream.shutdown().await?;
    tokio::io::copy(&mut stream.take(REQUEST_BYTES_MAX), &mut tokio::io::sink()).await?;
    Ok(())
}

/// The problem (RFC 9457) that a client is told, with a reason and a quota of the protocol.
pub(super) fn problem(at: AtLimit, limits: ListenerLimits) -> String {
    let (name, limit) = match at {
        AtLimit::Connections => ("listener_connections", limits.connections),
        AtLimit::Address => ("address_connections", limits.connections_per_address),
    };
    format!(
        r#"{{"type":"about:blank","title":"{TITLE}","status":503,"reason":"overloaded","quota":{{"plan":"default","name":"{name}","limit":{limit},"current":{limit}}}}}"#
    )
}

fn response(problem: &str) -> String {
    format!(
        "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\nContent-Type: application/problem+json\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n{problem}",
        problem.len()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn response_to(request: &[u8]) -> String {
        let (mut client, server) = tokio::io::duplex(4096);
        let answering = tokio::spawn(async { answer(server, "{}").await });
        client.write_all(request).await.unwrap();
        let mut response = String::new();
        client.read_to_string(&mut response).await.unwrap();
        drop(client);
        answering.await.unwrap().unwrap();
        response
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_learns_when_to_come_back_whether_it_asked_or_not() {
        for request in ["", "GET / HTTP/1.1\r\nhost: x\r\n\r\n"] {
            let response = response_to(request.as_bytes()).await;
            assert!(
                response.starts_with("HTTP/1.1 503 ") && response.contains("Retry-After: 5\r\n"),
                "{response}"
            );
            assert!(response.ends_with("\r\n\r\n{}"), "{response}");
        }
    }

    #[test]
    fn a_client_learns_which_limit_its_connection_met() {
        let limits = ListenerLimits::new(40);
        for (at, name, limit) in [
            (AtLimit::Connections, "listener_connections", 40),
            (AtLimit::Address, "address_connections", 30),
        ] {
            let problem: serde_json::Value = serde_json::from_str(&problem(at, limits)).unwrap();
            assert_eq!(problem["reason"], "overloaded");
            let quota =
                serde_json::json!({"plan": "default", "name": name, "limit": limit, "current": limit});
            assert_eq!(problem["quota"], quota);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_with_a_body_is_read_before_the_end() {
        let mut request = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 30000\r\n\r\n".to_vec();
        request.resize(30_000, b'x');
        assert!(response_to(&request).await.starts_with("HTTP/1.1 503 "));
    }
}
