//! Tests of `PUT agents`, which writes many agents at once.

use protocol::Reason;
use protocol::admin::{
    AgentBatch, AgentSpec, AgentView, AgentWrite, BATCH_MAX, BatchApplied, BatchResult, OWNER_HEADER, Owner,
    TERM_HEADER, Version,
};
use reqwest::Method;

use crate::harness::{agent_spec, new_key, start};

fn item(tenant: &str, name: &str, uid: &str) -> AgentWrite {
    AgentWrite {
        tenant: tenant.parse().unwrap(),
        name: name.parse().unwrap(),
        owner: Owner::Kubernetes(uid.into()),
        former_owner: None,
        if_owned: false,
        spec: agent_spec(&[(&new_key(), None)]),
    }
}

fn reason(result: &BatchResult) -> Option<Reason> {
    match result {
        BatchResult::Applied(_) => None,
        BatchResult::Problem(problem) => Some(problem.reason),
    }
}

#[tokio::test]
async fn the_largest_batch_is_one_transaction_and_answers_in_order() {
    let relay = start().await;
    let items = (0..BATCH_MAX).map(|number| item("default", &format!("agent-{number}"), "a")).collect();
    let commits = "msg2agent_relay_directory_commits_total";
    assert_eq!(relay.metric(commits).await, Some(0.0));
    let applied: BatchApplied =
        relay.admin(Method::PUT, "agents", Some(&AgentBatch { items })).await.unwrap();
    let versions = applied.results.iter().map(|result| match result {
        BatchResult::Applied(applied) => applied.version,
        BatchResult::Problem(problem) => panic!("{problem:?}"),
    });
    assert!(versions.eq((2..).take(BATCH_MAX)));
    assert_eq!(relay.metric(commits).await, Some(1.0));
}

#[tokio::test]
async fn a_refused_item_does_not_hold_up_the_others() {
    let relay = start().await;
    relay.put("tenants/default/agents/bob", &AgentSpec::default()).await.unwrap();
    let owned = AgentBatch { items: vec![item("default", "bob", "b")] };
    relay.admin::<BatchApplied>(Method::PUT, "agents", Some(&owned)).await.unwrap();
    let handed_over =
        AgentWrite { former_owner: Some(Owner::Kubernetes("b".into())), ..item("default", "bob", "a") };
    let strict = AgentWrite { if_owned: true, ..item("default", "carol", "a") };
    let items = vec![
        item("default", "bob", "a"),
        item("nowhere", "alice", "a"),
        strict,
        handed_over,
        item("default", "alice", "a"),
    ];
    let applied: BatchApplied =
        relay.admin(Method::PUT, "agents", Some(&AgentBatch { items })).await.unwrap();
    let reasons: Vec<_> = applied.results.iter().map(reason).collect();
    let expected = [Some(Reason::OwnerConflict), Some(Reason::NotFound), Some(Reason::NotFound), None, None];
    assert_eq!(reasons, expected);
    let bob: AgentView = relay.get("tenants/default/agents/bob").await.unwrap();
    assert_eq!(bob.owner, Some(Owner::Kubernetes("a".into())));
}

#[tokio::test]
async fn a_batch_carries_the_term_of_its_request() {
    let relay = start().await;
    let batch = AgentBatch { items: vec![item("default", "alice", "a"), item("default", "bob", "a")] };
    let write = async |term| {
        let headers = [(TERM_HEADER, term)];
        let applied: BatchApplied =
            relay.admin_with(&headers, Method::PUT, "agents", Some(&batch)).await.unwrap();
        applied.results.iter().map(reason).collect::<Vec<_>>()
    };
    assert_eq!(write("5.5").await, [None; 2]);
    assert_eq!(write("5.4").await, [Some(Reason::StaleTerm); 2]);
}

#[tokio::test]
async fn a_batch_that_is_too_long_or_names_owners_twice_is_refused_as_a_whole() {
    let relay = start().await;
    let items: Vec<_> =
        (0..=BATCH_MAX).map(|number| item("default", &format!("agent-{number}"), "a")).collect();
    let one = AgentBatch { items: vec![item("default", "alice", "a")] };
    let registration = AgentWrite { owner: Owner::Registration, ..item("default", "alice", "a") };
    let nobody = AgentWrite { owner: Owner::Newer("me".into()), ..item("default", "alice", "a") };
    let owner = (OWNER_HEADER, "kubernetes:a");
    for (headers, batch, part) in [
        (&[][..], AgentBatch { items }, "at most 256 items"),
        (&[owner], one, "each item of a batch names its owner"),
        (&[], AgentBatch { items: vec![registration] }, "registration owns only"),
        (&[], AgentBatch { items: vec![nobody] }, "an owner is command-line"),
    ] {
        let refused = relay.admin_with::<BatchApplied>(headers, Method::PUT, "agents", Some(&batch)).await;
        let problem = refused.unwrap_err();
        assert_eq!(problem.reason, Reason::InvalidParams);
        assert!(problem.detail.is_some_and(|detail| detail.contains(part)), "{part}");
    }
    assert_eq!(relay.get::<Version>("version").await.unwrap().version, 1);
}
