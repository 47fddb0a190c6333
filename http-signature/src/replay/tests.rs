//! Nonces that come again, and tables that are full.

use http::HeaderMap;
use protocol::Identity;

use super::*;
use crate::request::ReceivedRequest;
use crate::sign::{Outgoing, sign};

const START: u64 = 1_790_000_000;

/// A request of a DID with a nonce, signed at this time.
fn request(did: &str, nonce: u64, created: u64) -> SignedRequest {
    let identity = Identity::generate("did:wba:example.com:agent:a".parse().unwrap(), 0, &mut rand::rng());
    let key = &identity.current_signing().unwrap().key;
    let (method, target_uri) = ("GET", "https://example.org/");
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&nonce.to_le_bytes());
    let outgoing = Outgoing { method, target_uri, body: b"" };
    let headers: HeaderMap = sign(outgoing, key, &format!("{did}#k"), bytes, created).unwrap().into_headers();
    SignedRequest::read(&ReceivedRequest { method, target_uri, headers: &headers, body: b"" }, created)
        .unwrap()
}

fn reason(result: Result<(), SignatureRefusal>) -> &'static str {
    result.err().map_or("admitted", |refusal| refusal.reason())
}

#[test]
fn a_request_is_admitted_once_and_another_did_may_use_the_same_nonce() {
    let mut table = ReplayTable::new(START);
    let (one, other) =
        (request("did:wba:a.example", 1, START + 1), request("did:wba:b.example", 1, START + 1));
    assert_eq!(reason(table.admit(&one, START + 1)), "admitted");
    assert_eq!(reason(table.admit(&one, START + 1)), "nonce_replayed");
    assert_eq!(reason(table.admit(&other, START + 1)), "admitted");
    assert_eq!(reason(table.admit(&one, START + 301)), "nonce_replayed", "as long as it is not too old");
}

#[test]
fn what_is_too_old_is_forgotten_with_its_counts() {
    let mut table = ReplayTable::new(START);
    table.admit(&request("did:wba:a.example", 1, START + 1), START + 1).unwrap();
    table.check(&request("did:wba:a.example", 2, START + 302), START + 302).unwrap();
    assert!(table.nonces.is_empty() && table.ends.is_empty() && table.counts.is_empty());
}

#[test]
fn what_was_signed_before_the_table_existed_may_have_been_used_then() {
    let mut table = ReplayTable::new(START);
    assert_eq!(reason(table.admit(&request("did:wba:a.example", 1, START), START)), "signature_before_start");
}

#[test]
fn a_did_and_a_domain_have_shares_and_a_full_table_refuses() {
    let mut table = ReplayTable::new(START);
    let new = |did: &str| request(did, 0, START + 1);
    let fill = |table: &mut ReplayTable, did: &str, domain: &str, count: usize| {
        let Hashes { did, domain, .. } = hashes(&new(&format!("did:wba:{domain}:{did}")));
        for _ in 0..count {
            let number = table.nonces.len() as u128;
            let nonce = number.to_le_bytes();
            table.nonces.insert(nonce, ());
            table.ends.insert((START + 400, nonce, did, domain));
            for of in [did, domain] {
                *table.counts.entry(of).or_default() += 1;
            }
        }
    };
    fill(&mut table, "a", "x.example", NONCES_PER_DID_MAX);
    assert_eq!(reason(table.check(&new("did:wba:x.example:a"), START + 1)), "nonces_full");
    assert_eq!(reason(table.check(&new("did:wba:x.example:b"), START + 1)), "admitted");
    for did in ["b", "c", "d"] {
        fill(&mut table, did, "x.example", NONCES_PER_DID_MAX);
    }
    assert_eq!(reason(table.check(&new("did:wba:x.example:e"), START + 1)), "nonces_full");
    assert_eq!(reason(table.check(&new("did:wba:y.example:a"), START + 1)), "admitted");
    for domain in ["y.example", "z.example", "w.example"] {
        for did in ["a", "b", "c", "d"] {
            fill(&mut table, did, domain, NONCES_PER_DID_MAX);
        }
    }
    assert_eq!(reason(table.check(&new("did:wba:new.example"), START + 1)), "nonces_full");
    assert_eq!(reason(table.check(&request("did:wba:new.example", 0, START + 401), START + 401)), "admitted");
}
