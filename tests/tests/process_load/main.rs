//! Checks the counts of the load generators in short unpinned rounds against real servers. Speeds
//! are not asserted.

#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up should fail on the spot")]

mod backlog;
mod connections;
mod noisy_neighbour;

use std::time::{Duration, Instant};

use devtools::load::latency_report::LatencyReport;
use devtools::load::plan::{LoadPlan, LoadSubject, SendPace, Workload};
use devtools::load::report::LoadReport;
use devtools::mcp_load;
use devtools::mcp_load::round::CallSubject;

/// Runs each subject twice for a moment. A round whose sent, arrived and answered messages differ
/// is an error.
async fn two_rounds_of(subjects: &[LoadSubject]) -> anyhow::Result<LoadReport> {
    devtools::install_tls_provider();
    devtools::load::run(&short_plan(subjects)).await
}

fn short_plan(subjects: &[LoadSubject]) -> LoadPlan {
    LoadPlan {
        subjects: subjects.to_vec(),
        workloads: vec![Workload { pairs: 2, window: 4 }],
        pace: SendPace::ClosedLoop,
        rounds: 2,
        warm_up: Duration::from_millis(50),
        measured: Duration::from_millis(200),
        size: 1024,
        pinned: false,
    }
}

fn assert_counted(report: &LoadReport, subjects: usize) {
    assert_eq!(report.rounds().count(), subjects);
    for (workload, subject, rounds) in report.rounds() {
        assert_eq!(rounds.len(), 2, "{subject} {workload}");
        for round in rounds {
            assert!(0 < round.messages && round.messages <= round.total, "{subject}: {round:?}");
            let timed = round.latency.len();
            assert!(
                timed.abs_diff(round.messages) <= 16,
                "{subject}: {timed} latencies of {}",
                round.messages
            );
        }
    }
}

#[tokio::test]
async fn the_forwarder_loses_and_repeats_nothing() {
    assert_counted(
        &two_rounds_of(&[LoadSubject::Forwarder, LoadSubject::ForwarderAnswered]).await.unwrap(),
        2,
    );
}

#[tokio::test]
async fn nats_loses_and_repeats_nothing() {
    if let Err(error) = devtools::load::nats::program() {
        eprintln!("nothing is compared with nats-server here: {error:#}");
        return;
    }
    let subjects = [
        LoadSubject::Nats,
        LoadSubject::NatsWebSocket,
        LoadSubject::NatsAnswered,
        LoadSubject::NatsWebSocketAnswered,
    ];
    assert_counted(&two_rounds_of(&subjects).await.unwrap(), 4);
}

#[tokio::test]
async fn the_relay_loses_and_repeats_nothing_in_either_class() {
    assert_counted(
        &two_rounds_of(&[LoadSubject::RelayEphemeral, LoadSubject::RelayReliable]).await.unwrap(),
        2,
    );
}

/// Messages per second of an open loop.
const OPEN_LOOP_RATE: u32 = 2_000;

#[tokio::test]
async fn an_open_loop_sends_no_more_than_its_schedule_and_loses_nothing() {
    devtools::install_tls_provider();
    // Reliable messages would wait for the disk, which may take longer than the measurement.
    let subjects = [LoadSubject::Forwarder, LoadSubject::RelayEphemeral];
    let plan = LoadPlan {
        workloads: vec![Workload { pairs: 2, window: 256 }],
        pace: SendPace::OpenLoop { per_second: OPEN_LOOP_RATE },
        measured: Duration::from_secs(1),
        ..short_plan(&subjects)
    };
    let begun = Instant::now();
    let report = devtools::load::run(&plan).await.unwrap();
    println!("{}", LatencyReport(&report));
    assert_eq!(report.rounds().count(), subjects.len());
    let mut sent = 0;
    for (_, subject, rounds) in report.rounds() {
        for round in rounds {
            assert!(0 < round.messages && round.messages <= round.total, "{subject}: {round:?}");
            sent += round.total;
        }
    }
    // Each pair sends its first message at the start of a round.
    let first = (subjects.len() * 2 * 2) as f64;
    assert!(sent as f64 <= f64::from(OPEN_LOOP_RATE) * begun.elapsed().as_secs_f64() + first, "{report}");
}

/// Open files that a thousand sessions need: a stream each, at two servers, and room.
const FILES: u64 = 8_192;

/// Each call that fails ends the run with an error.
#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_sessions_on_one_gateway_answer_every_call() {
    devtools::install_tls_provider();
    // Programs that this process starts inherit its limit.
    devtools::open_files::allow(FILES).unwrap();
    let plan = mcp_load::McpLoadPlan {
        sessions: 1_000,
        agents: 8,
        in_flight: 8,
        rounds: 1,
        measured: Duration::from_secs(1),
    };
    let report = mcp_load::run(&plan).await.unwrap();
    println!("{report}");
    for called in CallSubject::ALL {
        assert!(report.calls(called) > 0, "{report}");
    }
    // Counts, not speed: a session is a handle and a stream, without a thread or a buffer.
    let [gateway, endpoint, _bare] = report.bytes_per_session();
    assert!(gateway < 256 * 1024 && endpoint < 512 * 1024, "{report}");
}
