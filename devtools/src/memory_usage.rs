//! Reads how much memory a process of this machine holds (proc_pid_status(5)).

use anyhow::Context as _;

/// The most that the process has held, in bytes.
///
/// # Errors
/// It has ended.
pub fn peak(pid: u32) -> anyhow::Result<u64> {
    read(pid, "VmHWM:")
}

/// What the process holds now, in bytes.
///
/// # Errors
/// It has ended.
pub fn resident(pid: u32) -> anyhow::Result<u64> {
    read(pid, "VmRSS:")
}

fn read(pid: u32, name: &str) -> anyhow::Result<u64> {
    let path = format!("/proc/{pid}/status");
    let status = std::fs::read_to_string(&path).with_context(|| format!("read {path}"))?;
    bytes_of(&status, name).with_context(|| format!("find {name} in {path}"))
}

fn bytes_of(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_found_by_its_whole_name() {
        let status = "VmPeak:\t 9 kB\nVmHWM:\t   2048 kB\nVmRSS:\t 1 kB\n";
        assert_eq!(bytes_of(status, "VmHWM:"), Some(2 << 20));
        assert_eq!(bytes_of(status, "VmRSS:"), Some(1 << 10));
        assert_eq!(bytes_of("VmRSS:\t 1 kB\n", "VmHWM:"), None);
    }
}
