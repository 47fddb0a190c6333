//! The identity of the relay: its Ed25519 key and the token of its admin API, each in a file of
//! mode 0600.

use std::path::{Path, PathBuf};

use ed25519_dalek::SigningKey;
use protocol::base64url;
use rand::RngExt as _;
use zeroize::Zeroizing;

mod secret_file;

pub use secret_file::SecretFileError;

/// Name of the key file in the data folder.
const KEY_FILE: &str = "relay-key";

#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    #[error(transparent)]
    File(#[from] SecretFileError),
    #[error("the relay key in {} is not 43 base64url characters", .0.display())]
    Form(PathBuf),
}

/// Loads the key that signs the DID document of the relay's domain. The first start generates it.
///
/// # Errors
/// The file cannot be read or written, others may read it, or it holds no key.
pub fn load_or_create_key(data_dir: &Path) -> Result<SigningKey, IdentityError> {
    let path = data_dir.join(KEY_FILE);
    let text = secret_file::read_or_create(&path, new_secret)?;
    secret_file::refuse_readable_by_all(&path)?;
    let seed = base64url::decode_array::<32>(text.trim()).map_err(|_| IdentityError::Form(path))?;
    Ok(SigningKey::from_bytes(&Zeroizing::new(seed)))
}

/// Generates the admin token if there is none. The admin API reads the file at each request.
///
/// # Errors
/// The file cannot be read or written.
pub fn ensure_admin_token(path: &Path) -> Result<(), SecretFileError> {
    secret_file::read_or_create(path, new_secret).map(|_| ())
}

fn new_secret() -> Zeroizing<String> {
    let mut bytes = Zeroizing::new([0u8; 32]);
    rand::rng().fill(bytes.as_mut_slice());
    Zeroizing::new(base64url::encode(bytes.as_ref()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn the_key_is_kept_and_only_its_owner_can_read_it() {
        let folder = tempfile::tempdir().unwrap();
        let key = load_or_create_key(folder.path()).unwrap();
        let again = load_or_create_key(folder.path()).unwrap();
        assert_eq!(key.verifying_key(), again.verifying_key());
        let mode = std::fs::metadata(folder.path().join(KEY_FILE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_key_that_everybody_may_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        load_or_create_key(folder.path()).unwrap();
        let open = std::fs::Permissions::from_mode(0o644);
        std::fs::set_permissions(folder.path().join(KEY_FILE), open).unwrap();
        let error = load_or_create_key(folder.path()).map(|_| ()).unwrap_err();
        assert!(matches!(error, IdentityError::File(SecretFileError::ReadableByAll(_))), "{error}");
    }

    #[test]
    fn a_damaged_key_is_refused_and_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(KEY_FILE);
        std::fs::write(&path, "damaged").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        let error = load_or_create_key(folder.path()).map(|_| ()).unwrap_err();
        assert!(matches!(error, IdentityError::Form(_)), "{error}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "damaged");
    }
}
