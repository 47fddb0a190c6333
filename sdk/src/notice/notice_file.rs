//! Persists notices until they are acknowledged: a file with a line
//! `+ <id> <outcome> <at> <to> <reason or ->` per notice, and `- <id> <outcome>` when the
//! application has acknowledged it.

use std::fs::File;
use std::path::PathBuf;

use protocol::envelope::MessageId;
use protocol::frame::Outcome;
use protocol::refusal::RefusalReason;

use super::StoredNotice;
use super::notice_table::NOTICES_MAX;
use crate::line_file::{LineFile, PendingRewrite, UnsyncedLines};

pub(super) struct NoticeFile(LineFile);

impl NoticeFile {
    /// Opens the file and reads the notices that nobody has acknowledged. A line that cannot be
    /// read is skipped.
    pub(super) fn open(path: PathBuf) -> std::io::Result<(Self, Vec<StoredNotice>)> {
        let (mut file, text) = LineFile::open(path)?;
        let mut waiting: Vec<StoredNotice> = Vec::new();
        for line in text.lines() {
            match parse(line) {
                Some(Line::Added(notice)) => waiting.push(notice),
                Some(Line::Acknowledged(id, outcome)) => {
                    waiting.retain(|notice| notice.id != id || notice.outcome != outcome);
                }
                None => tracing::warn!("skipping a damaged line of the list of notices"),
            }
        }
        file.rewrite(waiting.iter().map(added))?;
        Ok((Self(file), waiting))
    }

    pub(super) fn append(&mut self, notice: &StoredNotice) -> std::io::Result<()> {
        self.0.append(&added(notice))
    }

    pub(super) fn append_acknowledged(&mut self, id: MessageId, outcome: Outcome) -> std::io::Result<()> {
        self.0.append(&format!("- {id} {}\n", outcome.as_str()))
    }

    /// Begins to write the waiting notices again, if a sync failed, or if the file has too many
    /// dead lines.
    pub(super) fn begin_rewrite<'a>(
        &mut self,
        waiting: impl ExactSizeIterator<Item = &'a StoredNotice>,
    ) -> Option<PendingRewrite> {
        if !self.0.needs_rewrite(waiting.len(), 2 * NOTICES_MAX) {
            return None;
        }
        let lines: Vec<String> = waiting.map(added).collect();
        Some(self.0.begin_rewrite(lines.into_iter()))
    }

    pub(super) fn finish_rewrite(&mut self, written: std::io::Result<File>) -> std::io::Result<()> {
        self.0.finish_rewrite(written)
    }

    pub(super) fn can_sync(&self) -> bool {
        self.0.can_sync()
    }

    /// What to sync, if lines were appended since the last time.
    pub(super) fn unsynced(&mut self) -> std::io::Result<Option<UnsyncedLines>> {
        self.0.unsynced()
    }

    pub(super) fn on_sync_failed(&mut self) {
        self.0.on_sync_failed();
    }
}

enum Line {
    Added(StoredNotice),
    Acknowledged(MessageId, Outcome),
}

fn added(notice: &StoredNotice) -> String {
    let StoredNotice { id, to, outcome, reason, at } = notice;
    let reason = reason.map_or("-", RefusalReason::as_str);
    format!("+ {id} {} {at} {to} {reason}\n", outcome.as_str())
}

fn parse(line: &str) -> Option<Line> {
    let words: Vec<&str> = line.split(' ').collect();
    match words.as_slice() {
        ["+", id, outcome, at, to, reason] => Some(Line::Added(StoredNotice {
            id: id.parse().ok()?,
            to: to.parse().ok()?,
            outcome: parse_outcome(outcome)?,
            reason: RefusalReason::ALL.iter().copied().find(|known| known.as_str() == *reason),
            at: at.parse().ok()?,
        })),
        ["-", id, outcome] => Some(Line::Acknowledged(id.parse().ok()?, parse_outcome(outcome)?)),
        _ => None,
    }
}

fn parse_outcome(word: &str) -> Option<Outcome> {
    Outcome::ALL.into_iter().find(|outcome| outcome.as_str() == word)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn notice(n: u64, outcome: Outcome) -> StoredNotice {
        let reason = (outcome == Outcome::Refused).then_some(RefusalReason::Undecryptable);
        let to = "did:wba:localhost:agent:bob".parse().unwrap();
        StoredNotice { id: MessageId::new(n, [0; 10]), to, outcome, reason, at: n }
    }

    #[test]
    fn unacknowledged_notices_survive_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notices");
        let (mut file, waiting) = NoticeFile::open(path.clone()).unwrap();
        assert!(waiting.is_empty());
        file.append(&notice(1, Outcome::Expired)).unwrap();
        file.append(&notice(2, Outcome::Refused)).unwrap();
        file.append_acknowledged(notice(1, Outcome::Expired).id, Outcome::Expired).unwrap();
        drop(file);
        for _ in 0..2 {
            let (_, waiting) = NoticeFile::open(path.clone()).unwrap();
            assert_eq!(waiting, [notice(2, Outcome::Refused)]);
        }
    }
}
