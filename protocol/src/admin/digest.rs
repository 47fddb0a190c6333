//! Computes the digest by which a client compares what it declared with what the relay holds.

use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::{AgentSpec, TenantSpec};

impl AgentSpec {
    /// The lower-case hexadecimal SHA-256 of the serialized declaration.
    ///
    /// Members with their default value are not serialized, so that a member which an older relay
    /// does not know changes nothing as long as nobody sets it.
    #[must_use]
    pub fn digest(&self) -> String {
        hex_sha256(self)
    }
}

impl TenantSpec {
    /// The lower-case hexadecimal SHA-256 of the serialized declaration.
    #[must_use]
    pub fn digest(&self) -> String {
        hex_sha256(self)
    }
}

fn hex_sha256(declaration: &impl Serialize) -> String {
    use std::fmt::Write as _;
    // A declaration always serializes. One that did not would differ from everything held.
    let bytes = serde_json::to_vec(declaration).unwrap_or_default();
    Sha256::digest(bytes).iter().fold(String::with_capacity(64), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_changes_with_the_declaration_and_only_then() {
        let spec = TenantSpec { display_name: "Acme".into(), ..TenantSpec::default() };
        assert_eq!(spec.digest(), spec.clone().digest());
        assert_eq!(spec.digest().len(), 64);
        assert_ne!(spec.digest(), TenantSpec { suspended: true, ..spec }.digest());
    }
}
