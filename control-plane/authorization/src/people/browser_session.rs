//! What we know of a browser: a cookie that ties forms to it, and a session once somebody has signed in. Sessions are here,
//! in memory, and short; a restart ends them.

use std::sync::{Mutex, PoisonError};

use axum::http::{HeaderMap, HeaderValue, header};
use protocol::UnixSeconds;

use super::expiring::Expiring;
use super::secret::{Secret, SecretHash};

/// Ties forms and sign-ins on their way to the browser.
const BROWSER_COOKIE: &str = "__Host-m2a-browser";
const SESSION_COOKIE: &str = "__Host-m2a-session";
/// Life of a session: long enough to connect a few clients, short enough for a shared computer.
const SESSION_SECONDS: u64 = 30 * 60;
/// Life of the other cookie.
const BROWSER_SECONDS: u64 = 3600;
/// Sessions at once; the one that ends first makes room. Each has some 200 bytes.
const SESSIONS_MAX: usize = 10_000;

pub(super) struct Sessions(Mutex<Expiring<String>>);

impl Sessions {
    pub(super) fn new() -> Self {
        Self(Mutex::new(Expiring::new(SESSIONS_MAX)))
    }

    /// A new session of this account; answers the cookie to set. Never an old session: nobody can plant one.
    pub(super) fn open(&self, account: &str, now: UnixSeconds) -> HeaderValue {
        let secret = Secret::generate("", &mut rand::rng());
        let mut sessions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.insert(secret.hash(), account.to_owned(), now.saturating_add(SESSION_SECONDS), now);
        set_cookie(SESSION_COOKIE, secret.reveal(), SESSION_SECONDS)
    }

    /// The account that is signed in.
    pub(super) fn account(&self, headers: &HeaderMap, now: UnixSeconds) -> Option<String> {
        let key = SecretHash::of(cookie(headers, SESSION_COOKIE)?);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&key, now).cloned()
    }
}

/// The session's cookie, which forms of somebody who is signed in are tied to.
pub(super) fn session_cookie(headers: &HeaderMap) -> Option<&str> {
    cookie(headers, SESSION_COOKIE)
}

/// The browser's cookie, if it has one.
pub(super) fn browser_cookie(headers: &HeaderMap) -> Option<&str> {
    cookie(headers, BROWSER_COOKIE)
}

/// The browser's cookie, or a new one with the header that sets it.
pub(super) fn ensure_browser_cookie(headers: &HeaderMap) -> (String, Option<HeaderValue>) {
    if let Some(found) = browser_cookie(headers) {
        return (found.to_owned(), None);
    }
    let secret = Secret::generate("", &mut rand::rng());
    (secret.reveal().to_owned(), Some(set_cookie(BROWSER_COOKIE, secret.reveal(), BROWSER_SECONDS)))
}

/// `value` is of our own alphabet.
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
        let sessions = Sessions::new();
        let set = sessions.open("acct", 0);
        let pair = set.to_str().unwrap().split(';').next().unwrap().to_owned();
        let with = headers(&format!("a=b; {pair}"));
        assert_eq!(sessions.account(&with, SESSION_SECONDS - 1).as_deref(), Some("acct"));
        assert_eq!(sessions.account(&with, SESSION_SECONDS), None);
        assert_eq!(sessions.account(&headers("__Host-m2a-session=x"), 0), None);
    }

    #[test]
    fn cookies_are_for_this_host_and_hidden_from_scripts() {
        let set = Sessions::new().open("acct", 0);
        let text = set.to_str().unwrap();
        for attribute in ["__Host-", "; Path=/;", "; Secure;", "; HttpOnly;", "; SameSite=Lax"] {
            assert!(text.contains(attribute), "{text}");
        }
        assert!(!text.contains("Domain"));
    }
}
