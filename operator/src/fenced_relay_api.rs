//! Fencing of the writes to relays: a write is sent only in the term in which it was begun.
//!
//! A relay takes a write without a term from everybody who has the token, because people have no
//! term. A replica that no longer leads must therefore not send one.

use std::sync::Arc;

use futures::FutureExt as _;
use futures::future::{BoxFuture, ready};
use protocol::admin::{
    AgentBatch, AgentView, Applied, BatchApplied, DeletionPolicy, Page, TenantView, Term, Version,
};
use protocol::did::TenantId;

use crate::lease::Leadership;
use crate::relay_api::{RelayApi, RelayError, Target, Writer};

/// The admin API of relays behind the lease. Everybody may read.
#[derive(Debug)]
pub struct FencedRelayApi {
    inner: Arc<dyn RelayApi>,
    leadership: Arc<Leadership>,
}

impl FencedRelayApi {
    #[must_use]
    pub fn new(inner: Arc<dyn RelayApi>, leadership: Arc<Leadership>) -> Self {
        Self { inner, leadership }
    }

    /// Whether a write that was begun in `term` may be sent now.
    fn check(&self, term: Option<Term>) -> Result<(), RelayError> {
        if term.is_some() && term == self.leadership.term() { Ok(()) } else { Err(RelayError::NotLeading) }
    }
}

impl RelayApi for FencedRelayApi {
    fn version<'a>(&'a self, target: &'a Target) -> BoxFuture<'a, Result<Version, RelayError>> {
        self.inner.version(target)
    }

    fn put<'a>(
        &'a self,
        target: &'a Target,
        path: &'a str,
        writer: &'a Writer,
        body: serde_json::Value,
    ) -> BoxFuture<'a, Result<Applied, RelayError>> {
        match self.check(writer.term) {
            Ok(()) => self.inner.put(target, path, writer, body),
            Err(error) => ready(Err(error)).boxed(),
        }
    }

    fn delete<'a>(
        &'a self,
        target: &'a Target,
        path: &'a str,
        writer: &'a Writer,
        policy: Option<DeletionPolicy>,
    ) -> BoxFuture<'a, Result<Applied, RelayError>> {
        match self.check(writer.term) {
            Ok(()) => self.inner.delete(target, path, writer, policy),
            Err(error) => ready(Err(error)).boxed(),
        }
    }

    fn tenants<'a>(
        &'a self,
        target: &'a Target,
        after: Option<&'a str>,
    ) -> BoxFuture<'a, Result<Page<TenantView>, RelayError>> {
        self.inner.tenants(target, after)
    }

    fn agents<'a>(
        &'a self,
        target: &'a Target,
        tenant: &'a TenantId,
        after: Option<&'a str>,
    ) -> BoxFuture<'a, Result<Page<AgentView>, RelayError>> {
        self.inner.agents(target, tenant, after)
    }

    fn put_agents<'a>(
        &'a self,
        target: &'a Target,
        term: Option<Term>,
        batch: &'a AgentBatch,
    ) -> BoxFuture<'a, Result<BatchApplied, RelayError>> {
        match self.check(term) {
            Ok(()) => self.inner.put_agents(target, term, batch),
            Err(error) => ready(Err(error)).boxed(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::Instant;

    use super::*;
    use crate::lease::WriteFence;
    use crate::relay_client::RelayClient;

    #[tokio::test(start_paused = true)]
    async fn a_write_is_sent_only_in_the_term_in_which_it_was_begun() {
        let fence = WriteFence::default();
        let leadership = Arc::new(Leadership::new(fence.clone()));
        let api = FencedRelayApi::new(Arc::new(RelayClient::new()), Arc::clone(&leadership));
        let (first, second) = (Some("1.1".parse().unwrap()), Some("1.2".parse().unwrap()));
        assert!(api.check(None).is_err() && api.check(first).is_err(), "this replica does not lead");
        fence.allow_until(Instant::now() + Duration::from_secs(10));
        leadership.set_term(first);
        assert!(api.check(first).is_ok() && api.check(None).is_err());
        leadership.set_term(second);
        assert!(api.check(first).is_err(), "it was begun in a former term");
        tokio::time::advance(Duration::from_secs(10)).await;
        assert!(api.check(second).is_err(), "the lease was not renewed");
    }
}
