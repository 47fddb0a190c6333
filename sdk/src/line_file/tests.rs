//! Tests of appending, of torn lines, and of rewriting a file beside the old one.

use super::*;

fn open(path: &Path) -> (LineFile, String) {
    LineFile::open(path.into()).unwrap()
}

#[test]
fn a_torn_last_line_is_dropped_and_does_not_spoil_the_next() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lines");
    fs::write(&path, "one\ntwo\nthr").unwrap();
    let (mut file, text) = open(&path);
    assert_eq!(text, "one\ntwo\n");
    file.append("four\n").unwrap();
    assert_eq!(open(&path).1, "one\ntwo\nfour\n");
}

#[test]
fn a_line_that_could_not_be_written_whole_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lines");
    let (mut file, _) = open(&path);
    file.append("one\n").unwrap();
    // As a full disk does: some bytes are written, and then the write fails.
    let writable = std::mem::replace(&mut file.file, File::open(&path).unwrap());
    fs::write(&path, "one\ntw").unwrap();
    assert!(file.append("two\n").is_err());
    file.file = writable;
    file.file.set_len(file.bytes).unwrap();
    file.append("three\n").unwrap();
    assert_eq!(open(&path).1, "one\nthree\n");
}

#[test]
fn what_was_appended_is_synced_once() {
    let folder = tempfile::tempdir().unwrap();
    let (mut file, _) = open(&folder.path().join("lines"));
    assert!(file.unsynced().unwrap().is_none());
    file.append("one\n").unwrap();
    assert!(file.unsynced().unwrap().is_some());
    assert!(file.unsynced().unwrap().is_none());
}

#[test]
fn what_is_appended_while_the_file_is_rewritten_is_in_both_files() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lines");
    let (mut file, _) = open(&path);
    ["one\n", "two\n"].iter().for_each(|line| file.append(line).unwrap());
    assert!(!file.needs_rewrite(1, 1) && file.needs_rewrite(1, 0));
    let rewrite = file.begin_rewrite(vec!["two\n".to_owned()].into_iter());
    assert!(!file.needs_rewrite(1, 0) && !file.can_sync(), "it is running");
    file.append("three\n").unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "one\ntwo\nthree\n");
    file.finish_rewrite(rewrite.write()).unwrap();
    assert!(file.can_sync() && !file.needs_rewrite(2, 0));
    let unsynced = file.unsynced().unwrap().unwrap();
    assert!(unsynced.renamed.is_some(), "the new name is not durable yet");
    unsynced.sync().unwrap();
    file.append("four\n").unwrap();
    assert!(file.unsynced().unwrap().unwrap().renamed.is_none());
    assert_eq!(open(&path).1, "two\nthree\nfour\n");
}

#[test]
fn a_file_that_cannot_be_shortened_stays_in_use_and_is_tried_again_later() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lines");
    let (mut file, _) = open(&path);
    file.append("one\n").unwrap();
    let rewrite = file.begin_rewrite(std::iter::empty());
    file.append("two\n").unwrap();
    drop(rewrite);
    file.finish_rewrite(Err(std::io::Error::other("full"))).unwrap();
    assert!(!file.needs_rewrite(0, 0) && file.can_sync());
    (0..RETRY_LINES).for_each(|_| file.append("three\n").unwrap());
    assert!(!file.needs_rewrite(0, 0));
    file.append("four\n").unwrap();
    assert!(file.needs_rewrite(0, 0));
    assert!(open(&path).1.starts_with("one\ntwo\nthree\n"));
}

#[test]
fn after_a_failed_sync_only_a_rewrite_makes_the_lines_durable() {
    let folder = tempfile::tempdir().unwrap();
    let (mut file, _) = open(&folder.path().join("lines"));
    file.append("one\n").unwrap();
    file.on_sync_failed();
    assert!(!file.can_sync() && file.needs_rewrite(1, 9));
    drop(file.begin_rewrite(std::iter::empty()));
    assert!(file.finish_rewrite(Err(std::io::Error::other("full"))).is_err());
    assert!(!file.can_sync() && file.needs_rewrite(1, 9));
    let rewrite = file.begin_rewrite(vec!["one\n".to_owned()].into_iter());
    file.finish_rewrite(rewrite.write()).unwrap();
    assert!(file.can_sync() && file.unsynced().unwrap().is_some());
}

#[test]
fn a_rewritten_file_takes_further_lines() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lines");
    let (mut file, _) = open(&path);
    file.append("one\n").unwrap();
    file.rewrite(std::iter::once("two\n".to_owned())).unwrap();
    assert!(file.unsynced().unwrap().is_none() && !file.needs_rewrite(1, 0));
    file.append("three\n").unwrap();
    assert_eq!(open(&path).1, "two\nthree\n");
}

#[test]
fn all_lines_are_kept_when_they_cannot_be_replaced_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lines");
    let (mut file, _) = open(&path);
    file.append("one\n").unwrap();
    fs::create_dir(path.with_extension("next")).unwrap();
    assert!(file.rewrite(std::iter::once("two\n".to_owned())).is_err());
    file.append("three\n").unwrap();
    assert_eq!(open(&path).1, "one\nthree\n");
}
