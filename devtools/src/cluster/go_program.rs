//! Builds the Go programs of the test cluster and of the load generator once per version of their
//! sources, and keeps them in the user's cache folder.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail, ensure};
use sha2::{Digest as _, Sha256};

use super::cache;
use crate::command::{find_program, output_of};

/// Between two lines on the progress of a long build.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(15);

/// A Go module below `devtools/cluster/` that builds one program.
#[derive(Debug, Clone, Copy)]
pub struct GoProgram {
    /// Folder of the module and name of the program.
    pub name: &'static str,
    /// The required module whose version the program has.
    pub module: &'static str,
    /// Package to build, as the go command takes it.
    pub package: &'static str,
    /// Linker flags beyond `-s -w`.
    pub linker_flags: &'static str,
    /// Time of a build with an empty build cache on two cores, for the notice.
    pub expected: Duration,
}

/// etcd and every Kubernetes component in one program; it picks by the name it is called with.
pub const KUBERNETES: GoProgram = GoProgram {
    name: "kubernetes",
    module: "k8s.io/kubernetes",
    package: ".",
    linker_flags: "-X k8s.io/component-base/version.gitVersion=v1.35.4 \
                   -X k8s.io/component-base/version.gitMajor=1 -X k8s.io/component-base/version.gitMinor=35",
    expected: Duration::from_secs(5 * 60),
};

/// CoreDNS with the plugins a test cluster needs.
pub const COREDNS: GoProgram = GoProgram {
    name: "coredns",
    module: "github.com/coredns/coredns",
    package: ".",
    linker_flags: "",
    expected: Duration::from_secs(2 * 60),
};

/// The last helm 3: charts must install with both.
pub const HELM3: GoProgram = GoProgram {
    name: "helm3",
    module: "helm.sh/helm/v3",
    package: "helm.sh/helm/v3/cmd/helm",
    // Without these `helm template` renders for Kubernetes 1.20.
    linker_flags: "-X helm.sh/helm/v3/internal/version.version=v3.22.0 \
                   -X helm.sh/helm/v3/pkg/chartutil.k8sVersionMajor=1 -X helm.sh/helm/v3/pkg/chartutil.k8sVersionMinor=35 \
                   -X helm.sh/helm/v3/pkg/lint/rules.k8sVersionMajor=1 -X helm.sh/helm/v3/pkg/lint/rules.k8sVersionMinor=35",
    expected: Duration::from_secs(135),
};

/// The message broker that the relay is measured beside.
pub const NATS_SERVER: GoProgram = GoProgram {
    name: "nats-server",
    module: "github.com/nats-io/nats-server/v2",
    package: "github.com/nats-io/nats-server/v2",
    linker_flags: "",
    expected: Duration::from_secs(60),
};

impl GoProgram {
    /// Whether the cache has the program.
    ///
    /// # Errors
    /// No cache folder, or sources that cannot be read.
    pub fn is_built(&self) -> anyhow::Result<bool> {
        let sources = super::sources_folder().join(self.name);
        Ok(cache::folder()?.join(self.cache_name(&sources)?).join(self.name).is_file())
    }

    /// Path of the built program; builds it when the cache does not have it, which is said on
    /// stderr.
    pub fn ensure(&self) -> anyhow::Result<PathBuf> {
        let sources = super::sources_folder().join(self.name);
        let folder = cache::folder()?.join(self.cache_name(&sources)?);
        let program = folder.join(self.name);
        if program.is_file() {
            return Ok(program);
        }
        ensure!(
            find_program("go").is_some(),
            "{} must be built, and Go is not installed: install Go 1.26 or newer",
            self.name
        );
        fs::create_dir_all(&folder).with_context(|| format!("create {}", folder.display()))?;
        // Another build of the same program holds the lock; when it is done, so are we.
        let lock = fs::File::create(folder.join("lock")).context("create the build lock")?;
        lock.lock().context("wait for another build of the same program")?;
        if !program.is_file() {
            self.build(&sources, &program)?;
        }
        Ok(program)
    }

    /// `<name>-<version>-<hash of sources and build flags>`.
    fn cache_name(&self, sources: &Path) -> anyhow::Result<String> {
        let requirements = read(&sources.join("go.mod"))?;
        let version = required_version(&requirements, self.module)
            .with_context(|| format!("{} does not require {}", sources.display(), self.module))?;
        let mut hash = Sha256::new();
        hash.update(&requirements);
        for file in ["go.sum", "main.go", "tools.go"] {
            let path = sources.join(file);
            if path.is_file() {
                hash.update(read(&path)?);
            }
        }
        hash.update(self.package);
        hash.update(self.linker_flags);
        let digest: String = hash.finalize().iter().take(6).map(|byte| format!("{byte:02x}")).collect();
        Ok(format!("{}-{version}-{digest}", self.name))
    }

    fn build(&self, sources: &Path, program: &Path) -> anyhow::Result<()> {
        let minutes = self.expected.as_secs().div_ceil(60);
        eprintln!(
            "building {} once, about {minutes} min on two cores; later runs take it from the cache",
            self.name
        );
        let total = self.package_count(sources).unwrap_or_default();
        let unfinished = program.with_extension("unfinished");
        let mut child = self
            .go(sources)
            .args(["build", "-v", "-trimpath", "-ldflags"])
            .arg(format!("-s -w {}", self.linker_flags))
            .arg("-o")
            .arg(&unfinished)
            .arg(self.package)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .context("start go build")?;
        let lines = child.stderr.take().context("read from go build")?;
        let said = report_progress(self.name, BufReader::new(lines), total);
        let status = child.wait().context("wait for go build")?;
        if !status.success() {
            bail!("building {} failed ({status}): {}", self.name, said.join("\n"));
        }
        fs::rename(&unfinished, program).with_context(|| format!("put {} into the cache", self.name))
    }

    fn package_count(&self, sources: &Path) -> anyhow::Result<usize> {
        Ok(output_of(self.go(sources).args(["list", "-deps", self.package]))?.lines().count())
    }

    fn go(&self, sources: &Path) -> Command {
        let mut command = Command::new("go");
        command.current_dir(sources).env("CGO_ENABLED", "0");
        command
    }
}

/// Counts the packages `go build -v` names, says so now and then, and keeps the last lines for an
/// error.
fn report_progress(name: &str, lines: impl BufRead, total: usize) -> Vec<String> {
    const KEPT: usize = 20;
    let (begun, mut last_said, mut count, mut kept) = (Instant::now(), Instant::now(), 0, Vec::new());
    for line in lines.lines().map_while(Result::ok) {
        count += 1;
        if kept.len() == KEPT {
            kept.remove(0);
        }
        kept.push(line);
        if last_said.elapsed() >= PROGRESS_INTERVAL {
            last_said = Instant::now();
            eprintln!("  {name}: {count} of at most {total} packages, {} s", begun.elapsed().as_secs());
        }
    }
    kept
}

fn read(path: &Path) -> anyhow::Result<String> {
    fs::read_to_string(path).with_context(|| format!("read {}", path.display()))
}

/// The version a go.mod requires of `module`.
fn required_version(go_mod: &str, module: &str) -> Option<String> {
    let words = |line: &str| {
        line.trim_start_matches("require").split_whitespace().map(String::from).collect::<Vec<_>>()
    };
    go_mod.lines().map(words).find_map(|line| match line.as_slice() {
        [name, version, ..] if name == module => Some(version.clone()),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_read_from_either_form_of_require() {
        assert_eq!(required_version("require a.b/c v1.2.3\n", "a.b/c").as_deref(), Some("v1.2.3"));
        let block = "module x\nrequire (\n\ta.b/cd v9.0.0\n\ta.b/c v1.2.4 // indirect\n)\n";
        assert_eq!(required_version(block, "a.b/c").as_deref(), Some("v1.2.4"));
        assert_eq!(required_version(block, "a.b"), None);
    }

    #[test]
    fn every_program_has_its_module_in_the_repository() {
        for program in [KUBERNETES, COREDNS, HELM3, NATS_SERVER] {
            let sources = super::super::sources_folder().join(program.name);
            let name = program.cache_name(&sources).unwrap();
            assert!(name.starts_with(&format!("{}-v", program.name)), "{name}");
        }
    }
}
