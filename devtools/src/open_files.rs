//! Raises the number of files that this process, and the programs it starts, may have open.

use anyhow::Context as _;

use crate::command::run;

/// Leaves a limit alone that is high enough.
///
/// # Errors
/// The system does not allow so many.
pub fn allow(files: u64) -> anyhow::Result<()> {
    let limits = std::fs::read_to_string("/proc/self/limits").context("read the limits of this process")?;
    if soft_limit(&limits).is_some_and(|allowed| allowed >= files) {
        return Ok(());
    }
    let (process, files) = (std::process::id().to_string(), format!("--nofile={files}:"));
    run("prlimit", ["--pid", &process, &files])?;
    Ok(())
}

/// How many sockets a process has open, those that listen included.
///
/// # Errors
/// It has ended.
pub fn sockets_of(pid: u32) -> anyhow::Result<usize> {
    let path = format!("/proc/{pid}/fd");
    let files = std::fs::read_dir(&path).with_context(|| format!("list {path}"))?;
    // One that cannot be read was closed meanwhile.
    let links = files.flatten().filter_map(|file| std::fs::read_link(file.path()).ok());
    Ok(links.filter(|link| is_socket(&link.to_string_lossy())).count())
}

fn is_socket(link: &str) -> bool {
    link.starts_with("socket:[")
}

fn soft_limit(limits: &str) -> Option<u64> {
    let files = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    Some(files.split_whitespace().next()?.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_are_told_apart_from_files_by_their_links() {
        assert!(is_socket("socket:[4711]"));
        assert!(!is_socket("/tmp/socket:[4711]") && !is_socket("anon_inode:[eventpoll]"));
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        assert!(sockets_of(std::process::id()).unwrap() > 0);
        drop(listener);
    }

    #[test]
    fn the_soft_limit_is_the_first_number() {
        let limits = "Max processes  9  9  processes\nMax open files            1024  20000  files\n";
        assert_eq!(soft_limit(limits), Some(1024));
        assert_eq!(soft_limit("Max open files  unlimited  unlimited  files"), Some(u64::MAX));
        assert_eq!(soft_limit(""), None);
    }
}
