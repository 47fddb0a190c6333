//! The keys that sign access tokens, and the JSON Web Key Set of their public halves (RFC 7517, RFC 8037).

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use daemon::Shutdown;
use protocol::base64url;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

mod folder;

pub(super) use folder::KeyFolder;
pub use folder::KeysError;

use super::metrics::OauthMetrics;

/// How late a changed folder is noticed. Contents are compared, not times: mounted Secrets are swapped links.
const POLL_INTERVAL: Duration = Duration::from_secs(2);

/// An Ed25519 key and its id. No `Debug`: it holds a secret.
#[derive(Clone)]
pub(super) struct SigningKey {
    secret: ed25519_dalek::SigningKey,
    kid: String,
}

/// All keys at one moment; the last one signs.
#[derive(Clone)]
pub(super) struct KeySet(Vec<SigningKey>);

/// The keys in force, and where they come from.
pub(super) struct Keys {
    folder: KeyFolder,
    current: RwLock<(Arc<KeySet>, [u8; 32])>,
}

/// The body of `/oauth/jwks`.
#[derive(Debug, Serialize)]
pub(super) struct JwkSet {
    keys: Vec<Jwk>,
}

#[derive(Debug, Serialize)]
struct Jwk {
    kty: &'static str,
    crv: &'static str,
    x: String,
    kid: String,
    alg: &'static str,
    r#use: &'static str,
}

impl SigningKey {
    pub(super) fn new(secret: ed25519_dalek::SigningKey) -> Self {
        let kid = thumbprint(&base64url::encode(secret.verifying_key().as_bytes()));
        Self { secret, kid }
    }

    /// The RFC 7638 thumbprint of the public key.
    pub(super) fn kid(&self) -> &str {
        &self.kid
    }

    pub(super) const fn secret(&self) -> &ed25519_dalek::SigningKey {
        &self.secret
    }
}

impl KeySet {
    /// `None` without any key.
    pub(super) fn new(keys: Vec<SigningKey>) -> Option<Self> {
        (!keys.is_empty()).then_some(Self(keys))
    }

    /// The key that signs.
    pub(super) fn active(&self) -> Option<&SigningKey> {
        self.0.last()
    }

    pub(super) fn find(&self, kid: &str) -> Option<&SigningKey> {
        self.0.iter().find(|key| key.kid == kid)
    }

    pub(super) fn public(&self) -> JwkSet {
        let jwk = |key: &SigningKey| Jwk {
            kty: "OKP",
            crv: "Ed25519",
            x: base64url::encode(key.secret.verifying_key().as_bytes()),
            kid: key.kid.clone(),
            alg: "EdDSA",
            r#use: "sig",
        };
        JwkSet { keys: self.0.iter().map(jwk).collect() }
    }
}

impl Keys {
    /// # Errors
    /// The folder cannot be read, or holds no key that can be used.
    pub(super) fn open(folder: KeyFolder) -> Result<Arc<Self>, KeysError> {
        let current = RwLock::new(read(&folder)?);
        Ok(Arc::new(Self { folder, current }))
    }

    pub(super) fn current(&self) -> Arc<KeySet> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner).0)
    }

    /// Watches the folder until shutdown. A folder that cannot be used leaves the keys as they were.
    pub(super) async fn watch(self: Arc<Self>, metrics: OauthMetrics, shutdown: Shutdown) {
        let mut poll = tokio::time::interval(POLL_INTERVAL);
        let mut broken = false;
        loop {
            tokio::select! {
                _ = poll.tick() => {}
                () = shutdown.begun() => return,
            }
            broken = self.poll(&metrics, broken).await;
        }
    }

    /// Whether the folder is broken now; it is said once each time it breaks.
    async fn poll(self: &Arc<Self>, metrics: &OauthMetrics, broken: bool) -> bool {
        let this = Arc::clone(self);
        let Ok(found) = tokio::task::spawn_blocking(move || read(&this.folder)).await else { return broken };
        let found = match found {
            Ok(found) => found,
            Err(error) if !broken => {
                metrics.keys_reloaded(false);
                tracing::warn!(%error, "refused the changed signing keys; those before stay in use");
                return true;
            }
            Err(_) => return true,
        };
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        if current.1 != found.1 {
            let active = found.0.active().map(|key| key.kid.clone()).unwrap_or_default();
            tracing::info!(target: "audit", active, "loaded changed signing keys");
            metrics.keys_reloaded(true);
            *current = found;
        }
        false
    }
}

fn read(folder: &KeyFolder) -> Result<(Arc<KeySet>, [u8; 32]), KeysError> {
    let keys = folder.read()?;
    let digest = digest(&keys);
    let set = KeySet::new(keys).ok_or_else(|| KeysError::Empty(folder.path().to_owned()))?;
    Ok((Arc::new(set), digest))
}

/// Of the ids in their order, which is all that a change can change.
fn digest(keys: &[SigningKey]) -> [u8; 32] {
    let ids: Vec<_> = keys.iter().map(SigningKey::kid).collect();
    Sha256::digest(ids.join("\n")).into()
}

/// RFC 7638 section 3.2: the required members in the order of their names, without white space.
fn thumbprint(x: &str) -> String {
    let canonical = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#);
    base64url::encode(&Sha256::digest(canonical))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_thumbprint_is_that_of_rfc_8037() {
        assert_eq!(
            thumbprint("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"),
            "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"
        );
    }

    #[test]
    fn the_published_set_holds_no_secret() {
        let secret = ed25519_dalek::SigningKey::from_bytes(&[7; 32]);
        let set = KeySet::new(vec![SigningKey::new(secret)]).unwrap();
        let json = serde_json::to_string(&set.public()).unwrap();
        assert!(!json.contains(&base64url::encode(&[7; 32])) && !json.contains("\"d\""), "{json}");
    }
}
