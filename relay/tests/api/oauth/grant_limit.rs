//! The most grants that one account has.

use super::person::*;
use super::store;
use crate::harness::{TestRelay, start};

/// Copies the grant of the first account until it has 50, each older than the one before.
const FILL: &str = "
    with recursive numbers (number) as (select 1 union all select number + 1 from numbers where number < 49)
    insert into oauth_grants
      (grant_id, account, client_id, tenant, agent, resource, gateway, scope, created, expires)
    select 'g_copy_' || number, account, client_id, tenant, agent, resource, gateway, scope,
           created - number, expires
    from numbers, (select * from oauth_grants order by created, grant_id limit 1)";
/// Makes the grant of the other account the oldest of all.
const AGE_THE_OTHER: &str = "
    update oauth_grants set created = 1
    where account <> (select account from oauth_grants where grant_id = 'g_copy_1')";
const OF_THE_ACCOUNT: &str = "
    select count(*) from oauth_grants
    where account = (select account from oauth_grants where grant_id = 'g_copy_1')";
const OLDEST_COPY: &str = "
    select max(cast(substr(grant_id, 8) as integer)) from oauth_grants where grant_id like 'g_copy_%'";

/// Allows one more client of a person who is signed in; returns its access token.
async fn allow_another(relay: &TestRelay, person: &mut Person<'_>) -> String {
    let client_id = register(relay).await;
    let page = person.authorize(&request(&client_id, &[])).await.text().await.unwrap();
    let answer = answer_of(&person.decide(&page, "allow").await);
    let (_, tokens) = exchange(relay, &client_id, &answer["code"]).await;
    tokens["access_token"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn the_fifty_first_grant_of_an_account_ends_its_oldest_one_and_no_other() {
    let relay = start().await;
    let key = put_alice(&relay, &[]).await;
    let mut person = Person::new(&relay);
    let first = register(&relay).await;
    let invitation = invite(&relay, None).await;
    let page = person.sign_in(&request(&first, &[]), &invitation.code).await;
    let code = answer_of(&person.decide(&page, "allow").await)["code"].clone();
    let (_, tokens) = exchange(&relay, &first, &code).await;
    assert_eq!(store::change(&relay, FILL).await, 49);
    let other = connect(&relay).await;
    assert_eq!(store::change(&relay, AGE_THE_OTHER).await, 1);
    assert_eq!(store::number(&relay, OF_THE_ACCOUNT).await, 50);

    let newest = allow_another(&relay, &mut person).await;
    assert_eq!(store::number(&relay, OF_THE_ACCOUNT).await, 50);
    assert_eq!(store::number(&relay, OLDEST_COPY).await, 48, "the oldest one is gone");
    let second = allow_another(&relay, &mut person).await;
    assert_eq!(store::number(&relay, OF_THE_ACCOUNT).await, 50);
    assert_eq!(store::number(&relay, OLDEST_COPY).await, 47);
    for token in [tokens["access_token"].as_str().unwrap(), &newest, &second, &other.access] {
        assert_eq!(introspect(&relay, &key, token).await["active"], true);
    }
}
