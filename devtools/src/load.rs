//! Generates load in a closed or an open loop: pairs of agents exchange messages through a relay, a
//! plain TCP forwarder and a NATS server in interleaved rounds, and the server's CPU time is
//! counted per message.
//!
//! Reading order: [`plan`] (what runs), [`round`] (one measurement), [`pair`] (the loop),
//! [`report`] and [`latency_report`] (the tables). [`noisy_neighbour`], [`idle`], [`backlog`] and
//! [`reconnects`] are runs of their own. Loopback only.

pub mod backlog;
pub mod buffered_stream;
pub mod client_socket;
pub mod codec;
pub mod forwarder;
pub mod idle;
pub mod latency_report;
pub mod nats;
pub mod noisy_neighbour;
pub mod pair;
pub mod plan;
pub mod process;
pub mod reconnects;
pub mod relay;
pub mod report;
pub mod round;
pub mod send_schedule;
pub mod server;
pub mod websocket;
pub mod window;

use anyhow::Context as _;

use plan::LoadPlan;
use report::LoadReport;
use server::Servers;

/// Runs every workload of the plan: all subjects in turn, round after round, so that a noisy moment
/// hits them alike.
///
/// # Errors
/// The first server that does not start, and the first round whose counts do not agree.
pub async fn run(plan: &LoadPlan) -> anyhow::Result<LoadReport> {
    let servers = Servers::start(plan).await?;
    let mut report = LoadReport::default();
    for workload in &plan.workloads {
        for number in 0..plan.rounds {
            for subject in &plan.subjects {
                if let Some(reason) = servers.missing(*subject) {
                    report.leave_out(*subject, reason);
                    continue;
                }
                let round = round::run(&servers, *subject, *workload, plan)
                    .await
                    .with_context(|| format!("{subject}, {workload}, round {}", number + 1))?;
                tracing::info!(%subject, %workload, round = number + 1, messages = round.messages, "round done");
                report.add(*workload, *subject, round);
            }
        }
    }
    Ok(report)
}
