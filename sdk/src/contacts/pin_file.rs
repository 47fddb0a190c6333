//! Persists what is known of other agents: an append-only text file with a line
//! `<did> <base64url of the root key> <created>` per agent. The last line of a DID counts.
//!
//! `created` is the time of the newest record that was seen, so that a relay cannot bring back an
//! older one after a restart. Files of earlier versions do not have it.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use protocol::{Did, UnixSeconds, base64url};

use super::record_cache::{Pin, RootKey};
use crate::line_file::{self, LineFile};

/// The file, if there is a state folder.
pub(crate) struct PinFile {
    file: Option<LineFile>,
}

impl PinFile {
    /// Opens the file and reads it. A damaged line is an error, because skipping it would accept a
    /// changed key.
    pub(crate) fn open(path: Option<PathBuf>) -> std::io::Result<(Self, HashMap<Did, Pin>)> {
        let Some(path) = path else {
            return Ok((Self { file: None }, HashMap::new()));
        };
        let (mut file, text) = LineFile::open(path.clone())?;
        let pins = parse_lines(&text, &path)?;
        if text.lines().count() > 2 * pins.len() {
            file.rewrite(pins.iter().map(|(did, pin)| line(did, pin)))?;
        }
        Ok((Self { file: Some(file) }, pins))
    }

    pub(crate) fn append(&mut self, did: &Did, pin: &Pin) -> std::io::Result<()> {
        self.file.as_mut().map_or(Ok(()), |file| file.append_durably(&line(did, pin)))
    }

    /// Replaces the whole file.
    pub(crate) fn rewrite(&mut self, pins: &HashMap<Did, Pin>) -> std::io::Result<()> {
        let lines = pins.iter().map(|(did, pin)| line(did, pin));
        self.file.as_mut().map_or(Ok(()), |file| file.rewrite(lines))
    }
}

/// Reads the file without opening it for writing. A missing file holds no pins.
pub(crate) fn read(path: &Path) -> std::io::Result<HashMap<Did, Pin>> {
    parse_lines(&line_file::read(path)?, path)
}

fn parse_lines(text: &str, path: &Path) -> std::io::Result<HashMap<Did, Pin>> {
    text.lines().map(|line| parse(line).ok_or_else(|| damaged(path))).collect()
}

fn line(did: &Did, pin: &Pin) -> String {
    format!("{did} {} {}\n", base64url::encode(&pin.root), pin.created)
}

fn parse(line: &str) -> Option<(Did, Pin)> {
    let mut words = line.split(' ');
    let (did, root) = (words.next()?, words.next()?);
    let root: RootKey = base64url::decode_array(root).ok()?;
    let created: UnixSeconds = words.next().map_or(Some(0), |created| created.parse().ok())?;
    words.next().is_none().then_some((did.parse().ok()?, Pin { root, created }))
}

fn damaged(path: &Path) -> std::io::Error {
    std::io::Error::other(format!("{} is damaged; repair or remove it", path.display()))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn bob() -> Did {
        "did:wba:localhost:agent:bob".parse().unwrap()
    }

    #[test]
    fn pins_survive_a_restart_and_can_be_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let path = Some(folder.path().join("pins"));
        let (mut pins, known) = PinFile::open(path.clone()).unwrap();
        assert!(known.is_empty());
        let pin = |created| Pin { root: [7; 32], created };
        pins.append(&bob(), &pin(5)).unwrap();
        pins.append(&bob(), &pin(9)).unwrap();
        drop(pins);
        let (mut pins, known) = PinFile::open(path.clone()).unwrap();
        assert_eq!(known, HashMap::from([(bob(), pin(9))]));
        pins.rewrite(&HashMap::new()).unwrap();
        assert!(PinFile::open(path).unwrap().1.is_empty());
    }

    #[test]
    fn a_damaged_file_stops_the_agent_instead_of_forgetting_a_key() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pins");
        fs::write(&path, "did:wba:localhost:agent:bob AAA\n").unwrap();
        assert!(PinFile::open(Some(path)).err().unwrap().to_string().contains("damaged"));
    }

    #[test]
    fn a_line_that_a_full_disk_tore_does_not_keep_the_agent_from_starting() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pins");
        let whole = format!("{} {}\n", bob(), base64url::encode(&[7; 32]));
        fs::write(&path, format!("{whole}did:wba:localhost:agent:carol AAA")).unwrap();
        let (_, known) = PinFile::open(Some(path)).unwrap();
        assert_eq!(known, HashMap::from([(bob(), Pin { root: [7; 32], created: 0 })]));
    }

    #[test]
    fn a_file_with_many_lines_of_one_agent_is_made_short() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pins");
        let (mut pins, _) = PinFile::open(Some(path.clone())).unwrap();
        (1..=9).for_each(|created| pins.append(&bob(), &Pin { root: [7; 32], created }).unwrap());
        drop(pins);
        let (_, known) = PinFile::open(Some(path.clone())).unwrap();
        assert_eq!(known[&bob()].created, 9);
        assert_eq!(fs::read_to_string(path).unwrap().lines().count(), 1);
    }
}
