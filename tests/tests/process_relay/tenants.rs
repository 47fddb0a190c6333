//! Shows that an agent of another tenant is answered as if it did not exist.

use msg2agent::{Content, ErrorKind, Reason};
use protocol::admin::TenantSpec;

use crate::agents::{TENANT, declare, relay};

#[tokio::test]
async fn agents_of_another_tenant_do_not_exist() {
    let relay = relay().await;
    relay.admin().unwrap().put_tenant("globex", &TenantSpec::default()).await.unwrap();
    let alice = declare(&relay, TENANT, "alice").await.connect(&relay).await;
    let mallory = declare(&relay, "globex", "mallory").await.connect(&relay).await;

    assert!(mallory.discover(None).await.unwrap().iter().all(|found| &found.did != alice.did()));
    let not_found = ErrorKind::Rejected(Reason::NotFound);
    assert_eq!(mallory.lookup(alice.did()).await.unwrap_err().kind(), not_found);
    assert_eq!(mallory.send(alice.did(), Content::text("hi")).await.unwrap_err().kind(), not_found);
    assert_eq!(mallory.send_event(alice.did(), Content::text("hi")).await.unwrap_err().kind(), not_found);
    assert_eq!(mallory.send_typing(alice.did(), None).await.unwrap_err().kind(), not_found);
    // Just as for an agent that nobody has.
    let nobody = "did:wba:relay.test:agent:acme:nobody".parse().unwrap();
    assert_eq!(mallory.lookup(&nobody).await.unwrap_err().kind(), not_found);
}
