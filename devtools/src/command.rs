//! Runs other programs. Their output is in the error when they fail.

use std::{
    ffi::OsStr,
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, bail};

/// First letters of the variables that kubectl, helm, the Kubernetes clients, OpenTelemetry and our
/// own programs read. `KUBE` covers KUBECONFIG and KUBERNETES_SERVICE_HOST.
const AMBIENT_PREFIXES: [&str; 4] = ["KUBE", "HELM_", "OTEL_", "MSG2AGENT_"];

/// A command that gets nothing from this environment by which it could reach another cluster, a
/// proxy, or other settings of msg2agent. Programs that download go without it: they may need the
/// proxy of their user.
pub fn isolated(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os().filter(|(name, _)| is_ambient(&name.to_string_lossy())) {
        command.env_remove(name);
    }
    command
}

fn is_ambient(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    AMBIENT_PREFIXES.iter().any(|prefix| name.starts_with(prefix)) || name.ends_with("_PROXY")
}

/// Runs `program` to its end and returns what it wrote to stdout.
pub fn run<A: AsRef<OsStr>>(program: &str, arguments: impl IntoIterator<Item = A>) -> anyhow::Result<String> {
    output_of(Command::new(program).args(arguments))
}

/// Runs a prepared command to its end, with no stdin, and returns what it wrote to stdout.
pub fn output_of(command: &mut Command) -> anyhow::Result<String> {
    let output =
        command.stdin(Stdio::null()).output().with_context(|| format!("start {}", shown(command)))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("{} failed ({}): {}", shown(command), output.status, said.trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Whether the command ends with success; what it writes is dropped.
pub fn succeeds<A: AsRef<OsStr>>(program: &str, arguments: impl IntoIterator<Item = A>) -> bool {
    run(program, arguments).is_ok()
}

/// Full path of a program in PATH or where distributions put those for the administrator.
pub fn find_program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin", "/sbin", "/usr/local/sbin"].map(PathBuf::from))
        .map(|folder| folder.join(name))
        .find(|candidate| is_executable(candidate))
}

fn is_executable(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0)
}

fn shown(command: &Command) -> String {
    let words: Vec<_> = std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_carries_what_the_program_said() {
        let error = run("sh", ["-c", "echo out of luck >&2; exit 3"]).unwrap_err().to_string();
        assert!(error.contains("out of luck") && error.contains('3'), "{error}");
    }

    #[test]
    fn what_leads_to_another_cluster_or_proxy_is_ambient() {
        let ambient = [
            "KUBECONFIG",
            "MSG2AGENT_KUBE_CONTEXT",
            "HELM_KUBECONTEXT",
            "https_proxy",
            "NO_PROXY",
            "ALL_PROXY",
        ];
        assert!(ambient.into_iter().all(is_ambient));
        assert!(!["PATH", "HOME", "XDG_CACHE_HOME", "CARGO", "TMPDIR"].into_iter().any(is_ambient));
    }

    #[test]
    fn programs_are_found_only_when_they_can_run() {
        assert!(find_program("sh").is_some());
        assert!(find_program("no-such-program-here").is_none());
    }
}
