//! Shows that neither the log nor the store of the relay holds a code or a token of a sign-in,
//! however verbose the log is.

use crate::client::Client;
use crate::person::Person;
use crate::site::{INVITATION, LOUDEST, Site};

#[tokio::test(flavor = "multi_thread")]
async fn neither_log_nor_store_holds_what_a_sign_in_is_made_of() {
    let site = Site::start(&[LOUDEST], &[]).await;
    site.invite().await;
    let mut client = Client::start(&site).await;
    Person::new(&site.issuer()).allow(&client.authorization_url(), INVITATION).await;
    let answer = client.answer().await;
    let tokens = client.exchange(&answer["code"]).await;
    let log = site.relay.log();
    assert!(log.contains(" DEBUG ") && log.contains("an invitation was used"), "the log is turned up");
    for (name, secret) in [
        ("invitation", INVITATION),
        ("code", &answer["code"]),
        ("access token", tokens["access_token"].as_str().unwrap()),
        ("refresh token", tokens["refresh_token"].as_str().unwrap()),
    ] {
        assert!(!log.contains(secret), "the relay logs the {name}");
        assert_eq!(site.files_with(secret), Vec::<String>::new(), "{name}");
    }
    let account = "acct_";
    assert!(!site.files_with(account).is_empty(), "the search finds what is there");
}
