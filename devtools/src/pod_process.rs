//! Finds the process of a pod's container among this machine's processes, to kill, pause or inspect
//! it. The node must run on this machine (the built-in cluster, kind), and this process must be
//! root.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, ensure};
use k8s_openapi::api::core::v1::Pod;
use kube::{Api, Client};

use crate::cluster::process_identity::ProcessIdentity;
use crate::memory_usage;

/// The one process of a pod's one container, and its pod as it was then.
#[derive(Debug, Clone)]
pub struct PodProcess {
    pub pod: String,
    /// How often the kubelet had restarted the container.
    pub restarts: i32,
    process: ProcessIdentity,
}

/// A paused process. It resumes when this is dropped.
#[derive(Debug)]
pub struct Paused<'a>(&'a PodProcess);

impl PodProcess {
    /// The process that serves in `pod` now.
    ///
    /// # Errors
    /// The container does not run, or its process is not on this machine.
    pub async fn of(client: &Client, namespace: &str, pod: &str) -> anyhow::Result<Self> {
        let found = Api::<Pod>::namespaced(client.clone(), namespace).get(pod).await?;
        let statuses = found.status.and_then(|status| status.container_statuses).unwrap_or_default();
        let status = statuses.first().with_context(|| format!("{pod} has no container yet"))?;
        ensure!(status.state.as_ref().is_some_and(|state| state.running.is_some()), "{pod} does not run");
        let id = status.container_id.as_deref().and_then(|id| id.split_once("://")).map(|(_, id)| id);
        let process = process_of(id.with_context(|| format!("{pod} names no container"))?)
            .with_context(|| format!("find the process of {pod} on this machine"))?;
        Ok(Self { pod: pod.to_owned(), restarts: status.restart_count, process })
    }

    pub fn pid(&self) -> u32 {
        self.process.pid
    }

    /// Ends it with no chance to say or write anything (SIGKILL). The kubelet starts another.
    ///
    /// # Errors
    /// The signal cannot be sent.
    pub fn kill(&self) -> anyhow::Result<()> {
        self.process.kill()
    }

    /// Stops it (SIGSTOP) until what is returned is dropped (SIGCONT).
    ///
    /// # Errors
    /// It has ended, or the signal cannot be sent.
    pub fn pause(&self) -> anyhow::Result<Paused<'_>> {
        self.process.signal("STOP")?;
        Ok(Paused(self))
    }

    pub fn is_alive(&self) -> bool {
        self.process.is_alive()
    }

    /// The most memory it has held since its start or the last
    /// [`reset_peak_memory`](Self::reset_peak_memory), in bytes.
    ///
    /// # Errors
    /// It has ended.
    pub fn peak_memory(&self) -> anyhow::Result<u64> {
        memory_usage::peak(self.pid()).with_context(|| format!("read the memory of {}", self.pod))
    }

    /// Counts the peak from now on.
    ///
    /// # Errors
    /// It has ended, or this process is not root.
    pub fn reset_peak_memory(&self) -> anyhow::Result<()> {
        fs::write(format!("/proc/{}/clear_refs", self.pid()), "5")
            .with_context(|| format!("reset the peak memory of {}", self.pod))
    }

    /// A folder as the process sees it, volumes included.
    #[must_use]
    pub fn folder(&self, path: &str) -> PathBuf {
        Path::new("/proc").join(self.pid().to_string()).join("root").join(path.trim_start_matches('/'))
    }
}

impl Drop for Paused<'_> {
    fn drop(&mut self) {
        if let Err(error) = self.0.process.signal("CONT") {
            eprintln!("{} stays paused: {error:#}", self.0.pod);
        }
    }
}

/// The process whose control group is that of the container; the name of the group ends with the
/// container's id.
fn process_of(container: &str) -> anyhow::Result<ProcessIdentity> {
    let processes = fs::read_dir("/proc").context("list the processes")?;
    let pids = processes.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
    let inside = |pid: &u32| {
        fs::read_to_string(format!("/proc/{pid}/cgroup")).is_ok_and(|groups| groups.contains(container))
    };
    let found: Vec<_> = pids.filter(inside).filter_map(ProcessIdentity::of).collect();
    match found.as_slice() {
        [one] => Ok(*one),
        [] => anyhow::bail!("no process here is in the control group of container {container}"),
        several => anyhow::bail!("{} processes are in container {container}", several.len()),
    }
}
