//! Resources and what tells of their changes, with rmcp's own client of each era.

use std::sync::Arc;
use std::time::Duration;

use rmcp::model::{ReadResourceRequestParams, ResourceUpdatedNotificationParam, SubscribeRequestParams};
use rmcp::service::NotificationContext;
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use rmcp::{ClientHandler, ClientLifecycleMode, ClientServiceExt as _, RoleClient};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::test_endpoint::TestEndpoint;

/// Time for an event of the server, which takes milliseconds, on a loaded machine.
const EVENT_TIMEOUT: Duration = Duration::from_secs(20);

/// Forwards the notifications that a client gets.
#[derive(Clone)]
struct Ear(Arc<mpsc::UnboundedSender<String>>);

impl ClientHandler for Ear {
    async fn on_resource_updated(
        &self,
        params: ResourceUpdatedNotificationParam,
        _context: NotificationContext<RoleClient>,
    ) {
        let _ = self.0.send(params.uri);
    }

    async fn on_resource_list_changed(&self, _context: NotificationContext<RoleClient>) {
        let _ = self.0.send("list".to_owned());
    }
}

#[tokio::test]
async fn a_session_that_subscribed_hears_of_an_arrival_and_reads_it() {
    let served = TestEndpoint::start().await;
    let (heard, mut ear) = mpsc::unbounded_channel();
    let config = StreamableHttpClientTransportConfig::with_uri(served.url()).auth_header(served.key.reveal());
    let transport = StreamableHttpClientTransport::from_config(config);
    let client =
        Ear(Arc::new(heard)).serve_with_lifecycle(transport, ClientLifecycleMode::Initialize).await.unwrap();
    #[expect(deprecated, reason = "it is what clients of this era send")]
    client.subscribe(SubscribeRequestParams::new("msg2agent://inbox")).await.unwrap();

    let id = served.arrive(1, "hello").await;
    let first = tokio::time::timeout(EVENT_TIMEOUT, ear.recv()).await.unwrap().unwrap();
    let second = tokio::time::timeout(EVENT_TIMEOUT, ear.recv()).await.unwrap().unwrap();
    assert_eq!([first.as_str(), second.as_str()], ["msg2agent://inbox", "list"]);

    let uri = format!("msg2agent://inbox/{id}");
    let listed = client.list_all_resources().await.unwrap();
    assert!(listed.iter().any(|resource| resource.uri == uri), "{listed:?}");
    let read = client.read_resource(ReadResourceRequestParams::new(uri)).await.unwrap();
    let read = serde_json::to_value(&read.contents).unwrap();
    let read: Value = serde_json::from_str(read[0]["text"].as_str().unwrap()).unwrap();
    assert_eq!(read["untrusted"]["text"], "hello");
    client.cancel().await.unwrap();
}

#[tokio::test]
async fn a_stream_of_the_stateless_era_tells_what_was_asked_for_and_no_more() {
    let served = TestEndpoint::start().await;
    let wish = json!({"notifications": {"toolsListChanged": true, "resourceSubscriptions": ["msg2agent://tasks", "msg2agent://inbox"]}});
    let mut stream = served
        .modern("subscriptions/listen", None, wish)
        .bearer_auth(served.key.reveal())
        .send()
        .await
        .unwrap();
    assert_eq!(stream.status(), 200);
    let mut text = String::new();
    let mut until = async |wanted: &str| {
        while !text.contains(wanted) {
            let chunk = tokio::time::timeout(EVENT_TIMEOUT, stream.chunk()).await.unwrap().unwrap().unwrap();
            text.push_str(&String::from_utf8_lossy(&chunk));
        }
        text.clone()
    };
    let acknowledged = until("notifications/subscriptions/acknowledged").await;
    assert!(!acknowledged.contains("toolsListChanged"), "{acknowledged}");
    served.arrive(1, "CANARY").await;
    let told = until("notifications/resources/updated").await;
    assert!(told.contains("msg2agent://inbox") && !told.contains("CANARY"), "{told}");
    assert!(!told.contains("list_changed"), "{told}");
}

#[tokio::test]
async fn what_is_not_there_is_said_in_the_words_of_each_era() {
    let served = TestEndpoint::start().await;
    let uri = "msg2agent://inbox/01a1c8e0-1c00-7707-8707-070707070707";
    let read =
        served.modern("resources/read", Some(uri), json!({"uri": uri})).bearer_auth(served.key.reveal());
    let answer: Value = read.send().await.unwrap().json().await.unwrap();
    assert_eq!(answer["error"]["code"], -32602);
}
