//! Refused authorization requests and codes, each with its reason.

use reqwest::StatusCode;

use super::person::*;
use crate::harness::start;

#[tokio::test]
async fn a_request_of_an_unknown_client_is_answered_to_the_person() {
    let relay = start().await;
    put_alice(&relay, &[]).await;
    let client_id = register(&relay).await;
    for (query, reason) in [
        (request("c_nobody", &[]), "client_unknown"),
        (request("", &[("client_id", "")]), "client_missing"),
        (request(&client_id, &[("redirect_uri", "https://evil.example/")]), "redirect_mismatch"),
        (request(&client_id, &[("redirect_uri", "http://localhost:1/other")]), "redirect_mismatch"),
        (request(&client_id, &[("redirect_uri", "")]), "redirect_missing"),
        (request("https://127.0.0.1/client", &[]), "client_id_url"),
        (format!("{}&state=2", request(&client_id, &[])), "parameters"),
    ] {
        let answer = Person::new(&relay).authorize(&query).await;
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{reason}");
        assert!(answer.text().await.unwrap().contains(reason), "{reason}");
        assert!(counted(&relay, "authorize", reason).await >= 1.0, "{reason}");
    }
}

#[tokio::test]
async fn a_request_that_cannot_be_granted_is_answered_to_the_client_with_iss() {
    let relay = start().await;
    put_alice(&relay, &[]).await;
    let client_id = register(&relay).await;
    for (change, error) in [
        (("response_type", "token"), "unsupported_response_type"),
        (("code_challenge_method", "plain"), "invalid_request"),
        (("code_challenge", ""), "invalid_request"),
        (("scope", "admin"), "invalid_scope"),
        (("resource", ""), "invalid_target"),
        (("resource", "https://mcp.example/alice/"), "invalid_target"),
        (("resource", "https://mcp.example/bob"), "invalid_target"),
    ] {
        let answer = answer_of(&Person::new(&relay).authorize(&request(&client_id, &[change])).await);
        assert_eq!(answer["error"], error, "{change:?}");
        assert_eq!((answer["iss"].as_str(), answer["state"].as_str()), (ISSUER, "st&te"));
    }
}

#[tokio::test]
async fn a_client_that_anybody_could_have_registered_is_not_redirected_to_unasked() {
    let relay = start().await;
    put_alice(&relay, &[]).await;
    let body = serde_json::json!({"redirect_uris": ["https://client.example/cb"]});
    let registered: serde_json::Value =
        post_json(&relay, "/oauth/register", &body).await.json().await.unwrap();
    let client_id = registered["client_id"].as_str().unwrap();
    let changes = [("redirect_uri", "https://client.example/cb"), ("scope", "admin")];
    let answer = Person::new(&relay).authorize(&request(client_id, &changes)).await;
    assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
    let page = answer.text().await.unwrap();
    assert!(page.contains("Go back to client.example") && page.contains("error=invalid_scope"), "{page}");
}

#[tokio::test]
async fn a_document_url_with_an_ip_address_is_refused_without_a_fetch() {
    let relay = start().await;
    put_alice(&relay, &[]).await;
    for address in
        ["127.0.0.1", "10.0.0.1", "192.168.1.1", "169.254.169.254", "[::1]", "[fe80::1]", "2130706433"]
    {
        let query = request(&format!("https://{address}/client"), &[]);
        let answer = Person::new(&relay).authorize(&query).await;
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{address}");
        assert!(answer.text().await.unwrap().contains("client_id_url"), "{address}");
    }
    assert!(counted(&relay, "authorize", "client_id_url").await >= 7.0);
    assert_eq!(relay.metric("msg2agent_relay_oauth_client_documents_total").await, None);
}

#[tokio::test]
async fn a_document_that_lies_inside_the_cluster_is_not_fetched() {
    let relay = start().await;
    put_alice(&relay, &[]).await;
    // This host name resolves to loopback or to nothing; in both cases no connection is made.
    let answer = Person::new(&relay).authorize(&request("https://inside.localhost/client", &[])).await;
    assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
    assert!(counted(&relay, "authorize", "fetch_failed").await >= 1.0);
}

#[tokio::test]
async fn a_denial_is_sent_to_the_client_with_iss() {
    let relay = start().await;
    put_alice(&relay, &[]).await;
    let client_id = register(&relay).await;
    let invitation = invite(&relay, None).await;
    let mut person = Person::new(&relay);
    let page = person.sign_in(&request(&client_id, &[]), &invitation.code).await;
    let answer = answer_of(&person.decide(&page, "deny").await);
    assert_eq!((answer["error"].as_str(), answer["iss"].as_str()), ("access_denied", ISSUER));
    assert!(!answer.contains_key("code"));
    assert!(counted(&relay, "consent", "denied").await >= 1.0);
}

#[tokio::test]
async fn a_decision_counts_only_from_the_page_and_browser_it_was_shown_to() {
    let relay = start().await;
    put_alice(&relay, &[]).await;
    let client_id = register(&relay).await;
    let invitation = invite(&relay, None).await;
    let mut person = Person::new(&relay);
    let page = person.sign_in(&request(&client_id, &[]), &invitation.code).await;
    let (query, form) = (field(&page, "request"), field(&page, "form"));
    let wider = query.replace("mcp%3Aread", "mcp%3Atasks");
    assert_ne!(wider, query);
    for (fields, reason) in [
        ([("request", query.as_str()), ("form", ""), ("decision", "allow")], "form_token"),
        ([("request", wider.as_str()), ("form", form.as_str()), ("decision", "allow")], "form_token"),
        ([("request", query.as_str()), ("form", form.as_str()), ("decision", "perhaps")], "decision"),
    ] {
        let answer = person.post("/oauth/consent", &fields).await;
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{reason}");
        assert!(counted(&relay, "consent", reason).await >= 1.0, "{reason}");
    }
    let good = [("request", query.as_str()), ("form", form.as_str()), ("decision", "allow")];
    person.post_from("https://evil.example", "/oauth/consent", &good).await;
    assert!(counted(&relay, "consent", "form_origin").await >= 1.0);
    Person::new(&relay).post("/oauth/consent", &good).await;
    assert!(counted(&relay, "consent", "form_cookie").await >= 1.0);
    assert!(answer_of(&person.post_from(ISSUER, "/oauth/consent", &good).await).contains_key("code"));
}

#[tokio::test]
async fn a_code_is_exchanged_by_its_client_with_its_verifier_only() {
    let relay = start().await;
    put_alice(&relay, &[]).await;
    let (client_id, other) = (register(&relay).await, register(&relay).await);
    let code = Person::new(&relay).allow(&client_id).await;
    for (name, value, error, reason) in [
        ("code_verifier", "a-verifier-that-is-long-enough-but-not-the-one", "invalid_grant", "pkce_mismatch"),
        ("client_id", other.as_str(), "invalid_grant", "code_of_another_client"),
        ("client_id", "c_nobody", "invalid_client", "client_unknown"),
        ("redirect_uri", "http://localhost:1/callback", "invalid_grant", "redirect_mismatch"),
        ("resource", "https://mcp.example/bob", "invalid_target", "resource_mismatch"),
        ("code", "m2c_guess", "invalid_grant", "code_unknown"),
        ("grant_type", "password", "unsupported_grant_type", "grant_type"),
        ("code_verifier", "", "invalid_request", "parameter_missing"),
    ] {
        let form =
            exchange_form(&client_id, &code).map(|(it, was)| (it, if it == name { value } else { was }));
        let (status, body) = token(&relay, &form).await;
        let expected =
            if error == "invalid_client" { StatusCode::UNAUTHORIZED } else { StatusCode::BAD_REQUEST };
        assert_eq!((status, &body["error"]), (expected, &error.into()), "{name}");
        assert!(counted(&relay, "token", reason).await >= 1.0, "{reason}");
    }
    let (status, body) = exchange(&relay, &client_id, &code).await;
    assert_eq!(status, StatusCode::OK, "{body}");
}

#[tokio::test]
async fn a_replayed_code_revokes_what_it_led_to() {
    let relay = start().await;
    let key = put_alice(&relay, &[]).await;
    let client_id = register(&relay).await;
    let code = Person::new(&relay).allow(&client_id).await;
    let (_, tokens) = exchange(&relay, &client_id, &code).await;
    let access = tokens["access_token"].as_str().unwrap();
    assert_eq!(introspect(&relay, &key, access).await["active"], true);
    let (status, body) = exchange(&relay, &client_id, &code).await;
    assert_eq!((status, &body["error"]), (StatusCode::BAD_REQUEST, &"invalid_grant".into()));
    assert!(counted(&relay, "token", "code_replayed").await >= 1.0);
    assert_eq!(introspect(&relay, &key, access).await["active"], false);
    let (status, _) = refresh(&relay, &client_id, tokens["refresh_token"].as_str().unwrap()).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
}
