//! Connects a client to the relay's gateway as a person with two agents, in a real Chromium.

use devtools::http_client;
use msg2agent_tests::chromium::Chromium;
use protocol::introspection::{self, Introspection};

use crate::browser::{ALLOW, DENY, assert_nothing_was_blocked, picture};
use crate::client::{Client, FORM, form_body};
use crate::provider::{PERSON, Provider};
use crate::site::{BOBS_ENDPOINT, GATEWAY, GATEWAY_TOKEN, LOUDEST, Site};

const BOB: &str = "input[type=radio][value$='agent:bob']";

struct Scene {
    site: Site,
    client: Client,
    browser: Chromium,
    _folder: tempfile::TempDir,
}

/// Up to the consent page.
async fn sign_in() -> Scene {
    let (provider, folder) = (Provider::start().await, tempfile::tempdir().unwrap());
    let settings = provider.settings(folder.path());
    let settings: Vec<_> =
        settings.iter().map(|(name, value)| (*name, value.as_str())).chain([LOUDEST]).collect();
    let site = Site::start_with_gateway(&settings, folder.path(), &[PERSON]).await;
    let client = Client::start(&site).await.at(GATEWAY);
    let mut browser = Chromium::start().await.unwrap();
    browser.open(&client.authorization_url()).await.unwrap();
    let page = browser.see("main").await.unwrap();
    assert!(page.contains("wants to use an agent of relay.test"), "{page}");
    picture(&mut browser, "sign-in-gateway.png").await;
    browser.click("a.button").await.unwrap();
    browser.arrive("http://127.0.0.1:").await.unwrap();
    browser.click("button").await.unwrap();
    browser.see(ALLOW).await.unwrap();
    Scene { site, client, browser, _folder: folder }
}

/// The introspection response that the gateway gets.
async fn ask(site: &Site, credential: &str) -> Introspection {
    let url = format!("{}{}", site.issuer(), introspection::PATH);
    let request =
        http_client::new().unwrap().post(url).bearer_auth(GATEWAY_TOKEN).header("content-type", FORM);
    let answer = request.body(form_body(&[("token", credential)])).send().await.unwrap();
    answer.json().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_with_two_agents_chooses_the_second_and_allows() {
    let Scene { site, mut client, mut browser, _folder } = sign_in().await;
    let page = browser.see("main").await.unwrap();
    for said in ["Which of your agents?", "Alice of Acme", "Bob of <Acme>", GATEWAY, PERSON] {
        assert!(page.contains(said), "{said} in {page}");
    }
    picture(&mut browser, "consent-gateway.png").await;
    // Without a choice the browser sends nothing.
    browser.click(ALLOW).await.unwrap();
    browser.click(BOB).await.unwrap();
    picture(&mut browser, "consent-gateway-chosen.png").await;
    browser.click(ALLOW).await.unwrap();
    browser.arrive(client.redirect()).await.unwrap();
    let answer = client.answer().await;
    assert!(!answer.contains_key("error"), "{answer:?}");
    assert!(!site.relay.metrics().await.unwrap().contains("agent_missing"));
    let tokens = client.exchange(&answer["code"]).await;
    let told = ask(&site, tokens["access_token"].as_str().unwrap()).await;
    assert_eq!(told.agent.unwrap().to_string(), "did:wba:relay.test:agent:bob");
    assert_eq!((told.active, told.endpoint.as_deref()), (true, Some(BOBS_ENDPOINT)));
    assert!(!site.relay.log().contains(GATEWAY_TOKEN), "the relay logs the gateway's token");
    assert_nothing_was_blocked(&mut browser).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_with_two_agents_denies_without_choosing() {
    let Scene { site: _site, mut client, mut browser, _folder } = sign_in().await;
    browser.click(DENY).await.unwrap();
    browser.arrive(client.redirect()).await.unwrap();
    let answer = client.answer().await;
    assert_eq!((answer["error"].as_str(), answer.get("code")), ("access_denied", None));
    assert_nothing_was_blocked(&mut browser).await;
}
