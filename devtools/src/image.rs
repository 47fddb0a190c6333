//! Builds container images of our binaries: one static program in an empty root, with the image
//! builder that this machine has.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, bail};

use crate::command::{find_program, output_of, run, succeeds};

/// One image to build.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Image {
    /// Name of the binary in the target folder.
    pub binary: &'static str,
    /// Full name of the image.
    pub reference: &'static str,
}

/// The images a cluster with msg2agent needs.
pub const PRODUCT: [Image; 4] = [
    Image { binary: "msg2agent-operator", reference: "localhost/msg2agent-operator:dev" },
    Image { binary: "msg2agent-relay", reference: "localhost/msg2agent-relay:dev" },
    Image { binary: "msg2agent-mcp-server", reference: "localhost/msg2agent-mcp-server:dev" },
    Image { binary: "m2a", reference: "localhost/msg2agent-m2a:dev" },
];

/// Holds the namespaces of a pod in the built-in cluster.
pub const PAUSE: Image = Image { binary: "pause", reference: crate::cluster::component_config::PAUSE_IMAGE };

/// An image builder of this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Builder {
    /// docker or podman: a program with `build` and `save`.
    Engine(&'static str),
    Buildah,
}

impl Image {
    /// Builds the image of the binary in `binaries` and returns its archive in `archives`, in the
    /// format of `docker save`.
    pub fn build(&self, binaries: &Path, archives: &Path) -> anyhow::Result<PathBuf> {
        let builder = find_builder()?;
        fs::create_dir_all(archives).with_context(|| format!("create {}", archives.display()))?;
        let work = tempfile::tempdir_in(archives).context("create a folder to build in")?;
        let context = work.path().join("context");
        fs::create_dir(&context).context("create the build context")?;
        copy_stripped(&binaries.join(self.binary), &context.join(self.binary))?;
        let archive = archives.join(format!("{}.tar", self.binary));
        if archive.exists() {
            fs::remove_file(&archive).context("delete the image's former archive")?;
        }
        match builder {
            Builder::Engine(program) => self.build_with_engine(program, &context, &archive)?,
            Builder::Buildah => self.build_with_buildah(work.path(), &context, &archive)?,
        }
        Ok(archive)
    }

    fn build_with_engine(&self, program: &str, context: &Path, archive: &Path) -> anyhow::Result<()> {
        output_of(Command::new(program).arg("build").args(self.build_arguments()).arg(context))?;
        output_of(Command::new(program).args(["save", "--output"]).arg(archive).arg(self.reference))?;
        Ok(())
    }

    /// Buildah's own storage lies in `work`, so that nothing of it stays on the machine.
    fn build_with_buildah(&self, work: &Path, context: &Path, archive: &Path) -> anyhow::Result<()> {
        let buildah = || {
            let mut command = Command::new("buildah");
            command.args(["--storage-driver", "vfs", "--root"]).arg(work.join("storage"));
            command.arg("--runroot").arg(work.join("run"));
            command
        };
        output_of(
            buildah().args(["build", "--isolation", "chroot"]).args(self.build_arguments()).arg(context),
        )?;
        let destination = format!("docker-archive:{}:{}", archive.display(), self.reference);
        output_of(buildah().args(["push", self.reference]).arg(destination))?;
        Ok(())
    }

    fn build_arguments(&self) -> [String; 6] {
        let dockerfile = crate::repository().join("Dockerfile").display().to_string();
        let [file, argument, tag] = ["--file", "--build-arg", "--tag"].map(String::from);
        [file, dockerfile, argument, format!("BIN={}", self.binary), tag, self.reference.into()]
    }
}

fn find_builder() -> anyhow::Result<Builder> {
    for engine in ["docker", "podman"] {
        if engine_answers(engine) {
            return Ok(Builder::Engine(engine));
        }
    }
    if find_program("buildah").is_some() {
        return Ok(Builder::Buildah);
    }
    bail!("nothing here builds container images: start Docker, or install podman or buildah")
}

/// Whether a container engine is installed and its daemon, if it has one, answers.
pub fn engine_answers(program: &str) -> bool {
    find_program(program).is_some() && succeeds(program, ["info"])
}

/// Without symbols an image is a third of the size, and loading it is most of the time an update
/// takes.
fn copy_stripped(from: &Path, to: &Path) -> anyhow::Result<()> {
    if find_program("strip").is_some() {
        run("strip", [Path::new("-o"), to, from])?;
        return Ok(());
    }
    fs::copy(from, to).with_context(|| format!("copy {}", from.display())).map(drop)
}
