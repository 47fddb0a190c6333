//! Runs both helms on the charts of this repository.

use std::path::PathBuf;

use devtools::command::isolated;
use devtools::{cluster::tools, repository};
use serde::Deserialize as _;
use serde_json::Value;

/// One of the two helms; charts must mean the same to both.
pub(crate) struct Helm(PathBuf);

/// Helm 3 and Helm 4.
pub(crate) fn both() -> [Helm; 2] {
    let folder = tools::folder().unwrap();
    ["helm3", "helm"].map(|name| Helm(folder.join(name)))
}

pub(crate) fn chart(name: &str) -> PathBuf {
    repository().join("charts").join(name)
}

impl Helm {
    /// What helm printed, or what it complained about.
    pub(crate) fn run(&self, arguments: &[&str], name: &str, settings: &[&str]) -> Result<String, String> {
        let mut command = isolated(&self.0);
        // Without a cluster, a helm that was built by hand assumes an ancient one.
        let cluster = ["--namespace", "msg2agent-system", "--kube-version", "1.35.0"];
        command.args(arguments).arg(chart(name)).args(cluster);
        command.args(settings.iter().flat_map(|setting| ["--set-json", setting]));
        let output = command.output().unwrap_or_else(|error| panic!("start {}: {error}", self.0.display()));
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        if output.status.success() { Ok(text(output.stdout)) } else { Err(text(output.stderr)) }
    }

    /// The objects of a chart, in the order helm prints them.
    pub(crate) fn objects(&self, name: &str, settings: &[&str]) -> Vec<Value> {
        let text = self.run(&["template", "msg2agent"], name, settings).unwrap();
        parse(&text)
    }
}

/// The objects in a text of several YAML documents.
pub(crate) fn parse(text: &str) -> Vec<Value> {
    serde_yaml_ng::Deserializer::from_str(text)
        .map(|document| Value::deserialize(document).unwrap())
        .filter(|value| !value.is_null())
        .collect()
}

/// The chart `msg2agent` with these settings, as Helm 4 renders it.
pub(crate) fn rendered(settings: &[&str]) -> Vec<Value> {
    both()[1].objects("msg2agent", settings)
}

/// The one object of a kind whose name ends so.
pub(crate) fn find<'a>(objects: &'a [Value], kind: &str, ending: &str) -> &'a Value {
    let fits = |o: &&Value| {
        o["kind"] == kind && o["metadata"]["name"].as_str().is_some_and(|name| name.ends_with(ending))
    };
    let mut found = objects.iter().filter(fits);
    let first = found.next().unwrap_or_else(|| panic!("no {kind} whose name ends with {ending}"));
    assert!(found.next().is_none(), "two of {kind} end with {ending}");
    first
}

/// The container of the operator.
pub(crate) fn container(objects: &[Value]) -> &Value {
    &find(objects, "Deployment", "operator")["spec"]["template"]["spec"]["containers"][0]
}

/// The value of one of its environment variables.
pub(crate) fn environment(objects: &[Value], name: &str) -> String {
    let variables = container(objects)["env"].as_array().unwrap();
    let variable = variables.iter().find(|v| v["name"] == name).unwrap_or_else(|| panic!("no {name}"));
    variable["value"].as_str().unwrap().to_owned()
}
