//! A control group that gives a relay no more memory than this, as the kubelet does for a pod.

use std::path::{Path, PathBuf};

use anyhow::Context as _;

const ROOT: &str = "/sys/fs/cgroup";

pub(crate) struct MemoryLimit {
    group: PathBuf,
    /// The group that this process is in.
    own: PathBuf,
}

impl MemoryLimit {
    /// # Errors
    /// This user may make no control groups, or they have no memory controller.
    pub(crate) fn new(bytes: u64) -> anyhow::Result<Self> {
        let (hierarchy, own, file) = match version_1() {
            Some((hierarchy, own)) => (hierarchy, own, "memory.limit_in_bytes"),
            None => {
                let root = PathBuf::from(ROOT);
                std::fs::write(root.join("cgroup.subtree_control"), "+memory")
                    .context("ask for the memory controller")?;
                (root, own_group("")?, "memory.max")
            }
        };
        let group = hierarchy.join(format!("msg2agent-test-{}", std::process::id()));
        std::fs::create_dir(&group).context("make a control group")?;
        let limit = Self { own: hierarchy.join(own.trim_start_matches('/')), group };
        std::fs::write(limit.group.join(file), bytes.to_string()).context("limit its memory")?;
        limit.enter(&limit.group)?;
        limit.enter(&limit.own)?;
        Ok(limit)
    }

    /// Does this as a member of the group: processes that it starts stay there.
    pub(crate) async fn within<T>(&self, work: impl Future<Output = T>) -> T {
        self.enter(&self.group).unwrap();
        let done = work.await;
        self.enter(&self.own).unwrap();
        done
    }

    fn enter(&self, group: &Path) -> anyhow::Result<()> {
        let member = std::process::id().to_string();
        std::fs::write(group.join("cgroup.procs"), member).context("enter a control group")
    }
}

impl Drop for MemoryLimit {
    fn drop(&mut self) {
        // A group with members stays; the relay has been ended before.
        let _ = std::fs::remove_dir(&self.group);
    }
}

/// The memory hierarchy of version 1, and the group of this process in it.
fn version_1() -> Option<(PathBuf, String)> {
    let hierarchy = Path::new(ROOT).join("memory");
    hierarchy.join("memory.limit_in_bytes").exists().then_some(())?;
    Some((hierarchy, own_group("memory").ok()?))
}

/// The group of this process in the hierarchy of this controller (none: version 2).
fn own_group(controller: &str) -> anyhow::Result<String> {
    let groups = std::fs::read_to_string("/proc/self/cgroup").context("read the groups of this process")?;
    let found = groups.lines().find_map(|line| {
        let (_, rest) = line.split_once(':')?;
        let (controllers, group) = rest.split_once(':')?;
        (controllers == controller).then(|| group.to_owned())
    });
    found.context("find the group of this process")
}
