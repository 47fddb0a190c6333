//! Signs in and consents in a real Chromium. Pictures of the pages are kept in
//! `target/pictures/oauth`.

use std::time::Duration;

use anyhow::ensure;
use axum::Router;
use axum::response::Html;
use axum::routing::{get, post};
use devtools::eventually::eventually;
use devtools::repository;
use msg2agent_tests::chromium::Chromium;

use crate::client::Client;
use crate::provider::{self, PERSON, Provider};
use crate::site::{INVITATION, LOUDEST, RESOURCE, Site};

const CODE_FIELD: &str = "input[name=code]";
const CONTINUE: &str = "form button";
pub(crate) const ALLOW: &str = "button[value=allow]";
pub(crate) const DENY: &str = "button[value=deny]";

pub(crate) async fn picture(browser: &mut Chromium, name: &str) {
    browser.picture(&repository().join("target/pictures/oauth").join(name)).await.unwrap();
}

pub(crate) async fn assert_nothing_was_blocked(browser: &mut Chromium) {
    assert_eq!(browser.violations().await.unwrap(), []);
}

/// Types the invitation into the sign-in page that the client's link opens; returns the text of the
/// consent page.
async fn sign_in(browser: &mut Chromium, client: &Client) -> String {
    browser.open(&client.authorization_url()).await.unwrap();
    browser.type_into(CODE_FIELD, INVITATION).await.unwrap();
    browser.click(CONTINUE).await.unwrap();
    browser.see(ALLOW).await.unwrap();
    browser.see("main").await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_with_an_invitation_is_shown_who_asks_for_what_and_allows_it() {
    let site = Site::start(&[], &[]).await;
    site.invite().await;
    let (mut client, mut browser) = (Client::start(&site).await, Chromium::start().await.unwrap());
    browser.open(&client.authorization_url()).await.unwrap();
    let page = browser.see("main").await.unwrap();
    assert!(page.contains("Claude <Code> wants to use the agent Alice of Acme"), "{page}");
    picture(&mut browser, "sign-in.png").await;

    browser.type_into(CODE_FIELD, "m2inv_mistyped").await.unwrap();
    browser.click(CONTINUE).await.unwrap();
    let notice = browser.see("[role=alert]").await.unwrap();
    assert!(notice.contains("not an invitation to this agent"), "{notice}");
    picture(&mut browser, "sign-in-mistyped.png").await;

    browser.type_into(CODE_FIELD, INVITATION).await.unwrap();
    browser.click(CONTINUE).await.unwrap();
    browser.see(ALLOW).await.unwrap();
    let page = browser.see("main").await.unwrap();
    for said in
        ["Claude <Code>", "localhost", "did:wba:relay.test:agent:alice", RESOURCE, "bearer of an invitation"]
    {
        assert!(page.contains(said), "{said} in {page}");
    }
    assert!(page.contains("Send and delete messages") && !page.contains("Give tasks"), "{page}");
    picture(&mut browser, "consent.png").await;

    browser.click(ALLOW).await.unwrap();
    browser.arrive(client.redirect()).await.unwrap();
    let answer = client.answer().await;
    assert!(!answer.contains_key("error"), "{answer:?}");
    let tokens = client.exchange(&answer["code"]).await;
    assert_eq!(tokens["scope"], "mcp:read mcp:send");
    assert_nothing_was_blocked(&mut browser).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_who_denies_sends_the_client_away_without_a_code() {
    let site = Site::start(&[], &[]).await;
    site.invite().await;
    let (mut client, mut browser) = (Client::start(&site).await, Chromium::start().await.unwrap());
    sign_in(&mut browser, &client).await;
    browser.click(DENY).await.unwrap();
    browser.arrive(client.redirect()).await.unwrap();
    let answer = client.answer().await;
    assert_eq!((answer["error"].as_str(), answer.get("code")), ("access_denied", None));
    assert_nothing_was_blocked(&mut browser).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_on_the_web_gets_its_answer_and_may_send_its_people_on() {
    let site = Site::start(&[], &[]).await;
    site.invite().await;
    let (mut client, mut browser) = (Client::on_the_web(&site).await, Chromium::start().await.unwrap());
    let page = sign_in(&mut browser, &client).await;
    assert!(page.contains("your decision is sent to client.example."), "{page}");
    assert!(!page.contains("a program on this computer"), "{page}");
    picture(&mut browser, "consent-web.png").await;
    browser.click(ALLOW).await.unwrap();
    browser.arrive("https://elsewhere.example:").await.unwrap();
    let answer = client.answer().await;
    assert!(client.exchange(&answer["code"]).await["access_token"].is_string());
    assert_nothing_was_blocked(&mut browser).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_browser_keeps_the_session_in_a_cookie_that_only_this_host_gets() {
    let site = Site::start(&[], &[]).await;
    site.invite().await;
    let (client, mut browser) = (Client::start(&site).await, Chromium::start().await.unwrap());
    sign_in(&mut browser, &client).await;
    let cookies = browser.cookies().await.unwrap();
    let session = cookies.iter().find(|cookie| cookie["name"] == "__Host-m2a-session").unwrap();
    assert_eq!((&session["domain"], &session["path"]), (&"localhost".into(), &"/".into()), "{session}");
    assert_eq!((&session["secure"], &session["httpOnly"]), (&true.into(), &true.into()), "{session}");
    assert_eq!(session["sameSite"], "Lax");
    // Signed in, the person is asked for the decision only.
    browser.open(&client.authorization_url()).await.unwrap();
    browser.see(ALLOW).await.unwrap();
    assert_nothing_was_blocked(&mut browser).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_signs_in_with_the_provider_and_allows() {
    let (provider, folder) = (Provider::start().await, tempfile::tempdir().unwrap());
    let settings = provider.settings(folder.path());
    let settings = settings.iter().map(|(name, value)| (*name, value.as_str())).chain([LOUDEST]);
    let settings: Vec<_> = settings.collect();
    let site = Site::start(&settings, &[PERSON]).await;
    let (mut client, mut browser) = (Client::start(&site).await, Chromium::start().await.unwrap());
    browser.open(&client.authorization_url()).await.unwrap();
    assert_eq!(browser.see("a.button").await.unwrap(), "Sign in with Test Provider");
    picture(&mut browser, "sign-in-provider.png").await;
    browser.click("a.button").await.unwrap();
    browser.arrive("http://127.0.0.1:").await.unwrap();
    browser.click("button").await.unwrap();
    browser.see(ALLOW).await.unwrap();
    let page = browser.see("main").await.unwrap();
    assert!(page.contains(PERSON), "{page}");
    picture(&mut browser, "consent-provider.png").await;
    browser.click(ALLOW).await.unwrap();
    browser.arrive(client.redirect()).await.unwrap();
    let answer = client.answer().await;
    assert!(client.exchange(&answer["code"]).await["refresh_token"].is_string());
    for secret in [answer["code"].as_str(), provider::SECRET, provider::ACCESS_TOKEN] {
        assert!(!site.relay.log().contains(secret), "the relay logs {secret}");
    }
    assert_nothing_was_blocked(&mut browser).await;
}

/// A form whose policy forbids where its answer leads, as on a consent page that names no client.
async fn forbidden() -> impl axum::response::IntoResponse {
    let form = "<!doctype html><link rel=icon href='data:,'><form method=post action=/away><button>Go</button></form>";
    ([("content-security-policy", "form-action 'self'")], Html(form))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_browser_says_so_when_a_policy_blocks_the_answer() {
    let site = Site::start(&[], &[]).await;
    let (client, mut browser) = (Client::start(&site).await, Chromium::start().await.unwrap());
    let away = axum::response::Redirect::to(client.redirect());
    let router = Router::new().route("/", get(forbidden)).route("/away", post(async || away));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    browser.open(&url).await.unwrap();
    browser.click("button").await.unwrap();
    eventually("the browser says that it blocked the answer", Duration::from_secs(20), async || {
        let seen = browser.violations().await?;
        ensure!(seen.iter().any(|violation| violation.0.contains("form-action")), "{seen:?}");
        Ok(())
    })
    .await
    .unwrap();
}
