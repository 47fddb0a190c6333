//! Makes and enters the network, mount and process namespaces of the built-in cluster. They belong
//! to one process, `first`: when it ends, the kernel ends every process inside, every mount and
//! every link.

use std::{
    fs::File,
    path::Path,
    process::{Child, Command, Stdio},
};

use anyhow::Context as _;

use super::process_identity::ProcessIdentity;
use crate::command::isolated;

/// Starts `program node --folder FOLDER` as the only job of a shell that is process 1 in new
/// namespaces. The shell is there because process 1 must collect orphans. Stdin stays open for the
/// one line of the node's parameters. The components inherit no proxy: none can be reached from
/// inside.
pub(crate) fn start(program: &Path, folder: &Path, log: File) -> anyhow::Result<(Child, ProcessIdentity)> {
    let child = isolated("setsid")
        .args(["unshare", "--net", "--mount", "--propagation=private", "--pid", "--fork", "--mount-proc"])
        .args(["--kill-child=KILL", "sh", "-c", "exec 3<&0; \"$@\" <&3 & wait $!", "sh"])
        .arg(program)
        .args(["node", "--folder"])
        .arg(folder)
        .stdin(Stdio::piped())
        .stdout(log.try_clone().context("share the node's log")?)
        .stderr(log)
        .spawn()
        .context("start unshare (of util-linux)")?;
    let first = ProcessIdentity::of(child.id()).context("the cluster's first process ended at once")?;
    Ok((child, first))
}

/// A command that runs `program` inside the namespaces of `first`.
pub(crate) fn inside(first: ProcessIdentity, program: &str) -> Command {
    let namespace = |kind: &str, name: &str| format!("--{kind}=/proc/{}/ns/{name}", first.pid);
    let mut command = isolated("nsenter");
    command
        .arg(namespace("net", "net"))
        .arg(namespace("mount", "mnt"))
        .arg(namespace("pid", "pid_for_children"))
        .arg("--")
        .arg(program);
    command
}
