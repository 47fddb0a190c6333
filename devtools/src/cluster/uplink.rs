//! Links this machine to a built-in cluster, with routes to its Services and pods. The name of the
//! link also reserves the network: the kernel gives a name once.

use anyhow::bail;

use super::{network::Network, process_identity::ProcessIdentity};
use crate::command::{run, succeeds};

/// Name of the link's other end, in the cluster.
pub(crate) const INNER_END: &str = "uplink";

/// Links the machine to the namespaces of `first` by the first network that is free here. Fails
/// where links or routes may not be made.
pub(crate) fn claim(first: ProcessIdentity) -> anyhow::Result<Network> {
    for network in Network::candidates() {
        if is_routed(network)? || !link(network, first)? {
            continue;
        }
        if let Err(error) = make_routes(network) {
            release(network)?;
            return Err(error);
        }
        return Ok(network);
    }
    bail!("all {} networks for test clusters are taken", super::network::SLOT_LIMIT)
}

/// Removes the link and with it the routes. They also go when the namespaces do, a moment later.
pub(crate) fn release(network: Network) -> anyhow::Result<()> {
    let link = network.link();
    if succeeds("ip", ["link", "show", &link]) && run("ip", ["link", "delete", &link]).is_err() {
        // The kernel may have removed it between the two commands.
        if succeeds("ip", ["link", "show", &link]) {
            bail!("the link {link} cannot be removed");
        }
    }
    Ok(())
}

/// Makes the link; `false` when another cluster has this network.
fn link(network: Network, first: ProcessIdentity) -> anyhow::Result<bool> {
    let (link, pid) = (network.link(), first.pid.to_string());
    let made =
        run("ip", ["link", "add", &link, "type", "veth", "peer", "name", INNER_END, "netns", &pid]).map(drop);
    match made {
        Ok(()) => Ok(true),
        Err(_) if succeeds("ip", ["link", "show", &link]) => Ok(false),
        Err(error) => Err(error),
    }
}

fn make_routes(network: Network) -> anyhow::Result<()> {
    let (link, node) = (network.link(), network.node().to_string());
    run("ip", ["address", "add", &format!("{}/24", network.outside()), "dev", &link])?;
    run("ip", ["link", "set", &link, "up"])?;
    for destination in [network.services(), network.pods()] {
        run("ip", ["route", "add", &destination, "via", &node, "dev", &link])?;
    }
    Ok(())
}

/// Whether this machine already sends packets for any of the network's addresses somewhere special.
fn is_routed(network: Network) -> anyhow::Result<bool> {
    for destination in [format!("{}/24", network.node()), network.services(), network.pods()] {
        let address = destination.split('/').next().unwrap_or_default();
        let routes = run("ip", ["route", "show", "to", "match", address])?;
        if names_more_than_the_default(&routes) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn names_more_than_the_default(routes: &str) -> bool {
    routes.lines().any(|route| !route.trim().is_empty() && !route.starts_with("default"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_default_route_does_not_make_a_network_taken() {
        assert!(!names_more_than_the_default(""));
        assert!(!names_more_than_the_default("default via 192.0.2.1 dev eth0\n"));
        assert!(names_more_than_the_default(
            "default via 192.0.2.1 dev eth0\n10.0.0.0/8 via 10.1.1.1 dev vpn0\n"
        ));
    }
}
