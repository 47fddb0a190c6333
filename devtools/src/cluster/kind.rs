//! Starts and ends clusters with the program `kind`, where a Docker engine answers.

use std::path::Path;

use super::folder::ClusterFolder;
use crate::command::{output_of, run};

/// Starts a kind cluster whose kubeconfig lies in `folder`, and waits until it is ready.
pub(crate) fn up(folder: &ClusterFolder, name: &str) -> anyhow::Result<()> {
    let mut command = std::process::Command::new("kind");
    command
        .args(["create", "cluster", "--name", name, "--wait", "180s", "--kubeconfig"])
        .arg(folder.kubeconfig());
    output_of(&mut command).map(drop)
}

/// Ends it.
pub(crate) fn down(name: &str) -> anyhow::Result<()> {
    if !is_up(name) {
        return Ok(());
    }
    run("kind", ["delete", "cluster", "--name", name]).map(drop)
}

/// Puts an image archive onto its nodes.
pub(crate) fn load(name: &str, archive: &Path) -> anyhow::Result<()> {
    let mut command = std::process::Command::new("kind");
    output_of(command.args(["load", "image-archive", "--name", name]).arg(archive)).map(drop)
}

/// Whether the cluster exists. Without the program `kind` there is none.
pub(crate) fn is_up(name: &str) -> bool {
    run("kind", ["get", "clusters"]).is_ok_and(|names| names.lines().any(|line| line == name))
}
