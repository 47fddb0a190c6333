//! Asks a real API server for the rules of the custom resources. CEL that is ill-typed or too
//! costly passes every other test.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use crds::fixtures::{self, Fixture};
use devtools::eventually::eventually;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{
    Api, Client,
    api::{ApiResource, DynamicObject, Patch, PatchParams, PostParams},
};
use msg2agent_tests::namespace::in_namespace;
use serde_json::Value;

use crate::shared;

const STATE_TIMEOUT: Duration = Duration::from_secs(60);

#[tokio::test]
async fn the_api_server_accepts_and_refuses_what_the_fixtures_say() {
    let client = shared::client().await.unwrap();
    install(&client).await.unwrap();
    in_namespace(client, "definitions", async |namespace| {
        let fixtures = fixtures::load()?;
        ensure!(fixtures.len() > 40, "only {} fixtures were found", fixtures.len());
        for fixture in fixtures {
            check(&namespace.client, &namespace.name, &fixture).await.context(fixture.name)?;
        }
        Ok(())
    })
    .await
    .unwrap();
}

/// Applies the definitions and waits until each is served.
async fn install(client: &Client) -> anyhow::Result<()> {
    let api = Api::<CustomResourceDefinition>::all(client.clone());
    for definition in crds::definitions() {
        let name = definition.metadata.name.clone().context("read a definition's name")?;
        let params = PatchParams::apply("msg2agent-tests").force();
        api.patch(&name, &params, &Patch::Apply(&definition)).await?;
        eventually("the definition is established", STATE_TIMEOUT, async || {
            let status = api.get(&name).await?.status.unwrap_or_default();
            let conditions = status.conditions.unwrap_or_default();
            ensure!(
                conditions.iter().any(|c| c.type_ == "Established" && c.status == "True"),
                "{conditions:?}"
            );
            Ok(())
        })
        .await?;
    }
    Ok(())
}

/// Writes the versions of a fixture one after the other; the object is deleted at the end.
async fn check(client: &Client, namespace: &str, fixture: &Fixture) -> anyhow::Result<()> {
    let (last, before) = fixture.versions.split_last().context("read the versions")?;
    let first = before.first().unwrap_or(last);
    let api = api(client, namespace, first)?;
    let mut stored = None;
    for version in before {
        stored = Some(write(&api, stored.as_ref(), version).await.context("an earlier version was refused")?);
    }
    let answer = write(&api, stored.as_ref(), last).await;
    if let Some(object) = stored.as_ref().or(answer.as_ref().ok()) {
        let name = object.metadata.name.clone().unwrap_or_default();
        api.delete(&name, &kube::api::DeleteParams::default()).await.context("delete the fixture")?;
        eventually("the fixture is gone", STATE_TIMEOUT, async || {
            ensure!(api.get_opt(&name).await?.is_none(), "it is still there");
            Ok(())
        })
        .await?;
    }
    match (&fixture.refusal, answer) {
        (None, answer) => answer.map(drop),
        (Some(_), Ok(_)) => anyhow::bail!("it was accepted"),
        (Some(wanted), Err(refusal)) => {
            let text = format!("{refusal:#}");
            ensure!(text.contains(wanted), "it was refused for another reason: {text}");
            Ok(())
        }
    }
}

fn api(client: &Client, namespace: &str, object: &Value) -> anyhow::Result<Api<DynamicObject>> {
    let kind = object.get("kind").and_then(Value::as_str).context("read the kind")?;
    let known =
        crds::definitions().into_iter().find(|d| d.spec.names.kind == kind).context("find the kind")?;
    let resource = ApiResource {
        group: crds::GROUP.into(),
        version: crds::VERSION.into(),
        api_version: format!("{}/{}", crds::GROUP, crds::VERSION),
        kind: kind.into(),
        plural: known.spec.names.plural,
    };
    Ok(Api::namespaced_with(client.clone(), namespace, &resource))
}

async fn write(
    api: &Api<DynamicObject>,
    stored: Option<&DynamicObject>,
    version: &Value,
) -> anyhow::Result<DynamicObject> {
    let mut object: DynamicObject = serde_json::from_value(version.clone()).context("read a version")?;
    let Some(stored) = stored else { return Ok(api.create(&PostParams::default(), &object).await?) };
    object.metadata.resource_version.clone_from(&stored.metadata.resource_version);
    let name = object.metadata.name.clone().unwrap_or_default();
    Ok(api.replace(&name, &PostParams::default(), &object).await?)
}
