//! Parses the Prometheus text format 0.0.4: samples with their labels. Metadata and timestamps are
//! skipped.

use std::collections::BTreeMap;

use anyhow::Context as _;

#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    pub name: String,
    pub labels: BTreeMap<String, String>,
    pub value: f64,
}

impl Sample {
    #[must_use]
    pub fn label(&self, name: &str) -> &str {
        self.labels.get(name).map_or("", String::as_str)
    }
}

/// All samples called `name`.
///
/// # Errors
/// A line of that name that is not a sample.
pub fn samples(text: &str, name: &str) -> anyhow::Result<Vec<Sample>> {
    let lines = text.lines().filter(|line| {
        line.strip_prefix(name).is_some_and(|rest| rest.starts_with('{') || rest.starts_with(' '))
    });
    lines.map(|line| sample(line).with_context(|| format!("not a sample: {line}"))).collect()
}

/// `name{labels} value [timestamp]`
fn sample(line: &str) -> Option<Sample> {
    let (name, labels, rest) = match line.split_once('{') {
        Some((name, rest)) => {
            let (labels, rest) = rest.rsplit_once('}')?;
            (name, pairs(labels)?, rest)
        }
        None => {
            let (name, rest) = line.split_once(' ')?;
            (name, BTreeMap::new(), rest)
        }
    };
    let value = rest.split_whitespace().next()?.parse().ok()?;
    Some(Sample { name: name.to_owned(), labels, value })
}

/// `a="b",c="d"`; inside quotes `\\`, `\"` and `\n` are escaped.
fn pairs(mut text: &str) -> Option<BTreeMap<String, String>> {
    let mut labels = BTreeMap::new();
    while !text.is_empty() {
        let (name, rest) = text.split_once("=\"")?;
        let (value, rest) = quoted(rest)?;
        labels.insert(name.to_owned(), value);
        text = rest.strip_prefix(',').unwrap_or(rest);
    }
    Some(labels)
}

fn quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = text.chars();
    loop {
        match characters.next()? {
            '"' => return Some((value, characters.as_str())),
            '\\' => value.push(match characters.next()? {
                'n' => '\n',
                other => other,
            }),
            other => value.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str =
        "# HELP a_total x\na_total{b=\"c, \\\"d\\\"\",e=\"\"} 3\na_total_more 9\nplain 1.5e3 1795402071452\n";

    #[test]
    fn samples_of_one_name_are_found_with_their_labels() {
        let found = samples(TEXT, "a_total").unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].label("b"), found[0].label("e"), found[0].value), ("c, \"d\"", "", 3.0));
        let plain = samples(TEXT, "plain").unwrap();
        assert_eq!(plain.iter().map(|sample| sample.value).collect::<Vec<_>>(), [1500.0]);
    }

    #[test]
    fn a_line_that_is_not_a_sample_is_an_error_that_shows_it() {
        let error = samples("a{b=\"c} 1", "a").unwrap_err();
        assert_eq!(error.to_string(), "not a sample: a{b=\"c} 1");
        assert_eq!(samples(TEXT, "absent").unwrap(), []);
    }
}
