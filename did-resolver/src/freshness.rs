//! Decides how long a document is used before it is fetched again. Pure.

/// The shortest time, whatever its `Cache-Control` says: it limits how often a domain is asked.
const MIN_DOCUMENT_TTL_SECONDS: u64 = 10;
/// The longest time: a key that its owner removed is refused within five minutes.
const MAX_DOCUMENT_TTL_SECONDS: u64 = 300;
/// The time of a document without `Cache-Control`.
const DEFAULT_DOCUMENT_TTL_SECONDS: u64 = 60;

/// Reads `Cache-Control` (RFC 9111 section 5.2).
pub(crate) fn document_ttl(cache_control: Option<&str>) -> u64 {
    let directives = || cache_control.into_iter().flat_map(|field| field.split(',')).map(str::trim);
    let forbidden =
        |directive: &str| ["no-store", "no-cache"].iter().any(|name| directive.eq_ignore_ascii_case(name));
    if directives().any(forbidden) {
        return MIN_DOCUMENT_TTL_SECONDS;
    }
    let seconds = directives().find_map(|directive| {
        let (name, value) = directive.split_once('=')?;
        name.trim().eq_ignore_ascii_case("max-age").then(|| value.trim().trim_matches('"').parse().ok())?
    });
    let seconds = seconds.unwrap_or(DEFAULT_DOCUMENT_TTL_SECONDS);
    seconds.clamp(MIN_DOCUMENT_TTL_SECONDS, MAX_DOCUMENT_TTL_SECONDS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_kept_as_long_as_it_says_within_bounds() {
        for (field, seconds) in [
            (None, 60),
            (Some("public, max-age=90"), 90),
            (Some("Max-Age=\"90\""), 90),
            (Some("max-age=0"), 10),
            (Some("max-age=86400, immutable"), 300),
            (Some("max-age=90, no-store"), 10),
            (Some("max-age=soon"), 60),
        ] {
            assert_eq!(document_ttl(field), seconds, "{field:?}");
        }
    }
}
