//! Requests that were signed here, whole and changed on their way.

use http::{HeaderMap, HeaderValue};
use proptest::prelude::*;
use protocol::Identity;
use protocol::did::WbaDid;
use protocol::document::{self, Assurance, DidDocument, ResolvedDocument};

use super::*;
use crate::sign::{Outgoing, sign};

const NOW: u64 = 1_790_000_000;
const URL: &str = "https://example.org/a2a?x=1";
const BODY: &[u8] = b"{\"a\":1}";

struct Alice {
    identity: Identity,
    named: DidDocument,
    certified: DidDocument,
}

fn alice() -> Alice {
    let did = "did:wba:example.com:agent:alice".parse().unwrap();
    let identity = Identity::generate(did, NOW, &mut rand::rng());
    let (named, certified) = document::build(&identity, None, NOW);
    Alice { identity, named, certified }
}

fn resolved(document: &DidDocument) -> ResolvedDocument {
    let did: WbaDid = document.id.parse().unwrap();
    ResolvedDocument::parse(&serde_json::to_vec(document).unwrap(), &did, NOW).unwrap()
}

impl Alice {
    fn headers(&self, key_id: &str, body: &[u8]) -> HeaderMap {
        let outgoing = Outgoing { method: "POST", target_uri: URL, body };
        let key = &self.identity.current_signing().unwrap().key;
        sign(outgoing, key, key_id, [7; 16], NOW).unwrap().into_headers()
    }

    fn key_id(&self) -> String {
        format!("{}#sig-1", self.certified.id)
    }
}

fn received<'a>(headers: &'a HeaderMap, body: &'a [u8]) -> ReceivedRequest<'a> {
    ReceivedRequest { method: "POST", target_uri: URL, headers, body }
}

fn reason(result: Result<impl Sized, SignatureRefusal>) -> &'static str {
    result.err().map_or("accepted", |refusal| refusal.reason())
}

#[test]
fn the_caller_is_the_did_whose_key_signed() {
    let alice = alice();
    for (document, assurance) in
        [(&alice.named, Assurance::Domain), (&alice.certified, Assurance::SelfCertified)]
    {
        for body in [BODY, b""] {
            let headers = alice.headers(&format!("{}#sig-1", document.id), body);
            let signed = SignedRequest::read(&received(&headers, body), NOW).unwrap();
            let caller = signed.verify(&resolved(document)).unwrap();
            assert_eq!((caller.did.as_str(), caller.assurance), (document.id.as_str(), assurance));
        }
    }
}

#[test]
fn what_was_changed_on_the_way_is_refused() {
    let alice = alice();
    let headers = alice.headers(&alice.key_id(), BODY);
    let whole = received(&headers, BODY);
    let verify = |request: ReceivedRequest<'_>| {
        reason(
            SignedRequest::read(&request, NOW).and_then(|signed| signed.verify(&resolved(&alice.certified))),
        )
    };
    assert_eq!(verify(whole), "accepted");
    assert_eq!(verify(ReceivedRequest { body: b"{\"a\":2}", ..whole }), "content_digest");
    assert_eq!(verify(ReceivedRequest { body: b"", ..whole }), "content_digest");
    assert_eq!(verify(ReceivedRequest { method: "PUT", ..whole }), "signature_invalid");
    for url in ["https://example.org/a2a?x=2", "https://example.net/a2a?x=1", "http://example.org/a2a?x=1"] {
        assert_eq!(verify(ReceivedRequest { target_uri: url, ..whole }), "signature_invalid", "{url}");
    }
    let with = |name: &'static str, value: &str| {
        let mut headers = headers.clone();
        headers.insert(name, HeaderValue::try_from(value).unwrap());
        verify(ReceivedRequest { headers: &headers, ..whole })
    };
    let other = crate::content_digest(b"{\"a\":2}");
    assert_eq!(with("content-digest", &other), "content_digest");
    let input = headers["signature-input"].to_str().unwrap().to_owned();
    assert_eq!(with("signature-input", &input.replace("nonce=\"", "nonce=\"x")), "signature_invalid");
    assert_eq!(with("signature", "sig1=:AAAA:"), "signature_malformed");
    let zeros = format!("sig1=:{}==:", "A".repeat(86));
    assert_eq!(with("signature", &zeros), "signature_invalid");
}

#[test]
fn a_body_cannot_be_added_to_a_request_that_was_signed_without_one() {
    let alice = alice();
    let mut headers = alice.headers(&alice.key_id(), b"");
    assert_eq!(reason(SignedRequest::read(&received(&headers, BODY), NOW)), "signature_not_covered");
    headers.insert("content-digest", crate::content_digest(BODY).try_into().unwrap());
    assert_eq!(reason(SignedRequest::read(&received(&headers, BODY), NOW)), "signature_not_covered");
}

#[test]
fn a_signature_has_a_time() {
    let alice = alice();
    let headers = alice.headers(&alice.key_id(), BODY);
    let at = |now| reason(SignedRequest::read(&received(&headers, BODY), now));
    assert_eq!((at(NOW - 61), at(NOW - 60)), ("signature_future", "accepted"));
    assert_eq!((at(NOW + 119), at(NOW + 120)), ("accepted", "signature_expired"));
    let input = headers["signature-input"].to_str().unwrap();
    let endless = input.replace(&format!("expires={}", NOW + 120), "expires=9999999999");
    let mut headers = headers.clone();
    headers.insert("signature-input", endless.try_into().unwrap());
    let at = |now| reason(SignedRequest::read(&received(&headers, BODY), now));
    assert_eq!((at(NOW + 299), at(NOW + 300)), ("accepted", "signature_expired"));
}

#[test]
fn each_part_of_a_signature_is_required_and_read_in_one_way() {
    let alice = alice();
    let headers = alice.headers(&alice.key_id(), BODY);
    let input = headers["signature-input"].to_str().unwrap().to_owned();
    let with = |from: &str, to: &str| {
        let changed = input.replace(from, to);
        assert_ne!(changed, input, "{from}");
        let mut headers = headers.clone();
        headers.insert("signature-input", changed.try_into().unwrap());
        reason(SignedRequest::read(&received(&headers, BODY), NOW))
    };
    let (created, did) = (format!("created={NOW};"), alice.certified.id.as_str());
    for (from, to, why) in [
        ("\"@method\" ", "", "signature_not_covered"),
        ("\"@target-uri\" ", "", "signature_not_covered"),
        (" \"content-digest\"", "", "signature_not_covered"),
        ("\"@authority\"", "\"@path\"", "signature_component"),
        ("\"@authority\"", "\"@authority\";req", "signature_component"),
        ("\"@authority\"", "\"@method\"", "signature_component"),
        ("\"@authority\"", "\"x-absent\"", "signature_component"),
        ("\"@authority\"", "\"Host\"", "signature_component"),
        (created.as_str(), "", "signature_parameter"),
        (created.as_str(), "created=-1;", "signature_parameter"),
        ("nonce=", "n=", "signature_parameter"),
        (";nonce=", ";alg=\"hmac-sha256\";nonce=", "signature_algorithm"),
        ("#sig-1", "", "signature_key_id"),
        (did, "did:web:example.com", "signature_key_id"),
        (did, "key", "signature_key_id"),
        ("sig1=", "sig2=", "signature_malformed"),
        ("sig1=(", "sig1=[", "signature_malformed"),
    ] {
        assert_eq!(with(from, to), why, "{from} {to}");
    }
    let second = format!("{input}, {}", input.replace("sig1", "sig2"));
    let mut twice = headers.clone();
    twice.insert("signature-input", second.try_into().unwrap());
    assert_eq!(reason(SignedRequest::read(&received(&twice, BODY), NOW)), "signature_several");
    let mut repeated = headers.clone();
    repeated.append("signature", "sig1=:AAAA:".parse().unwrap());
    assert_eq!(reason(SignedRequest::read(&received(&repeated, BODY), NOW)), "signature_malformed");
    assert_eq!(reason(SignedRequest::read(&received(&HeaderMap::new(), BODY), NOW)), "signature_missing");
}

#[test]
fn a_signature_of_a_proxy_beside_it_is_not_looked_at() {
    let alice = alice();
    let mut headers = alice.headers(&alice.key_id(), BODY);
    let add = |name: &str, more: &str| format!("{}, {more}", headers[name].to_str().unwrap());
    let (input, signature) =
        (add("signature-input", "proxy=(\"@path\");keyid=\"p\""), add("signature", "proxy=:AAAA:"));
    headers.insert("signature-input", input.try_into().unwrap());
    headers.insert("signature", signature.try_into().unwrap());
    let signed = SignedRequest::read(&received(&headers, BODY), NOW).unwrap();
    signed.verify(&resolved(&alice.certified)).unwrap();
}

#[test]
fn a_key_that_does_not_authenticate_or_is_of_another_document_is_unknown() {
    let alice = alice();
    for key_id in [format!("{}#root", alice.named.id), format!("{}#enc-1", alice.named.id)] {
        let headers = alice.headers(&key_id, BODY);
        let signed = SignedRequest::read(&received(&headers, BODY), NOW).unwrap();
        assert_eq!(reason(signed.verify(&resolved(&alice.named))), "did_key_unknown", "{key_id}");
    }
    let headers = alice.headers(&alice.key_id(), BODY);
    let signed = SignedRequest::read(&received(&headers, BODY), NOW).unwrap();
    assert_eq!(reason(signed.verify(&resolved(&alice.named))), "did_key_unknown");
}

proptest! {
    #[test]
    fn no_header_field_panics_the_reader(input in "[ -~]{0,200}", signature in "[ -~]{0,200}") {
        let mut headers = HeaderMap::new();
        headers.insert("signature-input", input.try_into().unwrap());
        headers.insert("signature", signature.try_into().unwrap());
        prop_assert!(SignedRequest::read(&received(&headers, BODY), NOW).is_err());
    }

    /// One changed byte of the signed fields never gives another caller.
    #[test]
    fn a_changed_byte_is_refused_or_changes_nothing(at: usize, to in b' '..=b'~') {
        let alice = alice();
        let mut headers = alice.headers(&alice.key_id(), BODY);
        let mut input = headers["signature-input"].as_bytes().to_vec();
        let at = at % input.len();
        input[at] = to;
        headers.insert("signature-input", HeaderValue::from_bytes(&input).unwrap());
        let document = resolved(&alice.certified);
        let verified = SignedRequest::read(&received(&headers, BODY), NOW);
        if let Ok(caller) = verified.and_then(|signed| signed.verify(&document)) {
            prop_assert_eq!(caller.did, document.did);
        }
    }
}
