//! Tests a cluster whose objects were restored from YAML: they have new uids, no status and no
//! owners. The operator adopts what fits.

use anyhow::{Context as _, ensure};
use crds::{Agent, Relay, Tenant};
use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt as _;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use msg2agent_tests::custom_resources::{RELAY, TENANT, becomes_ready, ready_agent};
use msg2agent_tests::installed_operator::in_installed;
use msg2agent_tests::namespace::TestNamespace;
use msg2agent_tests::operator_replicas::{alone, without_operators};
use msg2agent_tests::relay_answer::ACCEPTED;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::agent_state::{CHANGE_TIMEOUT, answered, condition, gone, identity, token};
use crate::backup::Backup;

#[tokio::test]
async fn objects_restored_without_owners_are_adopted_and_every_key_and_identity_stays() {
    let _alone = alone().await.unwrap();
    in_installed("restored", async |namespace| {
        ready_agent(&namespace, "alice", json!({})).await?;
        ready_agent(&namespace, "bob", json!({})).await?;
        let before = [identity(&namespace, "alice").await?, identity(&namespace, "bob").await?];
        let keys = [token(&namespace, "alice").await?, token(&namespace, "bob").await?];
        without_operators(&namespace.client, async || {
            let backup = Backup::take(&namespace).await?;
            remove_everything(&namespace).await?;
            backup.restore(&namespace).await
        })
        .await?;
        condition::<Relay>(&namespace, RELAY, ("Ready", "True", "Ready")).await?;
        for (number, agent) in ["alice", "bob"].into_iter().enumerate() {
            let uid = becomes_ready(&namespace, agent).await?.uid().context("an Agent has a uid")?;
            ensure!(Some(&identity(&namespace, agent).await?) == before.get(number), "another identity");
            let key = token(&namespace, agent).await?;
            ensure!(Some(&key) == keys.get(number), "another key");
            answered(&namespace, &key, ACCEPTED, CHANGE_TIMEOUT).await?;
            let credentials = namespace.api::<Secret>().get(&crds::name::agent_credentials(agent)).await?;
            ensure!(credentials.owner_references().iter().any(|owner| owner.uid == uid), "not adopted");
        }
        Ok(())
    })
    .await
    .unwrap();
}

/// Deletes the objects, and with them everything that they own. The claim of the relay's volume
/// stays, as a volume of a backup does.
async fn remove_everything(namespace: &TestNamespace) -> anyhow::Result<()> {
    removed::<Agent>(namespace, &["alice", "bob"]).await?;
    removed::<Tenant>(namespace, &[TENANT]).await?;
    removed::<Relay>(namespace, &[RELAY]).await?;
    for secret in namespace.api::<Secret>().list(&ListParams::default()).await? {
        // Some go with their owners.
        let _gone = namespace.api::<Secret>().delete(&secret.name_any(), &DeleteParams::default()).await;
        gone::<Secret>(namespace, &secret.name_any()).await?;
    }
    Ok(())
}

async fn removed<K>(namespace: &TestNamespace, names: &[&str]) -> anyhow::Result<()>
where
    K: kube::Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()>,
    K: Clone + std::fmt::Debug + Serialize + DeserializeOwned,
{
    for name in names {
        let without = Patch::Merge(json!({"metadata": {"finalizers": null}}));
        namespace.api::<K>().patch(name, &PatchParams::default(), &without).await?;
        namespace.api::<K>().delete(name, &DeleteParams::default()).await?;
        gone::<K>(namespace, name).await?;
    }
    Ok(())
}
