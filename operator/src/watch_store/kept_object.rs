//! One object of a store: whole, or as JSON.

use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

/// An object in memory. A decoded Agent takes 3.9 KiB, its JSON a third of that.
#[derive(Debug)]
pub(crate) enum KeptObject<K> {
    Whole(Arc<K>),
    Packed(Arc<[u8]>),
}

impl<K> Clone for KeptObject<K> {
    fn clone(&self) -> Self {
        match self {
            Self::Whole(object) => Self::Whole(Arc::clone(object)),
            Self::Packed(json) => Self::Packed(Arc::clone(json)),
        }
    }
}

impl<K: Serialize + DeserializeOwned> KeptObject<K> {
    /// Packs the object if that is wanted and its JSON can be read back. An object must never seem
    /// to be gone because of the way it is kept.
    pub(super) fn new(object: Arc<K>, is_packed: bool) -> Self {
        let json = is_packed.then(|| serde_json::to_vec(&*object).ok()).flatten();
        match json.filter(|json| serde_json::from_slice::<K>(json).is_ok()) {
            Some(json) => Self::Packed(json.into()),
            None => Self::Whole(object),
        }
    }
}

impl<K> KeptObject<K> {
    /// Whether both have the same JSON, or are the same object in memory.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Whole(one), Self::Whole(other)) => Arc::ptr_eq(one, other),
            (Self::Packed(one), Self::Packed(other)) => one == other,
            (Self::Whole(_), Self::Packed(_)) | (Self::Packed(_), Self::Whole(_)) => false,
        }
    }
}

impl<K: DeserializeOwned> KeptObject<K> {
    /// The object. Never `None`, because [`Self::new`] has read the JSON.
    pub(crate) fn object(&self) -> Option<Arc<K>> {
        match self {
            Self::Whole(object) => Some(Arc::clone(object)),
            Self::Packed(json) => serde_json::from_slice(json).ok().map(Arc::new),
        }
    }
}

#[cfg(test)]
mod tests {
    use crds::Agent;
    use serde_json::json;

    use super::*;

    fn agent() -> Agent {
        serde_json::from_value(json!({
            "metadata": {"name": "bob", "namespace": "acme", "managedFields": []},
            "spec": {"tenantRef": {"name": "acme"}, "handle": "bob"},
            "status": {"did": "did:wba:relay.acme:acme:bob"},
        }))
        .unwrap()
    }

    #[test]
    fn a_packed_object_is_read_as_it_was() {
        let whole = agent();
        let kept = KeptObject::new(Arc::new(whole.clone()), true);
        assert!(matches!(kept, KeptObject::Packed(_)));
        assert_eq!(kept.object().as_deref(), Some(&whole));
    }

    #[test]
    fn an_object_with_other_json_is_not_the_same() {
        let kept = |agent: Agent| KeptObject::new(Arc::new(agent), true);
        let changed = |mut agent: Agent| {
            agent.metadata.resource_version = Some("2".to_owned());
            agent
        };
        assert!(kept(agent()).is_same(&kept(agent())));
        assert!(!kept(agent()).is_same(&kept(changed(agent()))));
    }

    #[test]
    fn an_object_whose_json_cannot_be_read_back_is_kept_whole() {
        #[derive(Debug, PartialEq)]
        struct WriteOnly;
        impl Serialize for WriteOnly {
            fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.serialize_str("written")
            }
        }
        impl<'de> serde::Deserialize<'de> for WriteOnly {
            fn deserialize<D: serde::Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
                Err(serde::de::Error::custom("it cannot be read"))
            }
        }
        let kept = KeptObject::new(Arc::new(WriteOnly), true);
        assert_eq!(kept.object().as_deref(), Some(&WriteOnly));
    }

    #[test]
    fn the_json_of_an_agent_takes_less_than_half_of_its_memory() {
        assert!(serde_json::to_vec(&agent()).unwrap().len() < size_of::<Agent>() / 2);
    }
}
