//! The admin listener as an orchestrator sees it.

use axum::Router;
use axum::routing::get;
use msg2agent_daemon::{Readiness, Shutdown, admin};
use prometheus::{IntCounter, Registry};
use serde_json::{Value, json};
use tokio::net::TcpListener;

struct Admin {
    url: String,
    shutdown: Shutdown,
    serving: tokio::task::JoinHandle<std::io::Result<()>>,
}

async fn start(readiness: Readiness, registry: Registry) -> Admin {
    // A second install fails; the first one is the same provider.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let extra = Router::new().route("/extra", get(|| async { "more" }));
    let router = admin::router(readiness, registry).merge(extra);
    let shutdown = Shutdown::new();
    Admin { url, shutdown: shutdown.clone(), serving: tokio::spawn(admin::serve(listener, router, shutdown)) }
}

async fn read(admin: &Admin, path: &str) -> (u16, String) {
    let answer = reqwest::get(format!("{}{path}", admin.url)).await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

#[tokio::test]
async fn readyz_lists_the_checks_and_says_why_one_fails() {
    let readiness = Readiness::default();
    let store = readiness.check("store", "the store is being opened");
    let admin = start(readiness, Registry::new()).await;
    let (status, body) = read(&admin, "/readyz").await;
    let body: Value = serde_json::from_str(&body).unwrap();
    let check = json!({"name": "store", "ok": false, "reason": "the store is being opened"});
    assert_eq!((status, body), (503, json!({"ready": false, "checks": [check]})));
    assert_eq!(read(&admin, "/livez").await, (200, "ok\n".to_owned()));
    store.pass();
    assert_eq!(read(&admin, "/readyz").await.0, 200);
}

#[tokio::test]
async fn metrics_and_merged_routes_are_served() {
    let registry = Registry::new();
    let counter = IntCounter::new("things_total", "Things.").unwrap();
    counter.inc_by(3);
    registry.register(Box::new(counter)).unwrap();
    let admin = start(Readiness::default(), registry).await;
    assert!(read(&admin, "/metrics").await.1.contains("things_total 3"));
    assert_eq!(read(&admin, "/extra").await.1, "more");
}

#[tokio::test]
async fn shutdown_ends_the_listener() {
    let admin = start(Readiness::default(), Registry::new()).await;
    read(&admin, "/livez").await;
    admin.shutdown.begin();
    admin.serving.await.unwrap().unwrap();
    assert!(reqwest::get(format!("{}/livez", admin.url)).await.is_err());
}
