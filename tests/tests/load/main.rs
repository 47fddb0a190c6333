//! The load generator counts right: short unpinned rounds against real servers. Speeds are not asserted.

use std::time::Duration;

use msg2agent_tests::load::plan::{Plan, Subject, Workload};

/// Runs each subject twice for a moment and looks at the counts.
async fn every_message_is_counted(subjects: &[Subject]) {
    drop(rustls::crypto::ring::default_provider().install_default());
    let plan = Plan {
        subjects: subjects.to_vec(),
        workloads: vec![Workload { pairs: 2, window: 4 }],
        rounds: 2,
        warm_up: Duration::from_millis(50),
        measured: Duration::from_millis(200),
        size: 1024,
        pinned: false,
    };
    // A round whose sent, arrived and answered messages differ is an error.
    let report = msg2agent_tests::load::run(&plan).await.unwrap();
    assert_eq!(report.rounds().count(), subjects.len());
    for (workload, subject, rounds) in report.rounds() {
        assert_eq!(rounds.len(), 2, "{subject} {workload}");
        for round in rounds {
            assert!(0 < round.messages && round.messages <= round.total, "{subject}: {round:?}");
            let timed = round.latency.len();
            assert!(timed.abs_diff(round.messages) <= 16, "{subject}: {timed} latencies of {}", round.messages);
        }
    }
}

#[tokio::test]
async fn the_forwarder_loses_and_repeats_nothing() {
    every_message_is_counted(&[Subject::Forwarder, Subject::ForwarderAnswered]).await;
}

#[tokio::test]
async fn nats_loses_and_repeats_nothing() {
    if !msg2agent_tests::load::nats::is_installed() {
        eprintln!("nats-server is not installed; nothing is compared with it here");
        return;
    }
    every_message_is_counted(&[Subject::Nats, Subject::NatsAnswered]).await;
}

#[tokio::test]
async fn the_relay_loses_and_repeats_nothing_in_either_class() {
    every_message_is_counted(&[Subject::RelayEphemeral, Subject::RelayReliable]).await;
}
