//! Tests of codes and refresh tokens under reuse, delay and theft.

use proptest::prelude::*;
use sha2::{Digest as _, Sha256};

use super::super::pkce::Challenge;
use super::*;

const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

fn grant() -> Grant {
    Grant {
        id: "g".into(),
        account: "a".into(),
        client_id: "c".into(),
        agent: "did:wba:example.com:agent:alice".parse().unwrap(),
        resource: "https://mcp.example/alice".into(),
        gateway: false,
        scope: "mcp:read mcp:send".into(),
        expires: 100_000,
    }
}

fn code() -> StoredCode {
    StoredCode {
        grant: grant(),
        redirect_uri: "https://client.example/cb".into(),
        challenge: Challenge(Sha256::digest(VERIFIER).into()),
        expires: 60,
        used: false,
    }
}

fn exchange() -> CodeExchange<'static> {
    CodeExchange {
        client_id: "c",
        redirect_uri: "https://client.example/cb",
        verifier: VERIFIER,
        resource: Some("https://mcp.example/alice"),
    }
}

fn token() -> StoredRefreshToken {
    StoredRefreshToken { grant: grant(), expires: 1000, replaced: None, retries: 0 }
}

const REFRESH: RefreshExchange<'static> = RefreshExchange { client_id: "c", resource: None, scope: None };

#[test]
fn a_code_is_good_for_its_client_redirect_verifier_and_resource() {
    check_code(&code(), exchange(), 59).unwrap();
    check_code(&code(), CodeExchange { resource: None, ..exchange() }, 0).unwrap();
    for (presented, now, reason) in [
        (CodeExchange { client_id: "d", ..exchange() }, 0, "code_of_another_client"),
        (CodeExchange { redirect_uri: "https://client.example/", ..exchange() }, 0, "redirect_mismatch"),
        (CodeExchange { verifier: "x", ..exchange() }, 0, "pkce_mismatch"),
        (CodeExchange { resource: Some("https://mcp.example/bob"), ..exchange() }, 0, "resource_mismatch"),
        (exchange(), 60, "code_expired"),
    ] {
        let refused = check_code(&code(), presented, now).unwrap_err();
        assert_eq!((refused.error.reason, refused.revokes_grant), (reason, false));
    }
}

#[test]
fn a_used_code_ends_its_grant_whoever_brings_it_and_however_late() {
    let used = StoredCode { used: true, ..code() };
    for now in [0, 1_000_000] {
        let refused = check_code(&used, CodeExchange { verifier: "x", ..exchange() }, now).unwrap_err();
        assert_eq!((refused.error.reason, refused.revokes_grant), ("code_replayed", true));
    }
}

#[test]
fn a_refresh_token_works_beside_its_successor_for_its_grace_only() {
    assert_eq!(check_refresh(&token(), REFRESH, 10).unwrap().0, RefreshUse::First);
    let replaced = StoredRefreshToken { replaced: Some(10), ..token() };
    assert_eq!(check_refresh(&replaced, REFRESH, 39).unwrap().0, RefreshUse::Retry);
    let late = check_refresh(&replaced, REFRESH, 40).unwrap_err();
    assert_eq!((late.error.reason, late.revokes_grant), ("refresh_reused", true));
    let often = StoredRefreshToken { retries: REFRESH_REUSES_MAX, ..replaced };
    assert!(check_refresh(&often, REFRESH, 11).unwrap_err().revokes_grant);
}

#[test]
fn an_expired_refresh_token_ends_nothing() {
    let refused = check_refresh(&token(), REFRESH, 1000).unwrap_err();
    assert_eq!((refused.error.reason, refused.revokes_grant), ("refresh_expired", false));
    let old = StoredRefreshToken { grant: Grant { expires: 5, ..grant() }, ..token() };
    assert_eq!(check_refresh(&old, REFRESH, 5).unwrap_err().error.reason, "refresh_expired");
}

#[test]
fn a_refresh_never_widens_what_was_granted() {
    let ask = |scope| check_refresh(&token(), RefreshExchange { scope: Some(scope), ..REFRESH }, 0);
    assert_eq!(ask("mcp:read").unwrap().1, "mcp:read");
    assert_eq!(check_refresh(&token(), REFRESH, 0).unwrap().1, "mcp:read mcp:send");
    assert_eq!(ask("mcp:read mcp:tasks").unwrap_err().error.reason, "scope_wider");
    let other = RefreshExchange { client_id: "d", ..REFRESH };
    assert_eq!(check_refresh(&token(), other, 0).unwrap_err().error.reason, "refresh_of_another_client");
    let elsewhere = RefreshExchange { resource: Some("https://mcp.example/bob"), ..REFRESH };
    assert_eq!(check_refresh(&token(), elsewhere, 0).unwrap_err().error.reason, "resource_mismatch");
}

/// All refresh tokens of one grant, as the store would keep them.
struct Family {
    tokens: Vec<StoredRefreshToken>,
    revoked: bool,
}

impl Family {
    fn new() -> Self {
        Self { tokens: vec![StoredRefreshToken { expires: 50_000, ..token() }], revoked: false }
    }

    /// Uses a token; returns the index of its successor.
    fn present(&mut self, index: usize, now: UnixSeconds) -> Option<usize> {
        if self.revoked {
            return None;
        }
        let token = &mut self.tokens[index];
        match check_refresh(token, REFRESH, now) {
            Ok((RefreshUse::First, _)) => token.replaced = Some(now),
            Ok((RefreshUse::Retry, _)) => token.retries += 1,
            Err(refused) => {
                self.revoked = refused.revokes_grant;
                return None;
            }
        }
        self.tokens.push(StoredRefreshToken { expires: 50_000, ..super::tests::token() });
        Some(self.tokens.len() - 1)
    }
}

proptest! {
    #[test]
    fn a_client_that_repeats_only_within_the_grace_is_never_locked_out(
        steps in prop::collection::vec((0..400u64, 0..REFRESH_REUSES_MAX, 0..REFRESH_REUSE_GRACE_SECONDS), 1..40)
    ) {
        let (mut family, mut newest, mut now) = (Family::new(), 0, 0);
        for (pause, repeats, within) in steps {
            now += pause + REFRESH_REUSE_GRACE_SECONDS;
            let used = newest;
            newest = family.present(used, now).unwrap();
            for _ in 0..repeats {
                newest = family.present(used, now + within).unwrap();
            }
        }
        prop_assert!(!family.revoked);
    }

    #[test]
    fn a_token_that_comes_back_after_its_grace_ends_everything(
        uses in prop::collection::vec(0..10usize, 1..40), victim in 0..10usize, late in REFRESH_REUSE_GRACE_SECONDS..5000
    ) {
        let mut family = Family::new();
        for (step, choice) in uses.iter().enumerate() {
            let index = choice % family.tokens.len();
            family.present(index, u64::try_from(step).unwrap());
        }
        let replaced: Vec<_> = (0..family.tokens.len()).filter(|i| family.tokens[*i].replaced.is_some()).collect();
        prop_assume!(!replaced.is_empty());
        let victim = replaced[victim % replaced.len()];
        prop_assert_eq!(family.present(victim, 40 + late), None);
        prop_assert!(family.revoked);
        for index in 0..family.tokens.len() {
            prop_assert_eq!(family.present(index, 40 + late), None);
        }
    }
}
