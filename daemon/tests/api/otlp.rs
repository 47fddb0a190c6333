//! Traces reach a collector before the process ends.

use axum::Router;
use axum::body::Bytes;
use axum::routing::post;
use msg2agent_daemon::telemetry::{self, Format, Settings};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dropping_the_guard_flushes_spans_to_the_collector() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let (sent, mut received) = mpsc::channel(8);
    let collect = move |body: Bytes| async move { sent.send(body).await.unwrap() };
    let collector = Router::new().route("/v1/traces", post(collect));
    tokio::spawn(axum::serve(listener, collector).into_future());

    let settings = Settings {
        build: msg2agent_daemon::build_info!(),
        format: Format::Json,
        filter: "info".into(),
        otlp_endpoint: Some(endpoint),
    };
    let guard = telemetry::install(&settings).unwrap();
    tracing::info_span!("the span we look for").in_scope(|| tracing::info!("inside"));
    drop(guard);
    let body = received.recv().await.unwrap();
    let found = body.windows(20).any(|window| window == b"the span we look for");
    assert!(found, "the export does not hold the span");
}
