//! Compares the crate with golden fixtures, which SDKs in other languages use too.
//!
//! Each file `protocol/fixtures/<topic>.json` holds `valid` cases (a sentence, an input and the
//! value that is read) and `invalid` ones (a sentence, an input and the name of the error).
//! `MSG2AGENT_WRITE_GOLDEN=1` writes the files.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::Value;

mod documentation;
mod documents;
mod envelopes;
mod frames;
mod names;
pub(crate) mod proofs;
mod worked_example;

const REWRITE: &str = "MSG2AGENT_WRITE_GOLDEN";

/// One kind of input and how it is read.
struct Topic {
    name: &'static str,
    about: &'static str,
    /// The value read from an input, or the name of the error.
    read: fn(&Value) -> Result<Value, String>,
    valid: fn() -> Vec<Input>,
    invalid: fn() -> Vec<Input>,
}

/// A sentence about an input, and the input.
type Input = (&'static str, Value);

#[derive(Serialize, Deserialize)]
struct Fixture {
    about: String,
    valid: Vec<Valid>,
    invalid: Vec<Invalid>,
}

#[derive(Serialize, Deserialize)]
struct Valid {
    sentence: String,
    input: Value,
    expected: Value,
}

#[derive(Serialize, Deserialize)]
struct Invalid {
    sentence: String,
    input: Value,
    error: String,
}

impl Topic {
    fn check(&self) {
        let text = self.write();
        let path =
            PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(format!("{}.json", self.name));
        if std::env::var_os(REWRITE).is_some() {
            std::fs::write(&path, &text).unwrap();
        }
        let found = std::fs::read_to_string(&path).unwrap_or_default();
        let fixture: Fixture =
            serde_json::from_str(&found).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        for case in fixture.valid {
            assert_eq!((self.read)(&case.input), Ok(case.expected), "{}: {}", self.name, case.sentence);
        }
        for case in fixture.invalid {
            assert_eq!((self.read)(&case.input), Err(case.error), "{}: {}", self.name, case.sentence);
        }
        assert!(found == text, "{} lacks a case or holds another: {REWRITE}=1 rewrites it", path.display());
    }

    fn write(&self) -> String {
        let valid = (self.valid)().into_iter().map(|(sentence, input)| {
            let expected = (self.read)(&input).unwrap_or_else(|error| panic!("{sentence}: {error}"));
            Valid { sentence: sentence.into(), input, expected }
        });
        let invalid = (self.invalid)().into_iter().map(|(sentence, input)| {
            let error = (self.read)(&input).err().unwrap_or_else(|| panic!("{sentence}: it was read"));
            Invalid { sentence: sentence.into(), input, error }
        });
        let fixture =
            Fixture { about: self.about.into(), valid: valid.collect(), invalid: invalid.collect() };
        serde_json::to_string_pretty(&fixture).unwrap() + "\n"
    }
}

fn text(input: &Value) -> &str {
    input.as_str().unwrap()
}

/// The same sentence form for topics whose input is one text.
fn texts<const N: usize>(cases: [(&'static str, &str); N]) -> Vec<Input> {
    cases.into_iter().map(|(sentence, input)| (sentence, Value::from(input))).collect()
}
