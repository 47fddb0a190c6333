//! Exchanges messages through the tools with an agent on the SDK.

use msg2agent::Content;
use serde_json::json;

use crate::endpoint::Endpoint;

#[tokio::test]
async fn a_question_and_its_answer_are_one_call() {
    let endpoint = Endpoint::start().await;
    let bob = endpoint.bob.clone();
    let answering = tokio::spawn(async move {
        let question = bob.inbox().next().await.unwrap();
        question.reply(Content::text("forty-two")).await.unwrap();
        question.ack().await.unwrap();
        question.text().map(str::to_owned)
    });
    let arguments = json!({"to": "bob", "text": "what is it?", "thread": "t-1", "wait_seconds": 30});
    let answer = endpoint.call("send_message", arguments).await.unwrap();
    assert_eq!(answer["reply"]["untrusted"]["text"], "forty-two");
    assert_eq!(answer["reply"]["re"], answer["id"]);
    assert_eq!(answer["reply"]["untrusted"]["thread"], "t-1");
    assert_eq!(answer["reply"]["sender"]["did"], "did:wba:relay.test:agent:acme:bob");
    assert_eq!(answering.await.unwrap().as_deref(), Some("what is it?"));
}

#[tokio::test]
async fn an_answer_ends_the_request_of_an_agent_that_waits() {
    let endpoint = Endpoint::start().await;
    let alice = "did:wba:relay.test:agent:acme:alice".parse().unwrap();
    let bob = endpoint.bob.clone();
    let mut asking = tokio::spawn(async move {
        let limit = std::time::Duration::from_secs(60);
        bob.request(&alice, Content::json(json!({"sum": [1, 2]})), limit).await
    });
    let listed = tokio::select! {
        listed = endpoint.newest_message() => listed,
        ended = &mut asking => panic!("nobody had answered: {ended:?}"),
    };
    assert_eq!((&listed["kind"], &listed["unread"]), (&json!("request"), &json!(true)));
    let read = endpoint.call("read_message", json!({"id": listed["id"]})).await.unwrap();
    assert_eq!(read["untrusted"]["json"], json!({"sum": [1, 2]}));
    endpoint
        .call("send_message", json!({"to": "bob", "json": {"sum": 3}, "re": listed["id"]}))
        .await
        .unwrap();
    assert_eq!(asking.await.unwrap().unwrap().content().content, json!({"sum": 3}));
}

#[tokio::test]
async fn others_are_found_and_looked_up() {
    let endpoint = Endpoint::start().await;
    let listed = endpoint.call("list_agents", json!({})).await.unwrap();
    let dids: Vec<_> =
        listed["agents"].as_array().unwrap().iter().map(|agent| agent["did"].clone()).collect();
    assert!(dids.contains(&json!("did:wba:relay.test:agent:acme:bob")), "{listed}");
    let bob = endpoint.call("get_agent_info", json!({"agent": "bob"})).await.unwrap();
    assert_eq!((&bob["online"], &bob["root_key"]), (&json!(true), &json!(endpoint.bob.whoami().root_key)));
    let me = endpoint.call("get_self_info", json!({})).await.unwrap();
    assert_eq!((&me["name"], &me["card"]["name"]), (&json!("alice"), &json!("Alice")));
}

#[tokio::test]
async fn an_unknown_agent_is_refused_by_name() {
    let endpoint = Endpoint::start().await;
    let error = endpoint.call("send_message", json!({"to": "nobody", "text": "hi"})).await.unwrap_err();
    assert!(error.to_string().contains("not_found"), "{error}");
}
