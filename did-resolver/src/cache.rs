//! Keeps documents until they have to be fetched again. Pure.

use std::collections::HashMap;
use std::sync::Arc;

use protocol::did::WbaDid;
use protocol::document::ResolvedDocument;

/// Documents in all. A document has a few kilobytes.
const DOCUMENTS_MAX: usize = 1_024;
/// Documents of one domain, which can make as many DIDs as it likes.
const DOCUMENTS_PER_DOMAIN_MAX: usize = 256;

#[derive(Debug)]
struct Kept {
    document: Arc<ResolvedDocument>,
    until: u64,
}

/// Documents by their DIDs. Beyond its limits the one that ends first makes room, of the same
/// domain if the domain has its share.
#[derive(Debug, Default)]
pub(crate) struct DocumentCache(HashMap<WbaDid, Kept>);

impl DocumentCache {
    pub(crate) fn get(&self, did: &WbaDid, now: u64) -> Option<Arc<ResolvedDocument>> {
        self.0.get(did).filter(|kept| now < kept.until).map(|kept| Arc::clone(&kept.document))
    }

    pub(crate) fn keep(&mut self, document: Arc<ResolvedDocument>, until: u64, now: u64) {
        let did = document.did.clone();
        self.0.retain(|other, kept| now < kept.until && *other != did);
        let of_domain = self.0.keys().filter(|other| other.domain() == did.domain()).count();
        if of_domain >= DOCUMENTS_PER_DOMAIN_MAX {
            self.drop_first(|other| other.domain() == did.domain());
        } else if self.0.len() >= DOCUMENTS_MAX {
            self.drop_first(|_| true);
        }
        self.0.insert(did, Kept { document, until });
    }

    fn drop_first(&mut self, among: impl Fn(&WbaDid) -> bool) {
        let first = self.0.iter().filter(|(did, _)| among(did)).min_by_key(|(_, kept)| kept.until);
        if let Some(did) = first.map(|(did, _)| did.clone()) {
            self.0.remove(&did);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(did: &str) -> Arc<ResolvedDocument> {
        let bytes = format!(r#"{{"id":"{did}"}}"#);
        Arc::new(ResolvedDocument::parse(bytes.as_bytes(), &did.parse().unwrap(), 0).unwrap())
    }

    #[test]
    fn a_document_is_kept_until_its_end() {
        let mut cache = DocumentCache::default();
        let did: WbaDid = "did:wba:example.com".parse().unwrap();
        cache.keep(document(did.as_str()), 10, 0);
        assert!(cache.get(&did, 9).is_some());
        assert!(cache.get(&did, 10).is_none());
    }

    #[test]
    fn a_domain_with_many_documents_takes_room_from_itself_only() {
        let mut cache = DocumentCache::default();
        cache.keep(document("did:wba:small.example:user:a"), 5, 0);
        for number in 0..=DOCUMENTS_PER_DOMAIN_MAX as u64 {
            cache.keep(document(&format!("did:wba:large.example:user:a{number}")), 10 + number, 0);
        }
        assert_eq!(cache.0.len(), DOCUMENTS_PER_DOMAIN_MAX + 1);
        let has = |did: &str| cache.get(&did.parse().unwrap(), 0).is_some();
        assert!(has("did:wba:small.example:user:a"));
        assert!(!has("did:wba:large.example:user:a0") && has("did:wba:large.example:user:a1"));
    }

    #[test]
    fn the_cache_has_a_limit_over_all_domains() {
        let mut cache = DocumentCache::default();
        for number in 0..=DOCUMENTS_MAX as u64 {
            cache.keep(document(&format!("did:wba:d{number}.example")), 10 + number, 0);
        }
        assert_eq!(cache.0.len(), DOCUMENTS_MAX);
        assert!(cache.get(&"did:wba:d0.example".parse().unwrap(), 0).is_none());
    }
}
