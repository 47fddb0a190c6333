//! Sign-in with an OpenID provider.

use reqwest::{Response, StatusCode, header};
use serde_json::{Value, json};

use super::person::*;
use super::provider::TestProvider;
use crate::harness::{TestRelay, start_with};

async fn start(person: Value) -> (TestRelay, TestProvider) {
    let provider = TestProvider::start(person).await;
    let relay = start_with(|config, folder| config.oauth.provider = Some(provider.settings(folder))).await;
    (relay, provider)
}

/// Follows the link on the sign-in page to the provider and back; returns the response of the
/// relay.
pub(super) async fn through_the_provider(person: &mut Person<'_>, query: &str) -> Response {
    let page = person.authorize(query).await.text().await.unwrap();
    assert!(page.contains("Sign in with Test Provider"), "{page}");
    let link = page.split_once("href=\"/oauth/sign-in/provider?").unwrap().1.split_once('"').unwrap().0;
    let away = person.get(&format!("/oauth/sign-in/provider?{}", unescape(link))).await;
    assert_eq!(away.status(), StatusCode::SEE_OTHER);
    let back = provider_callback(&away).await;
    person.get(&back).await
}

/// The path and query of the relay's callback, to which the provider redirects.
async fn provider_callback(away: &Response) -> String {
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let at_provider = client.get(away.headers()[header::LOCATION].to_str().unwrap()).send().await.unwrap();
    let location = at_provider.headers()[header::LOCATION].to_str().unwrap();
    location.strip_prefix(ISSUER).unwrap().to_owned()
}

#[tokio::test]
async fn a_person_on_the_agents_list_signs_in_by_verified_address() {
    let (relay, provider) = start(json!({"email": "alice@example.com", "email_verified": true})).await;
    let key = put_alice(&relay, &["Alice@example.com"]).await;
    let client_id = register(&relay).await;
    let mut person = Person::new(&relay);
    let signed_in = through_the_provider(&mut person, &request(&client_id, &[])).await;
    assert_eq!(signed_in.status(), StatusCode::SEE_OTHER);
    let page = person.follow(&signed_in).await.text().await.unwrap();
    assert!(page.contains("alice@example.com"), "{page}");
    let answer = answer_of(&person.decide(&page, "allow").await);
    let (status, tokens) = exchange(&relay, &client_id, &answer["code"]).await;
    assert_eq!(status, StatusCode::OK, "{tokens}");
    let access = tokens["access_token"].as_str().unwrap();
    assert_eq!(introspect(&relay, &key, access).await["active"], true);

    // A person who is removed from the list loses access, and a stranger never had any.
    put_alice(&relay, &["somebody@example.com"]).await;
    let (status, body) = refresh(&relay, &client_id, tokens["refresh_token"].as_str().unwrap()).await;
    assert_eq!((status, &body["error"]), (StatusCode::BAD_REQUEST, &"invalid_grant".into()));
    provider.set_person(json!({"sub": "5678", "email": "stranger@example.com", "email_verified": true}));
    let refused = through_the_provider(&mut Person::new(&relay), &request(&client_id, &[])).await;
    assert!(refused.text().await.unwrap().contains("may not use this agent"));
    assert!(counted(&relay, "callback", "not_invited").await >= 1.0);
}

#[tokio::test]
async fn an_unverified_e_mail_address_gives_no_access() {
    let (relay, _provider) = start(json!({"email": "alice@example.com", "email_verified": false})).await;
    put_alice(&relay, &["alice@example.com"]).await;
    let client_id = register(&relay).await;
    let refused = through_the_provider(&mut Person::new(&relay), &request(&client_id, &[])).await;
    assert!(refused.text().await.unwrap().contains("may not use this agent"));
}

#[tokio::test]
async fn an_id_token_for_somebody_else_signs_nobody_in() {
    let (relay, provider) = start(json!({})).await;
    put_alice(&relay, &["1234"]).await;
    let client_id = register(&relay).await;
    for wrong in [
        json!({"aud": "other"}),
        json!({"nonce": "other"}),
        json!({"iss": "https://other.example"}),
        json!({"exp": 1}),
    ] {
        provider.set_person(wrong.clone());
        let refused = through_the_provider(&mut Person::new(&relay), &request(&client_id, &[])).await;
        assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE, "{wrong}");
    }
    assert!(counted(&relay, "callback", "provider_failed").await >= 4.0);
}

#[tokio::test]
async fn an_answer_of_the_provider_counts_once_and_in_its_own_browser() {
    let (relay, _provider) = start(json!({})).await;
    put_alice(&relay, &["1234"]).await;
    let client_id = register(&relay).await;
    let mut victim = Person::new(&relay);
    let mut attacker = Person::new(&relay);
    victim.authorize(&request(&client_id, &[])).await;
    let away = attacker.get(&format!("/oauth/sign-in/provider?{}", request(&client_id, &[]))).await;
    let back = provider_callback(&away).await;
    assert_eq!(victim.get(&back).await.status(), StatusCode::FORBIDDEN);
    assert!(counted(&relay, "callback", "sign_in_of_another_browser").await >= 1.0);
    assert_eq!(attacker.get(&back).await.status(), StatusCode::FORBIDDEN);
    assert!(counted(&relay, "callback", "sign_in_unknown").await >= 1.0);
}
