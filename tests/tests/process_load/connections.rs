//! Tests of the runs of `load` that open many connections. Memory and times are not asserted.

use std::time::Duration;

use devtools::load::idle::{self, IdlePlan, IdleSubject};
use devtools::load::reconnects::{self, ReconnectsPlan};
use devtools::load::relay::agents::RelayTransport;

/// A connection that a server refuses or ends is an error.
#[tokio::test]
async fn idle_connections_stay_open_and_their_server_closes_them_with_their_clients() {
    devtools::install_tls_provider();
    let subjects = [IdleSubject::Relay, IdleSubject::RelayTls];
    let plan = IdlePlan {
        subjects: subjects.to_vec(),
        connections: 40,
        rounds: 2,
        idle: Duration::from_millis(200),
        pinned: false,
    };
    let report = idle::run(&plan).await.unwrap();
    println!("{report}");
    assert_eq!(report.rounds().map(|(subject, _)| subject).collect::<Vec<_>>(), subjects);
    for (subject, rounds) in report.rounds() {
        assert_eq!(rounds.len(), 2, "{subject}");
        assert!(rounds.iter().all(|round| round.before > 0 && round.idle >= plan.idle), "{rounds:?}");
    }
}

/// An agent that the relay refuses is an error, and so is a message of the bystanders that is lost,
/// repeated or out of order.
#[tokio::test]
async fn all_agents_are_back_after_their_connections_ended_at_once() {
    devtools::install_tls_provider();
    let transports = [RelayTransport::Plain, RelayTransport::Tls];
    let plan = ReconnectsPlan {
        transports: transports.to_vec(),
        connections: 60,
        connecting: 20,
        rounds: 2,
        calm: Duration::from_millis(200),
        pinned: false,
    };
    let report = reconnects::run(&plan).await.unwrap();
    println!("{report}");
    assert_eq!(report.rounds().map(|(transport, _)| transport).collect::<Vec<_>>(), transports);
    for (transport, rounds) in report.rounds() {
        assert_eq!(rounds.len(), 2, "{transport}");
        for round in rounds {
            let timed = round.calm.len() + round.meanwhile.len();
            assert!(0 < timed && timed <= round.messages, "{transport}: {timed} of {}", round.messages);
        }
    }
}
