//! Searches the memory of a running process for a text: a planted text is found, and what a relay
//! must never hold is not.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

/// Bytes read at a time. Two reads overlap by the needle's length, so that nothing hides at a
/// boundary.
const CHUNK_BYTES: usize = 1 << 20;

/// How often `needle` occurs in the readable memory of process `pid` (`/proc/<pid>/maps` and `mem`;
/// the caller must be allowed to trace it).
///
/// # Errors
/// The process is gone or may not be read.
pub fn count(pid: u32, needle: &[u8]) -> io::Result<usize> {
    let maps = std::fs::read_to_string(format!("/proc/{pid}/maps"))?;
    let memory = File::open(format!("/proc/{pid}/mem"))?;
    Ok(maps.lines().filter_map(readable_range).map(|(from, to)| count_in(&memory, from, to, needle)).sum())
}

/// The range of a line of `maps`, when its memory can be read; the kernel's own pages cannot.
fn readable_range(line: &str) -> Option<(u64, u64)> {
    let mut fields = line.split_whitespace();
    let (from, to) = fields.next()?.split_once('-')?;
    let readable = fields.next()?.starts_with('r');
    let kernels = line.ends_with("[vvar]") || line.ends_with("[vsyscall]") || line.ends_with("[vvar_vclock]");
    let range = (u64::from_str_radix(from, 16).ok()?, u64::from_str_radix(to, 16).ok()?);
    (readable && !kernels).then_some(range)
}

fn count_in(memory: &File, from: u64, to: u64, needle: &[u8]) -> usize {
    let mut found = 0;
    let mut buffer = vec![0; CHUNK_BYTES + needle.len().saturating_sub(1)];
    let mut at = from;
    while at < to {
        let wanted = usize::try_from(to - at).unwrap_or(usize::MAX).min(buffer.len());
        // A page that was unmapped in the meantime holds nothing.
        let Some(window) = buffer.get_mut(..wanted) else { break };
        if memory.read_exact_at(window, at).is_ok() {
            found += window.windows(needle.len()).filter(|bytes| *bytes == needle).count();
        }
        at += CHUNK_BYTES as u64;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_planted_text_is_found_and_another_is_not() {
        let mut child = std::process::Command::new("sleep")
            .arg("600")
            .env("PLANTED", "a text that only this child holds")
            .spawn()
            .expect("sleep is part of every system");
        let found = count(child.id(), b"text that only this child");
        let absent = count(child.id(), b"text that nobody holds");
        child.kill().expect("our own child");
        child.wait().expect("our own child");
        assert!(found.unwrap() >= 1);
        assert_eq!(absent.unwrap(), 0);
    }
}
