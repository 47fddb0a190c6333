//! Reads from the Relays' own metrics how many requests the operator has sent them.

use super::Bench;
use super::exposition;
use super::objects;

/// Port of a Relay's metrics.
pub const METRICS_PORT: u16 = 8081;

/// Requests at the admin API of all Relays since their pods started.
///
/// # Errors
/// A Relay's metrics cannot be read.
pub async fn admin_requests(bench: &Bench) -> anyhow::Result<f64> {
    let mut sum = 0.0;
    for number in 0..bench.plan.relays {
        let pod = format!("{}-0", objects::relay_name(number));
        let namespace = &bench.cluster.namespace;
        let path = format!("/api/v1/namespaces/{namespace}/pods/{pod}:{METRICS_PORT}/proxy/metrics");
        let page = bench.cluster.page(&path).await?;
        let samples = exposition::samples(&page, "msg2agent_relay_admin_requests_total")?;
        sum += samples.iter().map(|sample| sample.value).sum::<f64>();
    }
    Ok(sum)
}
