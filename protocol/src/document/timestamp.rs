//! Reads and writes the `created` time of a Data Integrity proof: RFC 3339 in UTC with whole
//! seconds.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::UnixSeconds;

/// 9999-12-31T23:59:59Z, the last second that RFC 3339 can write with its four digits of a year.
const LATEST: UnixSeconds = 253_402_300_799;

/// Bytes of a time with nine digits of a fraction and an offset.
const TEXT_BYTES_MAX: usize = 40;

/// Writes a time as `2026-09-21T14:13:20Z`. A later time than the year 9999 is written as its last
/// second.
pub(super) fn format(seconds: UnixSeconds) -> String {
    humantime::format_rfc3339_seconds(system_time(seconds.min(LATEST))).to_string()
}

/// Reads what [`format`] writes and nothing else: no fraction, no offset, no leap second, no time
/// before 1970, no lower-case `t` or `z`. A time therefore has one spelling, and a reader in
/// another language needs no date library.
pub(super) fn parse(text: &str) -> Option<UnixSeconds> {
    let time = humantime::parse_rfc3339(text).ok()?;
    let seconds = time.duration_since(UNIX_EPOCH).ok()?.as_secs();
    (format(seconds) == text).then_some(seconds)
}

/// Reads a time of a document that somebody else wrote: RFC 3339 in UTC with or without a fraction,
/// which is dropped.
pub(super) fn parse_any(text: &str) -> Option<UnixSeconds> {
    if text.len() > TEXT_BYTES_MAX {
        return None;
    }
    // Python writes UTC as an offset.
    let text = text.strip_suffix("+00:00").map_or(text.to_owned(), |start| format!("{start}Z"));
    let time = humantime::parse_rfc3339(&text).ok()?;
    Some(time.duration_since(UNIX_EPOCH).ok()?.as_secs())
}

fn system_time(seconds: UnixSeconds) -> SystemTime {
    UNIX_EPOCH.checked_add(Duration::from_secs(seconds)).unwrap_or(UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_written_in_utc_with_whole_seconds_and_read_back() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_790_000_000, "2026-09-21T14:13:20Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
            (LATEST, "9999-12-31T23:59:59Z"),
        ] {
            assert_eq!(format(seconds), text);
            assert_eq!(parse(text), Some(seconds), "{text}");
        }
    }

    #[test]
    fn a_time_after_the_year_9999_is_written_as_its_last_second() {
        for seconds in [LATEST + 1, u64::MAX] {
            assert_eq!(format(seconds), "9999-12-31T23:59:59Z");
        }
        assert_eq!(parse("10000-01-01T00:00:00Z"), None);
        assert_eq!(parse("+010000-01-01T00:00:00Z"), None);
    }

    #[test]
    fn every_other_spelling_of_a_time_is_refused() {
        for text in [
            "",
            "2026-09-21",
            "2026-09-21T14:13:20",
            "2026-09-21T14:13:20.5Z",
            "2026-09-21T14:13:20.000Z",
            "2026-09-21T14:13:20,0Z",
            "2026-09-21T14:13:20+00:00",
            "2026-09-21T16:13:20+02:00",
            "2026-09-21T14:13:20-00:00",
            "2026-09-21T14:13:20Z[UTC]",
            "2026-09-21 14:13:20Z",
            "2026-09-21t14:13:20Z",
            "2026-09-21T14:13:20z",
            "2026-09-21T14:13Z",
            "20260921T141320Z",
            " 2026-09-21T14:13:20Z",
            "2026-09-21T14:13:20Z ",
            "2026-09-21T14:13:60Z",
            "2026-12-31T23:59:60Z",
            "2026-09-21T24:00:00Z",
            "2026-09-31T00:00:00Z",
            "2026-02-29T00:00:00Z",
            "2100-02-29T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-00-01T00:00:00Z",
            "2026-01-00T00:00:00Z",
            "1969-12-31T23:59:59Z",
            "0000-01-01T00:00:00Z",
            "-000001-01-01T00:00:00Z",
            "２026-09-21T14:13:20Z",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
