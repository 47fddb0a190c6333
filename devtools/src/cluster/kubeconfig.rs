//! Renders kubeconfig files with their credentials inline, and makes clients from kubeconfig files.

use std::path::Path;

use anyhow::Context as _;
use kube::{
    Client, Config,
    config::{KubeConfigOptions, Kubeconfig},
};
use serde_json::json;

use super::certificates::CertifiedKey;

/// A kubeconfig (as JSON, which is YAML) for one user of the API server at `server`, e.g.
/// `https://10.250.0.1:6443`.
pub(crate) fn render(server: &str, authority: &str, credentials: &CertifiedKey) -> String {
    json!({
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "msg2agent",
        "contexts": [{ "name": "msg2agent", "context": { "cluster": "msg2agent", "user": "msg2agent" } }],
        "clusters": [{
            "name": "msg2agent",
            "cluster": { "server": server, "certificate-authority-data": base64(authority) },
        }],
        "users": [{
            "name": "msg2agent",
            "user": {
                "client-certificate-data": base64(&credentials.certificate),
                "client-key-data": base64(&credentials.key),
            },
        }],
    })
    .to_string()
}

/// A client for the cluster a kubeconfig names; `context` overrides its current one.
pub async fn client(kubeconfig: &Path, context: Option<&str>) -> anyhow::Result<Client> {
    let file = Kubeconfig::read_from(kubeconfig).with_context(|| format!("read {}", kubeconfig.display()))?;
    let options = KubeConfigOptions { context: context.map(Into::into), ..KubeConfigOptions::default() };
    let proxy = proxy(&file, context)?;
    let mut config = Config::from_custom_kubeconfig(file, &options)
        .await
        .with_context(|| format!("use {}", kubeconfig.display()))?;
    // The loader falls back to HTTP_PROXY and HTTPS_PROXY.
    config.proxy_url = proxy;
    Client::try_from(config).with_context(|| format!("make a client of {}", kubeconfig.display()))
}

/// The proxy that a kubeconfig names for the cluster of a context; `None` stands for its current
/// context.
fn proxy(file: &Kubeconfig, context: Option<&str>) -> anyhow::Result<Option<http::Uri>> {
    let context = context.or(file.current_context.as_deref());
    let named = file.contexts.iter().find(|named| Some(named.name.as_str()) == context);
    let cluster = named.and_then(|named| named.context.as_ref()).map(|context| &context.cluster);
    let named = file.clusters.iter().find(|named| Some(&named.name) == cluster);
    let url = named.and_then(|named| named.cluster.as_ref()?.proxy_url.clone());
    url.map(|url| url.parse().with_context(|| format!("parse the proxy-url {url}"))).transpose()
}

/// Name of the kind cluster a context is for; kind names its contexts `kind-<cluster>`.
pub(crate) fn kind_cluster(context: &str) -> Option<&str> {
    context.strip_prefix("kind-")
}

fn base64(text: &str) -> String {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    STANDARD.encode(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rendered_kubeconfig_is_one_kube_understands() {
        let pair = CertifiedKey { certificate: "certificate".into(), key: "key".into() };
        let file = Kubeconfig::from_yaml(&render("https://10.250.0.1:6443", "authority", &pair)).unwrap();
        assert_eq!(file.current_context.as_deref(), Some("msg2agent"));
        let cluster = file.clusters[0].cluster.clone().unwrap();
        assert_eq!(cluster.server.as_deref(), Some("https://10.250.0.1:6443"));
        assert_eq!(cluster.certificate_authority_data.as_deref(), Some("YXV0aG9yaXR5"));
    }

    #[test]
    fn a_kind_cluster_is_known_by_its_context() {
        assert_eq!(kind_cluster("kind-dev"), Some("dev"));
        assert_eq!(kind_cluster("production"), None);
        assert_eq!(kind_cluster(""), None);
    }

    #[test]
    fn a_proxy_is_taken_from_the_kubeconfig_of_the_context_only() {
        let file = Kubeconfig::from_yaml(
            "{apiVersion: v1, kind: Config, current-context: here,
              contexts: [{name: here, context: {cluster: near}}, {name: there, context: {cluster: far}}],
              clusters: [{name: near, cluster: {server: 'https://a'}},
                         {name: far, cluster: {server: 'https://b', proxy-url: 'http://proxy:3128'}}]}",
        )
        .unwrap();
        assert_eq!(proxy(&file, None).unwrap(), None);
        assert_eq!(proxy(&file, Some("there")).unwrap().unwrap(), "http://proxy:3128");
    }
}
