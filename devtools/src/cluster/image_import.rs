//! Imports image archives into the container runtime of a cluster.

use std::{path::Path, process::Command};

use super::{component_config::CONTAINERD_SOCKET, namespaces, process_identity::ProcessIdentity};
use crate::command::output_of;

/// containerd's client, for the images the kubelet sees. It works inside the namespaces only.
pub fn ctr() -> Command {
    with_socket(Command::new("ctr"))
}

/// Imports an archive, from a process that is inside.
pub fn import_inside(archive: &Path) -> anyhow::Result<()> {
    output_of(ctr().args(["images", "import"]).arg(archive)).map(drop)
}

/// Imports an archive into the built-in cluster of `first`, from the machine.
pub fn import(first: ProcessIdentity, archive: &Path) -> anyhow::Result<()> {
    let mut command = with_socket(namespaces::inside(first, "ctr"));
    output_of(command.args(["images", "import"]).arg(archive)).map(drop)
}

fn with_socket(mut command: Command) -> Command {
    command.args(["--address", CONTAINERD_SOCKET, "--namespace", "k8s.io"]);
    command
}
