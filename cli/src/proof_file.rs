//! Writes a proof to a file, or to standard output for `-`.

use std::io::Write as _;
use std::path::Path;

use msg2agent::{Agent, Evidence};

use crate::failure::Failure;

/// Proves messages. A file is written atomically and with mode 0600, because it discloses them;
/// standard output gets one line.
pub(crate) fn write<'a>(
    agent: &Agent,
    messages: impl IntoIterator<Item = &'a Evidence>,
    to: &Path,
) -> Result<(), Failure> {
    let proof = agent.prove(messages)?;
    let failed = |e| Failure::io(format!("cannot write the proof to {}", to.display()), e);
    if to == Path::new("-") {
        let mut stdout = std::io::stdout().lock();
        return stdout.write_all(&proof).and_then(|()| stdout.write_all(b"\n")).map_err(failed);
    }
    let folder = to.parent().filter(|f| !f.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
    file.write_all(&proof).map_err(failed)?;
    file.persist(to).map_err(|e| failed(e.error))?;
    Ok(())
}
