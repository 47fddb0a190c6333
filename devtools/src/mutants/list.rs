//! The list of one group of mutants, as its file has it.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::ensure;
use serde::Deserialize;

/// One group: its mutants, and the test that has to find them.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MutantList {
    /// Arguments of `cargo test --no-run`, which select what is built.
    pub build: Vec<String>,
    /// Settings of cargo for this build, such as a profile's `opt-level`.
    #[serde(default)]
    pub cargo_config: Vec<String>,
    /// Files that are others in the copy, by their path from the repository's root. With them a
    /// group builds only the modules that its test needs.
    #[serde(default)]
    pub replaced_files: BTreeMap<String, String>,
    /// Arguments of each test program that was built, which select the tests.
    pub test: Vec<String>,
    /// Environment of the test programs.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
    /// A test that takes longer counts as failed.
    pub timeout_seconds: u64,
    /// The share of the mutants that must be caught.
    pub caught_percent_min: usize,
    #[serde(rename = "mutant")]
    pub mutants: Vec<Mutant>,
}

/// One change of the source.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mutant {
    pub name: String,
    /// Path from the repository's root.
    pub file: String,
    /// An expression, or one or more whole statements, that occurs once before the file's tests.
    pub find: String,
    /// What stands there in the mutant; nothing if a statement is left out.
    pub replace: String,
    /// What goes wrong with this change, in one sentence.
    pub fault: String,
    /// Why no test can find it. Without this, a survivor fails the run.
    #[serde(default)]
    pub survives: Option<String>,
}

impl MutantList {
    /// Parses a list and checks its names.
    ///
    /// # Errors
    /// A member is missing or unknown, or two mutants have the same name.
    pub fn parse(text: &str) -> anyhow::Result<Self> {
        let list: Self = toml::from_str(text)?;
        let mut names = BTreeSet::new();
        for mutant in &list.mutants {
            ensure!(names.insert(&mutant.name), "two mutants are called {}", mutant.name);
            ensure!(
                !list.replaced_files.contains_key(&mutant.file),
                "{}: {} is not built",
                mutant.name,
                mutant.file
            );
            ensure!(
                !mutant.find.trim_start().starts_with("let "),
                "{}: mutate the value of `let`",
                mutant.name
            );
        }
        Ok(list)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mutant_in_a_file_that_is_replaced_is_refused() {
        let list = |file: &str| {
            format!(
                "build = []\ntest = []\ntimeout_seconds = 1\ncaught_percent_min = 1\n\
                 replaced_files = {{ \"a.rs\" = \"\" }}\n\
                 mutant = [{{ name = \"m\", file = \"{file}\", find = \"1\", replace = \"2\", fault = \"f\" }}]"
            )
        };
        assert_eq!(MutantList::parse(&list("a.rs")).unwrap_err().to_string(), "m: a.rs is not built");
        assert!(MutantList::parse(&list("b.rs")).is_ok());
    }

    #[test]
    fn every_list_of_the_repository_can_be_read_and_applied() {
        let repository = crate::repository();
        let lists = std::fs::read_dir(repository.join("devtools/mutants")).unwrap();
        for path in lists.map(|entry| entry.unwrap().path()) {
            let group = path.file_stem().unwrap().to_str().unwrap().to_owned();
            let list = crate::mutants::read_list(&repository, &group).unwrap();
            let switched = crate::mutants::switch::switched_files(&list, &repository);
            assert!(switched.is_ok(), "{group}: {:?}", switched.err());
        }
    }
}
