//! The text that a signature covers (RFC 9421 section 2.5).

use crate::refusal::SignatureRefusal;
use crate::request::ReceivedRequest;

/// Joins the covered components of a request and the parameters of the signature.
pub(crate) fn signature_base(
    request: &ReceivedRequest<'_>,
    components: &[String],
    parameters: &str,
) -> Result<String, SignatureRefusal> {
    let mut base = String::new();
    for name in components {
        base += &format!("\"{name}\": {}\n", request.component(name)?);
    }
    Ok(base + &format!("\"@signature-params\": {parameters}"))
}
