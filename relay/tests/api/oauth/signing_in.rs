//! Sign-in with invitations.

use reqwest::StatusCode;

use super::person::*;
use crate::harness::{eventually, start};

#[tokio::test]
async fn an_invitation_works_once() {
    let relay = start().await;
    put_alice(&relay, &[]).await;
    let client_id = register(&relay).await;
    let query = request(&client_id, &[]);
    let invitation = invite(&relay, None).await;
    Person::new(&relay).sign_in(&query, &invitation.code).await;
    let again = Person::new(&relay).type_code(&query, &invitation.code).await;
    assert_eq!(again.status(), StatusCode::OK);
    assert!(again.text().await.unwrap().contains("was used before"));
    assert!(counted(&relay, "sign_in_invitation", "invitation_used").await >= 1.0);
}

#[tokio::test]
async fn an_expired_or_unknown_invitation_is_refused() {
    let relay = start().await;
    put_alice(&relay, &[]).await;
    let client_id = register(&relay).await;
    let query = request(&client_id, &[]);
    let short = invite(&relay, Some(1)).await;
    eventually("the invitation expires", async || {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
        (now >= short.expires).then_some(())
    })
    .await;
    for (code, reason) in [(short.code.as_str(), "invitation_expired"), ("m2inv_guess", "invitation_unknown")]
    {
        let answer = Person::new(&relay).type_code(&query, code).await;
        assert_eq!(answer.status(), StatusCode::OK);
        assert!(counted(&relay, "sign_in_invitation", reason).await >= 1.0, "{reason}");
    }
}

#[tokio::test]
async fn an_invitation_for_one_agent_is_none_for_another() {
    let relay = start().await;
    put_alice(&relay, &[]).await;
    relay.agent_with_key("bob").await;
    let mcp =
        protocol::admin::McpSpec { url: "https://mcp.example/bob".into(), accounts: vec![], endpoint: None };
    relay.put("tenants/default/agents/bob/mcp", &mcp).await.unwrap();
    let client_id = register(&relay).await;
    let invitation = invite(&relay, None).await;
    let bobs = request(&client_id, &[("resource", "https://mcp.example/bob")]);
    let answer = Person::new(&relay).type_code(&bobs, &invitation.code).await;
    assert!(answer.text().await.unwrap().contains("not an invitation to this agent"));
    // A person who is signed in for alice has to sign in again for bob.
    let mut person = Person::new(&relay);
    person.sign_in(&request(&client_id, &[]), &invitation.code).await;
    let page = person.authorize(&bobs).await.text().await.unwrap();
    assert!(page.contains("may not use this agent"), "{page}");
}

#[tokio::test]
async fn guesses_of_invitations_are_throttled() {
    let relay = start().await;
    put_alice(&relay, &[]).await;
    let client_id = register(&relay).await;
    let mut person = Person::new(&relay);
    let page = person.authorize(&request(&client_id, &[])).await.text().await.unwrap();
    let (query, form) = (field(&page, "request"), field(&page, "form"));
    let fields = [("request", query.as_str()), ("form", &form), ("code", "m2inv_guess")];
    let mut statuses = Vec::new();
    for _ in 0..20 {
        statuses.push(person.post("/oauth/sign-in/invitation", &fields).await.status());
    }
    assert_eq!(statuses.last(), Some(&StatusCode::TOO_MANY_REQUESTS), "{statuses:?}");
    assert!(counted(&relay, "sign_in_invitation", "throttled").await >= 1.0);
}

#[tokio::test]
async fn a_suspension_during_sign_in_is_shown_on_the_page_with_a_link_to_the_client() {
    let relay = start().await;
    put_alice(&relay, &[]).await;
    let client_id = register(&relay).await;
    let invitation = invite(&relay, None).await;
    let mut person = Person::new(&relay);
    let page = person.authorize(&request(&client_id, &[])).await.text().await.unwrap();
    let suspended = protocol::admin::TenantSpec { suspended: true, ..Default::default() };
    relay.put("tenants/default", &suspended).await.unwrap();
    let (query, form) = (field(&page, "request"), field(&page, "form"));
    let fields = [("request", query.as_str()), ("form", &form), ("code", &invitation.code)];
    let answer = person.post("/oauth/sign-in/invitation", &fields).await;
    assert_eq!(answer.status(), StatusCode::FORBIDDEN);
    let page = unescape(&answer.text().await.unwrap());
    assert!(page.contains("Go back to localhost") && page.contains("error=access_denied"), "{page}");
    assert!(counted(&relay, "sign_in_invitation", "suspended").await >= 1.0);
}
