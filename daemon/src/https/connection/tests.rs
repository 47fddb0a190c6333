//! The deadlines of one connection, in paused time.

use std::time::Duration;

use axum::extract::Request;
use axum::http::{StatusCode, header};
use axum::routing::get;
use hyper_util::rt::TokioIo;
use prometheus::Registry;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
use tokio::task::JoinHandle;

use super::*;
use crate::https::ListenerMetrics;
use crate::https::limits::{KEEP_ALIVE_TIMEOUT, REQUEST_HEAD_TIMEOUT};
use crate::https::slots::Slots;

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n";
/// The idle timeout that nginx, Envoy and the load balancers of clouds have by default, and a
/// little more.
const PROXY_IDLE_TIMEOUT: Duration = Duration::from_secs(65);
/// What a slow handler takes.
const SLOW_RESPONSE_TIMEOUT: Duration = Duration::from_secs(300);

fn router() -> Router {
    let slow = async || {
        tokio::time::sleep(SLOW_RESPONSE_TIMEOUT).await;
        "late"
    };
    Router::new().route("/", get(async || "ok")).route("/slow", get(slow)).route("/upgrade", get(upgrade))
}

/// Echoes what an upgraded connection sends.
async fn upgrade(mut request: Request) -> Response<Body> {
    let upgrade = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        let mut stream = TokioIo::new(upgrade.await.unwrap());
        let mut byte = [0];
        while stream.read_exact(&mut byte).await.is_ok() {
            stream.write_all(&byte).await.unwrap();
        }
    });
    let response = Response::builder().status(StatusCode::SWITCHING_PROTOCOLS);
    let response = response.header(header::CONNECTION, "upgrade").header(header::UPGRADE, "echo");
    response.body(Body::empty()).unwrap()
}

struct Served {
    client: DuplexStream,
    serving: JoinHandle<Ended>,
    closing: Shutdown,
}

impl Served {
    fn start() -> Self {
        let limits = ListenerLimits::new(4);
        let metrics = ListenerMetrics::register(&Registry::new(), "test").unwrap();
        let slot = Slots::new(limits, metrics).take("192.0.2.1:1".parse().unwrap()).unwrap();
        let (client, server) = tokio::io::duplex(16 * 1024);
        let closing = Shutdown::new();
        let until = closing.clone();
        let serving = tokio::spawn(async move { serve(server, router(), slot, &limits, &until).await });
        Self { client, serving, closing }
    }

    async fn send(&mut self, bytes: &[u8]) {
        self.client.write_all(bytes).await.unwrap();
    }

    /// The next response, which ends with `last`.
    async fn response(&mut self, last: &str) -> String {
        let mut response = Vec::new();
        while !response.ends_with(last.as_bytes()) {
            response.push(self.client.read_u8().await.unwrap());
        }
        String::from_utf8(response).unwrap()
    }

    /// How the connection ends and after which time.
    async fn ended(self) -> (Ended, Duration) {
        let start = Instant::now();
        (self.serving.await.unwrap(), start.elapsed())
    }
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_outlives_the_idle_timeout_of_proxies() {
    let mut served = Served::start();
    for _ in 0..3 {
        served.send(REQUEST).await;
        assert!(served.response("ok").await.starts_with("HTTP/1.1 200 "));
        tokio::time::sleep(PROXY_IDLE_TIMEOUT).await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_ends_at_its_own_timeout() {
    let mut served = Served::start();
    served.send(REQUEST).await;
    served.response("ok").await;
    let (ended, after) = served.ended().await;
    assert!(matches!(ended, Ended::Timeout), "{ended:?}");
    assert!(after >= KEEP_ALIVE_TIMEOUT && after < KEEP_ALIVE_TIMEOUT + Duration::from_secs(1), "{after:?}");
}

#[tokio::test(start_paused = true)]
async fn a_head_that_has_begun_must_arrive_soon_on_an_idle_connection_too() {
    let mut served = Served::start();
    served.send(REQUEST).await;
    served.response("ok").await;
    tokio::time::sleep(PROXY_IDLE_TIMEOUT).await;
    served.send(b"GET / HT").await;
    let (ended, after) = served.ended().await;
    assert!(matches!(ended, Ended::Timeout), "{ended:?}");
    assert!(
        after >= REQUEST_HEAD_TIMEOUT && after < REQUEST_HEAD_TIMEOUT + Duration::from_secs(1),
        "{after:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_first_head_that_drips_or_never_comes_ends_the_connection() {
    for first in [&b""[..], b"GET /"] {
        let mut served = Served::start();
        served.send(first).await;
        let (ended, after) = served.ended().await;
        assert!(matches!(ended, Ended::FirstRequestTimeout), "{ended:?}");
        assert!(after >= REQUEST_HEAD_TIMEOUT && after < REQUEST_HEAD_TIMEOUT + Duration::from_secs(1));
    }
}

#[tokio::test(start_paused = true)]
async fn a_response_may_take_longer_than_any_timeout() {
    let mut served = Served::start();
    served.send(b"GET /slow HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert!(served.response("late").await.starts_with("HTTP/1.1 200 "));
    served.send(REQUEST).await;
    served.response("ok").await;
}

#[tokio::test(start_paused = true)]
async fn an_upgraded_connection_has_no_deadline() {
    let mut served = Served::start();
    served.send(b"GET /upgrade HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n").await;
    assert!(served.response("\r\n\r\n").await.starts_with("HTTP/1.1 101 "));
    for _ in 0..2 {
        tokio::time::sleep(2 * KEEP_ALIVE_TIMEOUT).await;
        served.send(b"x").await;
        assert_eq!(served.client.read_u8().await.unwrap(), b'x');
    }
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_ends_when_the_listener_closes() {
    let mut served = Served::start();
    served.send(REQUEST).await;
    served.response("ok").await;
    served.closing.begin();
    let (ended, after) = served.ended().await;
    assert!(matches!(ended, Ended::Done(Ok(()))) && after.is_zero(), "{ended:?} after {after:?}");
}

#[tokio::test(start_paused = true)]
async fn a_response_under_way_is_sent_before_a_closing_listener_ends_its_connection() {
    let mut served = Served::start();
    served.send(b"GET /slow HTTP/1.1\r\nhost: x\r\n\r\n").await;
    tokio::time::sleep(SLOW_RESPONSE_TIMEOUT / 2).await;
    served.closing.begin();
    assert!(served.response("late").await.contains("connection: close"));
    let (ended, _) = served.ended().await;
    assert!(matches!(ended, Ended::Done(Ok(()))), "{ended:?}");
}
