//! Sign-in at the gateway: the person chooses an agent, and only among their own.

use reqwest::StatusCode;
use serde_json::{Value, json};

use super::gateway::*;
use super::person::*;
use super::provider::TestProvider;
use super::provider_sign_in::through_the_provider;
use crate::harness::{TestRelay, start_with};

const ALICE: &str = "did:wba:localhost:agent:alice";
const BOB: &str = "did:wba:localhost:agent:bob";

/// A relay with a gateway, and a provider that signs everybody in as Ann.
pub(super) async fn start_for_ann() -> (TestRelay, TestProvider) {
    let provider = TestProvider::start(json!({"email": "ann@example.com", "email_verified": true})).await;
    let relay = start_with(|config, folder| {
        with_gateway(config, folder);
        config.oauth.provider = Some(provider.settings(folder));
    })
    .await;
    (relay, provider)
}

/// Signs in at the provider; returns the consent page.
pub(super) async fn ann_signs_in(person: &mut Person<'_>, client_id: &str) -> String {
    let signed_in = through_the_provider(person, &at_gateway(client_id)).await;
    assert_eq!(signed_in.status(), StatusCode::SEE_OTHER);
    person.follow(&signed_in).await.text().await.unwrap()
}

/// Exchanges the code of a redirect; returns the tokens.
pub(super) async fn tokens(relay: &TestRelay, client_id: &str, allowed: &reqwest::Response) -> Value {
    let code = answer_of(allowed)["code"].clone();
    let mut form = exchange_form(client_id, &code);
    form[5] = ("resource", GATEWAY);
    let (status, tokens) = token(relay, &form).await;
    assert_eq!(status, StatusCode::OK, "{tokens}");
    tokens
}

pub(super) fn access(tokens: &Value) -> &str {
    tokens["access_token"].as_str().unwrap()
}

#[tokio::test]
async fn a_person_with_two_agents_chooses_and_the_token_speaks_for_that_one() {
    let (relay, _provider) = start_for_ann().await;
    put_served(&relay, "alice", &["ann@example.com"]).await;
    let bob_key = put_served(&relay, "bob", &["Ann@Example.com"]).await;
    put_served(&relay, "carol", &["somebody@example.com"]).await;
    put_alice_unserved(&relay, "dave", &["ann@example.com"]).await;
    let client_id = register(&relay).await;
    let mut person = Person::new(&relay);
    let sign_in = person.authorize(&at_gateway(&client_id)).await.text().await.unwrap();
    assert!(sign_in.contains("an agent of <strong>localhost</strong>"), "{sign_in}");
    let page = ann_signs_in(&mut person, &client_id).await;
    for agent in [ALICE, BOB] {
        // The tag ends here: no agent is preselected.
        let choice = format!("<input type=\"radio\" name=\"agent\" value=\"{agent}\" required>");
        assert!(page.contains(&choice), "{page}");
    }
    assert!(!page.contains("carol") && !page.contains("dave"), "{page}");

    let tokens = tokens(&relay, &client_id, &person.decide_for(&page, "allow", Some(BOB)).await).await;
    let introspection = introspect_as_gateway(&relay, access(&tokens)).await;
    for (member, value) in [
        ("active", json!(true)),
        ("agent", json!(BOB)),
        ("aud", json!(GATEWAY)),
        ("endpoint", json!(endpoint_of("bob"))),
        ("scope", json!("mcp:read mcp:send")),
    ] {
        assert_eq!(introspection[member], value, "{member}");
    }
    assert!(introspection["exp"].is_u64() && introspection["reason"].is_null());
    // Bob may introspect it with his own key, and gets no endpoint.
    let own = introspect(&relay, &bob_key, access(&tokens)).await;
    assert_eq!((&own["active"], &own["endpoint"]), (&json!(true), &Value::Null));
}

#[tokio::test]
async fn an_agent_that_is_not_the_persons_is_refused_whatever_the_form_says() {
    let (relay, _provider) = start_for_ann().await;
    put_served(&relay, "alice", &["ann@example.com"]).await;
    put_served(&relay, "bob", &["ann@example.com"]).await;
    put_served(&relay, "carol", &["somebody@example.com"]).await;
    let suspended = protocol::admin::Suspension { suspended: true };
    relay.put("tenants/default/agents/carol/suspension", &suspended).await.unwrap();
    let client_id = register(&relay).await;
    let mut person = Person::new(&relay);
    let page = ann_signs_in(&mut person, &client_id).await;
    for (forged, count) in
        [("did:wba:localhost:agent:carol", 1.0), ("did:wba:localhost:agent:nobody", 2.0), ("x", 3.0)]
    {
        let refused = person.decide_for(&page, "allow", Some(forged)).await;
        assert_eq!(refused.status(), StatusCode::OK);
        assert!(refused.text().await.unwrap().contains("may not use this agent"));
        // The same for a suspended agent: a stranger does not learn that it is suspended.
        assert!((counted(&relay, "consent", "not_invited").await - count).abs() < 0.5, "{forged}");
    }
    let unsaid = person.decide_for(&page, "allow", None).await;
    assert_eq!(unsaid.status(), StatusCode::BAD_REQUEST);
    assert!(unsaid.text().await.unwrap().contains("Choose an agent."));
    assert!(counted(&relay, "consent", "agent_missing").await >= 1.0);

    // An agent that the person could use when the page was shown, and no longer can.
    put_mcp(&relay, "bob", &[], Some(endpoint_of("bob"))).await;
    let late = person.decide_for(&page, "allow", Some(BOB)).await;
    assert!(late.text().await.unwrap().contains("may not use this agent"));
    put_mcp(&relay, "alice", &["ann@example.com"], None).await;
    let late = person.decide_for(&page, "allow", Some(ALICE)).await;
    assert!(late.text().await.unwrap().contains("not available at this address"));
    assert!(counted(&relay, "consent", "no_endpoint").await >= 1.0);
}

#[tokio::test]
async fn a_person_says_no_without_choosing() {
    let (relay, _provider) = start_for_ann().await;
    put_served(&relay, "alice", &["ann@example.com"]).await;
    put_served(&relay, "bob", &["ann@example.com"]).await;
    let client_id = register(&relay).await;
    let mut person = Person::new(&relay);
    let page = ann_signs_in(&mut person, &client_id).await;
    let answer = answer_of(&person.decide_for(&page, "deny", None).await);
    assert_eq!(answer["error"], "access_denied");
    assert_eq!(answer["iss"], ISSUER);
}

#[tokio::test]
async fn a_person_without_an_agent_sees_the_reason_and_no_account_is_stored() {
    let (relay, _provider) = start_for_ann().await;
    put_served(&relay, "alice", &["somebody@example.com"]).await;
    let client_id = register(&relay).await;
    let refused = through_the_provider(&mut Person::new(&relay), &at_gateway(&client_id)).await;
    assert!(refused.text().await.unwrap().contains("may not use this agent, or any other here"));
    put_alice_unserved(&relay, "alice", &["ann@example.com"]).await;
    let refused = through_the_provider(&mut Person::new(&relay), &at_gateway(&client_id)).await;
    assert!(refused.text().await.unwrap().contains("not available at this address"));
    assert!(counted(&relay, "callback", "not_invited").await >= 1.0);
    assert!(counted(&relay, "callback", "no_endpoint").await >= 1.0);
}

#[tokio::test]
async fn any_invitation_is_good_at_the_gateway_for_its_own_agent() {
    let relay = start_with(with_gateway).await;
    put_served(&relay, "alice", &[]).await;
    put_served(&relay, "bob", &[]).await;
    let client_id = register(&relay).await;
    let invitation = invite(&relay, None).await;
    let mut person = Person::new(&relay);
    let page = person.sign_in(&at_gateway(&client_id), &invitation.code).await;
    assert!(!page.contains("radio") && page.contains(ALICE) && !page.contains(BOB), "{page}");
    assert_eq!(field(&page, "agent"), ALICE);
    let forged = person.decide_for(&page, "allow", Some(BOB)).await;
    assert!(forged.text().await.unwrap().contains("may not use this agent"));
    let tokens = tokens(&relay, &client_id, &person.decide_for(&page, "allow", Some(ALICE)).await).await;
    assert_eq!(introspect_as_gateway(&relay, access(&tokens)).await["agent"], ALICE);
}

#[tokio::test]
async fn an_invitation_that_cannot_be_used_at_the_gateway_is_not_used_up() {
    let relay = start_with(with_gateway).await;
    put_alice_unserved(&relay, "alice", &[]).await;
    let client_id = register(&relay).await;
    let invitation = invite(&relay, None).await;
    let refused = Person::new(&relay).type_code(&at_gateway(&client_id), &invitation.code).await;
    assert!(refused.text().await.unwrap().contains("not available at this address"));
    assert!(counted(&relay, "sign_in_invitation", "no_endpoint").await >= 1.0);
    put_served(&relay, "alice", &[]).await;
    Person::new(&relay).sign_in(&at_gateway(&client_id), &invitation.code).await;
}

async fn put_alice_unserved(relay: &TestRelay, name: &str, accounts: &[&str]) {
    relay.agent_with_key(name).await;
    put_mcp(relay, name, accounts, None).await;
}
