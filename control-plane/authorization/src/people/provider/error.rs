//! The errors of a sign-in with the OpenID provider.

use daemon::token_file::TokenFileError;

use super::id_token::IdTokenError;

/// Why a sign-in with the provider failed. The text is for the log.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProviderError {
    #[error("failed to send a request to the provider at {url}")]
    Send { url: String, source: reqwest::Error },
    #[error("the provider answered {status} for {url}")]
    Status { url: String, status: u16 },
    #[error("the provider's response from {0} is too long")]
    TooLong(String),
    #[error("failed to parse the provider's response from {url}")]
    Parse { url: String, source: serde_json::Error },
    #[error("the provider's metadata has the issuer {found} instead of {wanted}")]
    OtherIssuer { found: String, wanted: String },
    #[error("the provider's metadata has a URL that is neither https nor loopback: {0}")]
    Insecure(String),
    #[error("failed to read the client secret")]
    ReadSecret(#[source] TokenFileError),
    #[error("the provider did not exchange the code: {0}")]
    Exchange(String),
    #[error("the provider returned no id_token")]
    NoIdToken,
    #[error("the provider's id_token was refused")]
    VerifyIdToken(#[source] IdTokenError),
}
