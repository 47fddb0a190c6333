//! The header fields `Signature-Input` and `Signature` (RFC 9421 section 4).

use protocol::did::WbaDid;
use sfv::{BareItem, Dictionary, InnerList, ListEntry, ListSerializer, Parameters, Parser};

use crate::refusal::SignatureRefusal;
use crate::request::ReceivedRequest;

const INPUT_FIELD: &str = "signature-input";
const SIGNATURE_FIELD: &str = "signature";
/// Bytes of either header field. One signature with a long DID takes 800.
const FIELD_BYTES_MAX: usize = 4096;
/// Signatures of one request; proxies on the way may add theirs.
const SIGNATURES_MAX: usize = 4;
/// Components that one signature covers.
const COMPONENTS_MAX: usize = 16;
/// Bytes of a nonce. A UUID has 36, and 32 random bytes as hexadecimal digits have 64.
const NONCE_BYTES_MAX: usize = 128;

/// The signature of a request that names a DID as its key, as it was sent.
#[derive(Debug)]
pub(crate) struct SignatureInput {
    pub(crate) did: WbaDid,
    /// The full DID URL of the key.
    pub(crate) key_id: String,
    pub(crate) components: Vec<String>,
    /// Components and parameters in the one spelling that is signed.
    pub(crate) parameters: String,
    pub(crate) created: u64,
    pub(crate) expires: Option<u64>,
    pub(crate) nonce: String,
    pub(crate) signature: [u8; 64],
}

impl SignatureInput {
    /// Reads the one signature whose key is a DID. Those of others are not looked at.
    pub(crate) fn read(request: &ReceivedRequest<'_>) -> Result<Self, SignatureRefusal> {
        let (inputs, signatures) = (dictionary(request, INPUT_FIELD)?, dictionary(request, SIGNATURE_FIELD)?);
        if inputs.len() > SIGNATURES_MAX || signatures.len() > SIGNATURES_MAX {
            return Err(SignatureRefusal::Several);
        }
        let by_did = |entry: &ListEntry| match entry {
            ListEntry::InnerList(list) => {
                text(&list.params, "keyid").is_some_and(|id| id.starts_with("did:"))
            }
            ListEntry::Item(_) => false,
        };
        let mut by_dids = inputs.iter().filter(|(_, entry)| by_did(entry));
        let (found, more) = (by_dids.next(), by_dids.next());
        let Some((label, ListEntry::InnerList(list))) = found else {
            return Err(SignatureRefusal::KeyId(None));
        };
        if more.is_some() {
            return Err(SignatureRefusal::Several);
        }
        let signature = match signatures.get(label) {
            Some(ListEntry::Item(item)) => item.bare_item.as_byte_sequence(),
            _ => None,
        };
        let signature = signature.and_then(|bytes| bytes.try_into().ok());
        Self::of_list(list, signature.ok_or(SignatureRefusal::Malformed(SIGNATURE_FIELD))?)
    }

    fn of_list(list: &InnerList, signature: [u8; 64]) -> Result<Self, SignatureRefusal> {
        if text(&list.params, "alg").is_some_and(|algorithm| algorithm != "ed25519") {
            return Err(SignatureRefusal::Algorithm);
        }
        let key_id = text(&list.params, "keyid").unwrap_or_default();
        let (did, fragment) = key_id.split_once('#').ok_or(SignatureRefusal::KeyId(None))?;
        if fragment.is_empty() {
            return Err(SignatureRefusal::KeyId(None));
        }
        let nonce = text(&list.params, "nonce").filter(|nonce| (1..=NONCE_BYTES_MAX).contains(&nonce.len()));
        Ok(Self {
            did: did.parse().map_err(|error| SignatureRefusal::KeyId(Some(error)))?,
            key_id: key_id.to_owned(),
            components: components(list)?,
            parameters: serialize(list.clone()).ok_or(SignatureRefusal::Malformed(INPUT_FIELD))?,
            created: time(&list.params, "created")?.ok_or(SignatureRefusal::Parameter("created"))?,
            expires: time(&list.params, "expires")?,
            nonce: nonce.ok_or(SignatureRefusal::Parameter("nonce"))?.to_owned(),
            signature,
        })
    }
}

/// Writes covered components with their parameters as they are signed.
pub(crate) fn serialize(list: InnerList) -> Option<String> {
    let mut serializer = ListSerializer::new();
    serializer.members(&[ListEntry::InnerList(list)]);
    serializer.finish()
}

fn dictionary(request: &ReceivedRequest<'_>, name: &'static str) -> Result<Dictionary, SignatureRefusal> {
    let field = request.single_field(name)?.ok_or(SignatureRefusal::Missing)?;
    if field.len() > FIELD_BYTES_MAX {
        return Err(SignatureRefusal::Malformed(name));
    }
    Parser::new(field).parse().map_err(|_| SignatureRefusal::Malformed(name))
}

/// The names of the covered components. Parameters of a component would change what it means, and
/// none is read here.
fn components(list: &InnerList) -> Result<Vec<String>, SignatureRefusal> {
    if list.items.len() > COMPONENTS_MAX {
        return Err(SignatureRefusal::Malformed(INPUT_FIELD));
    }
    let mut names = Vec::new();
    for item in &list.items {
        let name = item.bare_item.as_string().ok_or(SignatureRefusal::Malformed(INPUT_FIELD))?.as_str();
        let unfit = !item.params.is_empty() || name.bytes().any(|b| b.is_ascii_uppercase());
        if unfit || names.iter().any(|other| other == name) {
            return Err(SignatureRefusal::Component(name.to_owned()));
        }
        names.push(name.to_owned());
    }
    Ok(names)
}

fn text<'a>(parameters: &'a Parameters, name: &str) -> Option<&'a str> {
    parameters.get(name).and_then(BareItem::as_string).map(|text| text.as_str())
}

fn time(parameters: &Parameters, name: &'static str) -> Result<Option<u64>, SignatureRefusal> {
    let Some(value) = parameters.get(name) else { return Ok(None) };
    let seconds = value.as_integer().and_then(|integer| u64::try_from(i64::from(integer)).ok());
    seconds.map(Some).ok_or(SignatureRefusal::Parameter(name))
}
