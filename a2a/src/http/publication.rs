//! Serves cards, the listing of agents and the keys of their signatures.

use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH, VARY};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use protocol::base64url;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::bindings::Bindings;
use super::rest::query_fields;
use super::route::Interface;
use super::version::{ProtocolVersion, VERSION_HEADER};
use crate::error::A2aError;
use crate::model::{DEFAULT_PAGE, PAGE_MAX, PAGE_TOKEN_BYTES_MAX};
use crate::proto_json::Fields;
use crate::v03;

/// How long a card may be kept without asking again. A change of an agent shows within it.
pub const CARD_TTL_SECONDS: u64 = 300;

/// The card of an agent: of version 1.0 at its URL, of 0.3 below it or where the header asks for
/// it.
pub(super) async fn card(
    bindings: &Bindings,
    headers: &HeaderMap,
    agent: &str,
    interface: Interface,
) -> Result<Response, A2aError> {
    let description = bindings.service.describe_agent(agent).await?;
    let card = bindings.cards.card(&description);
    let asks_for_legacy = headers.contains_key(VERSION_HEADER)
        && ProtocolVersion::of(headers, "", interface)? == ProtocolVersion::V0_3;
    let value = if interface == Interface::Legacy || asks_for_legacy {
        v03::card(&card, &bindings.cards.legacy_url(agent))
    } else {
        serde_json::to_value(card)
            .map_err(|error| A2aError::internal("the card could not be written", error))?
    };
    Ok(cacheable(headers, &value))
}

/// The cards of the agents that discovery shows.
pub(super) async fn listing(
    bindings: &Bindings,
    headers: &HeaderMap,
    query: &str,
) -> Result<Response, A2aError> {
    let query = Value::Object(query_fields(query)?);
    let fields = Fields::of(&query, "")?;
    let size = fields.optional_int("pageSize")?.map_or(Ok(DEFAULT_PAGE), |size| {
        let size = u32::try_from(size).ok().filter(|size| (1..=PAGE_MAX).contains(size));
        size.ok_or_else(|| fields.violation("pageSize", &format!("must be from 1 to {PAGE_MAX}")))
    })?;
    let token = fields.optional_id("pageToken", PAGE_TOKEN_BYTES_MAX)?;
    let page = bindings.service.list_agents(size, token.as_deref()).await?;
    let cards: Vec<_> = page.agents.iter().map(|agent| bindings.cards.card(agent)).collect();
    Ok(cacheable(headers, &json!({"agentCards": cards, "nextPageToken": page.next_page_token})))
}

/// The public keys.
pub(super) fn keys(bindings: &Bindings, headers: &HeaderMap) -> Response {
    cacheable(headers, &bindings.cards.public_keys())
}

/// A document with its tag (specification 8.6.1), or 304 where the client has it.
fn cacheable(headers: &HeaderMap, value: &Value) -> Response {
    let body = value.to_string();
    let tag = format!("\"{}\"", base64url::encode(&Sha256::digest(body.as_bytes())));
    let mut response = if has(headers, &tag) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        ([(CONTENT_TYPE, "application/json")], body).into_response()
    };
    let added = response.headers_mut();
    if let Ok(cache) = HeaderValue::from_str(&format!("public, max-age={CARD_TTL_SECONDS}")) {
        added.insert(CACHE_CONTROL, cache);
    }
    added.insert(VARY, HeaderValue::from_static(VERSION_HEADER));
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        added.insert(ETAG, tag);
    }
    response
}

fn has(headers: &HeaderMap, tag: &str) -> bool {
    let known = headers.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    known
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .any(|known| known == "*" || known.trim_start_matches("W/") == tag)
}
