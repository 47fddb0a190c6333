//! Browser cookies: one that binds forms to the browser, and one for the session of a person who
//! signed in. Sessions are short and kept in memory; a restart ends them.

use std::sync::{Mutex, PoisonError};

use axum::http::{HeaderMap, HeaderValue, header};
use protocol::UnixSeconds;

use crate::limits::expiring_map::ExpiringMap;
use crate::secret::{Secret, SecretHash};

/// The cookie that binds forms and pending sign-ins to the browser.
const BROWSER_COOKIE: &str = "__Host-m2a-browser";
/// The cookie of a session.
const SESSION_COOKIE: &str = "__Host-m2a-session";
/// How long a session lasts: long enough to connect a few clients, short enough for a shared
/// computer.
const SESSION_TTL_SECONDS: u64 = 30 * 60;
/// How long the browser cookie lasts: longer than any sign-in takes.
const BROWSER_COOKIE_TTL_SECONDS: u64 = 3600;
/// The most sessions at a time; beyond it, the session that expires first is ended. Each takes
/// about 200 bytes.
const SESSIONS_MAX: usize = 10_000;

/// The sessions of all browsers, by the hash of their cookie.
pub(crate) struct BrowserSessions(Mutex<ExpiringMap<String>>);

impl BrowserSessions {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(ExpiringMap::new(SESSIONS_MAX)))
    }

    /// Opens a new session for an account and returns its cookie. It never reuses a session, so
    /// that nobody can plant one in somebody else's browser (session fixation).
    pub(crate) fn open(&self, account: &str, now: UnixSeconds) -> HeaderValue {
        let secret = Secret::generate("", &mut rand::rng());
        let mut sessions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.insert(secret.hash(), account.to_owned(), now.saturating_add(SESSION_TTL_SECONDS), now);
        set_cookie(SESSION_COOKIE, secret.reveal(), SESSION_TTL_SECONDS)
    }

    /// The id of the account that is signed in.
    pub(crate) fn account(&self, headers: &HeaderMap, now: UnixSeconds) -> Option<String> {
        let key = SecretHash::of(cookie(headers, SESSION_COOKIE)?);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&key, now).cloned()
    }
}

/// The session cookie, which binds the forms of a person who is signed in.
pub(crate) fn session_cookie(headers: &HeaderMap) -> Option<&str> {
    cookie(headers, SESSION_COOKIE)
}

/// The browser cookie, if the browser has one.
pub(crate) fn browser_cookie(headers: &HeaderMap) -> Option<&str> {
    cookie(headers, BROWSER_COOKIE)
}

/// The browser cookie, or a new one with the `Set-Cookie` header for it.
pub(crate) fn ensure_browser_cookie(headers: &HeaderMap) -> (String, Option<HeaderValue>) {
    if let Some(found) = browser_cookie(headers) {
        return (found.to_owned(), None);
    }
    let secret = Secret::generate("", &mut rand::rng());
    (
        secret.reveal().to_owned(),
        Some(set_cookie(BROWSER_COOKIE, secret.reveal(), BROWSER_COOKIE_TTL_SECONDS)),
    )
}

/// `value` has base64url characters only, so the header is always valid.
fn set_cookie(name: &str, value: &str, seconds: u64) -> HeaderValue {
    let text = format!("{name}={value}; Path=/; Max-Age={seconds}; Secure; HttpOnly; SameSite=Lax");
    HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static(""))
}

fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let values = headers.get_all(header::COOKIE).into_iter().filter_map(|value| value.to_str().ok());
    let mut pairs = values.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(found, value)| *found == name && !value.is_empty()).map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(cookies: &str) -> HeaderMap {
        HeaderMap::from_iter([(header::COOKIE, cookies.parse().unwrap())])
    }

    #[test]
    fn a_session_is_found_by_its_cookie_until_it_ends() {
        let sessions = BrowserSessions::new();
        let set = sessions.open("acct", 0);
        let pair = set.to_str().unwrap().split(';').next().unwrap().to_owned();
        let with = headers(&format!("a=b; {pair}"));
        assert_eq!(sessions.account(&with, SESSION_TTL_SECONDS - 1).as_deref(), Some("acct"));
        assert_eq!(sessions.account(&with, SESSION_TTL_SECONDS), None);
        assert_eq!(sessions.account(&headers("__Host-m2a-session=x"), 0), None);
    }

    #[test]
    fn cookies_are_for_this_host_and_hidden_from_scripts() {
        let set = BrowserSessions::new().open("acct", 0);
        let text = set.to_str().unwrap();
        for attribute in ["__Host-", "; Path=/;", "; Secure;", "; HttpOnly;", "; SameSite=Lax"] {
            assert!(text.contains(attribute), "{text}");
        }
        assert!(!text.contains("Domain"));
    }
}
