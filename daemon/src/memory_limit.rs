//! The memory that the control group of this process allows, as the kubelet limits a container.

use std::path::{Path, PathBuf};

const ROOT: &str = "/sys/fs/cgroup";
/// Version 1 says a number near the largest one instead of "no limit".
const UNLIMITED_BYTES: u64 = 1 << 60;

/// The least limit of the process's control group and of the groups around it, in bytes. `None` if
/// there is none, or none can be read.
#[must_use]
pub fn of_control_group() -> Option<u64> {
    let groups = std::fs::read_to_string("/proc/self/cgroup").ok()?;
    let limits =
        limit_files(&groups).into_iter().filter_map(|file| limit(&std::fs::read_to_string(file).ok()?));
    limits.min()
}

fn limit(text: &str) -> Option<u64> {
    text.trim().parse().ok().filter(|bytes| *bytes < UNLIMITED_BYTES)
}

/// The files that may hold a limit, by the lines of `/proc/self/cgroup`.
fn limit_files(groups: &str) -> Vec<PathBuf> {
    let of_line = |line: &str| {
        let (_, rest) = line.split_once(':')?;
        let (controllers, group) = rest.split_once(':')?;
        let (root, file) = match controllers {
            "" => (PathBuf::from(ROOT), "memory.max"),
            _ if controllers.split(',').any(|name| name == "memory") => {
                (Path::new(ROOT).join("memory"), "memory.limit_in_bytes")
            }
            _ => return None,
        };
        let group = Path::new(group.trim_start_matches('/'));
        Some(group.ancestors().map(|group| root.join(group).join(file)).collect::<Vec<_>>())
    };
    groups.lines().filter_map(of_line).flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(groups: &str) -> Vec<String> {
        limit_files(groups).into_iter().map(|file| file.display().to_string()).collect()
    }

    #[test]
    fn the_limits_of_all_groups_around_count_in_both_versions() {
        let expected = [
            "/sys/fs/cgroup/pods/one/memory.max",
            "/sys/fs/cgroup/pods/memory.max",
            "/sys/fs/cgroup/memory.max",
        ];
        assert_eq!(files("0::/pods/one\n"), expected);
        let groups = "5:cpu,cpuacct:/a\n4:hugetlb,memory:/b\n1:name=systemd:/c\n";
        let expected =
            ["/sys/fs/cgroup/memory/b/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.limit_in_bytes"];
        assert_eq!(files(groups), expected);
        assert_eq!(files("0::/\n"), ["/sys/fs/cgroup/memory.max"], "in a container");
    }

    #[test]
    fn a_group_without_a_limit_has_none() {
        assert_eq!(limit("536870912\n"), Some(512 << 20));
        assert_eq!(limit("max\n"), None);
        assert_eq!(limit("9223372036854771712\n"), None);
    }
}
