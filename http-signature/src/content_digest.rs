//! The header field `Content-Digest` (RFC 9530).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sfv::{Dictionary, ListEntry, Parser};
use sha2::{Digest as _, Sha256, Sha512};
use subtle::ConstantTimeEq as _;

use crate::refusal::SignatureRefusal;

/// Writes the digest of a body.
#[must_use]
pub fn content_digest(body: &[u8]) -> String {
    format!("sha-256=:{}:", STANDARD.encode(Sha256::digest(body)))
}

/// Checks a body against its digest. Every digest of an algorithm that is not deprecated must fit,
/// and there must be one.
pub(crate) fn check(field: &str, body: &[u8]) -> Result<(), SignatureRefusal> {
    let digests: Dictionary =
        Parser::new(field).parse().map_err(|_| SignatureRefusal::Malformed("content-digest"))?;
    let mut found = false;
    for (algorithm, digest) in &digests {
        let computed: Vec<u8> = match algorithm.as_str() {
            "sha-256" => Sha256::digest(body).to_vec(),
            "sha-512" => Sha512::digest(body).to_vec(),
            _ => continue,
        };
        let ListEntry::Item(item) = digest else { return Err(SignatureRefusal::Digest) };
        let sent = item.bare_item.as_byte_sequence().ok_or(SignatureRefusal::Digest)?;
        if !bool::from(sent.ct_eq(&computed)) {
            return Err(SignatureRefusal::Digest);
        }
        found = true;
    }
    if found { Ok(()) } else { Err(SignatureRefusal::Digest) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 9530 appendix B.1.
    const BODY: &[u8] = b"{\"hello\": \"world\"}\n";
    const DIGEST: &str = "sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:";

    #[test]
    fn the_digest_of_the_standard_is_written_and_read() {
        assert_eq!(content_digest(BODY), DIGEST);
        check(DIGEST, BODY).unwrap();
    }

    #[test]
    fn another_body_and_digests_that_prove_nothing_are_refused() {
        let wrong = content_digest(b"");
        for field in [
            wrong.as_str(),
            "md5=:AAAA:",
            "",
            "sha-256=1",
            "sha-256=()",
            &format!("{DIGEST}, sha-512=:AA==:"),
        ] {
            assert!(matches!(check(field, BODY), Err(SignatureRefusal::Digest)), "{field}");
        }
        assert!(matches!(check("sha-256=:", BODY), Err(SignatureRefusal::Malformed("content-digest"))));
    }
}
