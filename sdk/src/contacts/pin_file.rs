//! Persists pinned root keys: an append-only text file with a line `<did> <base64url of the key>`
//! per agent. The last line of a DID counts.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use protocol::{Did, base64url};

use super::record_cache::RootKey;

/// The file, if there is a state folder.
pub(crate) struct PinFile {
    file: Option<(PathBuf, File)>,
}

impl PinFile {
    /// Opens the file and reads it. A damaged line is an error, because skipping it would accept a
    /// changed key.
    pub(crate) fn open(path: Option<PathBuf>) -> std::io::Result<(Self, HashMap<Did, RootKey>)> {
        let Some(path) = path else {
            return Ok((Self { file: None }, HashMap::new()));
        };
        let pins = read(&path)?;
        let file = OpenOptions::new().create(true).append(true).mode(0o600).open(&path)?;
        Ok((Self { file: Some((path, file)) }, pins))
    }

    pub(crate) fn append(&mut self, did: &Did, root: &RootKey) -> std::io::Result<()> {
        let Some((_, file)) = &mut self.file else { return Ok(()) };
        file.write_all(line(did, root).as_bytes())?;
        file.sync_data()
    }

    /// Replaces the whole file.
    pub(crate) fn rewrite(&mut self, pins: &HashMap<Did, RootKey>) -> std::io::Result<()> {
        let Some((path, file)) = &mut self.file else { return Ok(()) };
        let temporary = path.with_extension("new");
        let text: String = pins.iter().map(|(did, root)| line(did, root)).collect();
        let mut new =
            OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&temporary)?;
        new.write_all(text.as_bytes())?;
        new.sync_all()?;
        fs::rename(&temporary, &*path)?;
        *file = OpenOptions::new().append(true).open(&*path)?;
        Ok(())
    }
}

/// Reads the file without opening it for writing. A missing file holds no pins.
pub(crate) fn read(path: &Path) -> std::io::Result<HashMap<Did, RootKey>> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(e) => return Err(e),
    };
    text.lines().map(|line| parse(line).ok_or_else(|| damaged(path))).collect()
}

fn line(did: &Did, root: &RootKey) -> String {
    format!("{did} {}\n", base64url::encode(root))
}

fn parse(line: &str) -> Option<(Did, RootKey)> {
    let (did, root) = line.split_once(' ')?;
    Some((did.parse().ok()?, base64url::decode_array(root).ok()?))
}

fn damaged(path: &Path) -> std::io::Error {
    std::io::Error::other(format!("{} is damaged; repair or remove it", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pins_survive_a_restart_and_can_be_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let path = Some(folder.path().join("pins"));
        let bob: Did = "did:wba:localhost:agent:bob".parse().unwrap();
        let (mut pins, known) = PinFile::open(path.clone()).unwrap();
        assert!(known.is_empty());
        pins.append(&bob, &[7; 32]).unwrap();
        drop(pins);
        let (mut pins, known) = PinFile::open(path.clone()).unwrap();
        assert_eq!(known, HashMap::from([(bob, [7; 32])]));
        pins.rewrite(&HashMap::new()).unwrap();
        assert!(PinFile::open(path).unwrap().1.is_empty());
    }

    #[test]
    fn a_damaged_file_stops_the_agent_instead_of_forgetting_a_key() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pins");
        fs::write(&path, "did:wba:localhost:agent:bob AAA").unwrap();
        assert!(PinFile::open(Some(path)).err().unwrap().to_string().contains("damaged"));
    }
}
