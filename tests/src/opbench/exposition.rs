//! Reads Prometheus' text format 0.0.4: samples with their labels. No metadata, no timestamps.

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

/// The value of the one sample called `name` without labels.
///
/// # Errors
/// There is none.
pub fn value(text: &str, name: &str) -> anyhow::Result<f64> {
    let samples = samples(text, name)?;
    Ok(samples.first().with_context(|| format!("no metric {name}"))?.value)
}

fn sample(line: &str) -> Option<Sample> {
    let (head, value) = line.rsplit_once(' ')?;
    let value = value.parse().ok()?;
    let Some((name, labels)) = head.split_once('{') else {
        return Some(Sample { name: head.to_owned(), labels: BTreeMap::new(), value });
    };
    Some(Sample { name: name.to_owned(), labels: pairs(labels.strip_suffix('}')?)?, value })
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
        "# HELP a_total x\na_total{b=\"c, \\\"d\\\"\",e=\"\"} 3\na_total_more 9\nplain 1.5e3\n";

    #[test]
    fn samples_of_one_name_are_found_with_their_labels() {
        let found = samples(TEXT, "a_total").unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].label("b"), found[0].label("e"), found[0].value), ("c, \"d\"", "", 3.0));
        assert!((value(TEXT, "plain").unwrap() - 1500.0).abs() < f64::EPSILON);
    }

    #[test]
    fn a_metric_that_is_not_there_is_an_error_that_names_it() {
        assert_eq!(value(TEXT, "absent").unwrap_err().to_string(), "no metric absent");
        assert!(samples("a{b=\"c} 1", "a").is_err());
    }
}
