//! Rewrites source files so that one program contains all mutants: each place becomes a branch on
//! whether its mutant was chosen.

use std::collections::BTreeMap;
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail, ensure};

use super::{Mutant, MutantList};

/// The environment variable that names the mutant which is on.
pub(super) const MUTANT_VARIABLE: &str = "MSG2AGENT_MUTANT";

/// One change of a file: a branch, or text that is left out.
#[derive(Debug)]
struct Edit<'a> {
    at: Range<usize>,
    /// Index and text of a mutant.
    branch: Option<(usize, &'a str)>,
}

/// The changed files by their path from the repository's root: those with mutants, the roots of
/// their crates, and those that the list replaces.
pub(super) fn switched_files(
    list: &MutantList,
    repository: &Path,
) -> anyhow::Result<BTreeMap<PathBuf, String>> {
    let mut by_file: BTreeMap<&str, Vec<(usize, &Mutant)>> = BTreeMap::new();
    for (index, mutant) in list.mutants.iter().enumerate() {
        by_file.entry(&mutant.file).or_default().push((index, mutant));
    }
    let replaced = list.replaced_files.iter().map(|(path, text)| (PathBuf::from(path), text.clone()));
    let mut files: BTreeMap<PathBuf, String> = replaced.collect();
    let mut roots = Vec::new();
    for (file, mutants) in by_file {
        let text = fs::read_to_string(repository.join(file)).with_context(|| format!("read {file}"))?;
        files.insert(PathBuf::from(file), switched(&text, &mutants).context(file.to_owned())?);
        roots.push(crate_root(repository, Path::new(file))?);
    }
    roots.sort();
    roots.dedup();
    let names: Vec<&str> = list.mutants.iter().map(|mutant| mutant.name.as_str()).collect();
    for root in roots {
        let text = match files.remove(&root) {
            Some(text) => text,
            None => fs::read_to_string(repository.join(&root)).context("read the root of a crate")?,
        };
        files.insert(root, text + &switch_module(&names));
    }
    Ok(files)
}

/// The file of the crate that every module of it can name as `crate`.
fn crate_root(repository: &Path, file: &Path) -> anyhow::Result<PathBuf> {
    let folder = file.ancestors().skip(1).find(|folder| repository.join(folder).join("Cargo.toml").is_file());
    let folder = folder.with_context(|| format!("{} is in no crate", file.display()))?;
    let roots = ["src/lib.rs", "src/main.rs"].map(|root| folder.join(root));
    let found = roots.into_iter().find(|root| repository.join(root).is_file());
    found.with_context(|| format!("{} has no root", folder.display()))
}

fn switched(text: &str, mutants: &[(usize, &Mutant)]) -> anyhow::Result<String> {
    let code = text.find("#[cfg(test)]\nmod tests {").map_or(text, |end| text.get(..end).unwrap_or(text));
    let mut edits = Vec::new();
    for (index, mutant) in mutants {
        let at = place(code, &mutant.find).with_context(|| format!("mutant {}", mutant.name))?;
        edits.extend(const_of_function(code, at.start).map(|at| Edit { at, branch: None }));
        edits.push(Edit { at, branch: Some((*index, &mutant.replace)) });
    }
    edits.sort_by_key(|edit| (edit.at.start, usize::MAX - edit.at.end));
    edits.dedup_by(|a, b| a.branch.is_none() && b.branch.is_none() && a.at == b.at);
    render(text, 0..text.len(), &edits)
}

fn place(code: &str, find: &str) -> anyhow::Result<Range<usize>> {
    let mut found = code.match_indices(find);
    let (start, _) = found.next().context("its text is not in the file")?;
    ensure!(found.next().is_none(), "its text is in the file more than once");
    Ok(start..start + find.len())
}

/// The word `const` of the function around a place: a branch on the environment is not constant.
fn const_of_function(code: &str, place: usize) -> Option<Range<usize>> {
    let start = code.get(..place)?.rfind("fn ")?;
    let word = "const ";
    code.get(..start)?.ends_with(word).then(|| start - word.len()..start)
}

/// The text of `range` with the edits that are in it. They are sorted, outer ones first.
fn render(text: &str, range: Range<usize>, edits: &[Edit<'_>]) -> anyhow::Result<String> {
    let slice = |range: Range<usize>| text.get(range).context("an edit is outside of its file");
    let (mut written, mut position, mut rest) = (String::new(), range.start, edits);
    while let Some((edit, after)) = rest.split_first() {
        let inside = after.iter().take_while(|next| next.at.start < edit.at.end).count();
        let (nested, later) = after.split_at(inside);
        if nested.iter().any(|next| next.at.end > edit.at.end) {
            bail!("two mutants overlap at {:?}", slice(edit.at.clone())?);
        }
        written += slice(position..edit.at.start)?;
        if let Some((index, replace)) = edit.branch {
            let original = render(text, edit.at.clone(), nested)?;
            written += &branch(index, replace, &original);
        }
        position = edit.at.end;
        rest = later;
    }
    Ok(written + slice(position..range.end)?)
}

/// A statement is followed by the next one, so its branch has no parentheses.
fn branch(index: usize, replace: &str, original: &str) -> String {
    let branch = format!("if crate::mutant_switch::is_on({index}) {{ {replace} }} else {{ {original} }}");
    if original.trim_end().ends_with([';', '}']) { branch } else { format!("({branch})") }
}

fn switch_module(names: &[&str]) -> String {
    format!(
        "
pub(crate) mod mutant_switch {{
    const NAMES: &[&str] = &{names:?};

    pub(crate) fn is_on(index: usize) -> bool {{
        static CHOSEN: std::sync::LazyLock<Option<usize>> = std::sync::LazyLock::new(|| {{
            let name = std::env::var(\"{MUTANT_VARIABLE}\").ok()?;
            NAMES.iter().position(|known| *known == name)
        }});
        *CHOSEN == Some(index)
    }}
}}
"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mutant(find: &str, replace: &str) -> Mutant {
        Mutant {
            name: format!("{find} is {replace}"),
            file: String::new(),
            find: find.into(),
            replace: replace.into(),
            fault: String::new(),
            survives: None,
        }
    }

    fn apply(text: &str, mutants: &[Mutant]) -> anyhow::Result<String> {
        switched(text, &mutants.iter().enumerate().collect::<Vec<_>>())
    }

    #[test]
    fn a_place_becomes_a_branch_and_its_function_is_not_const() {
        let text = "const fn f(a: u8) -> bool { a < 2 }";
        let expected =
            "fn f(a: u8) -> bool { (if crate::mutant_switch::is_on(0) { a <= 2 } else { a < 2 }) }";
        assert_eq!(apply(text, &[mutant("a < 2", "a <= 2")]).unwrap(), expected);
    }

    #[test]
    fn mutants_of_the_same_place_and_of_a_part_of_it_are_nested() {
        let text = "fn f() { x(1); }";
        let all = [mutant("x(1);", ""), mutant("x(1);", "y();"), mutant("1", "2")];
        let expected = "fn f() { if crate::mutant_switch::is_on(0) {  } else { \
            if crate::mutant_switch::is_on(1) { y(); } else { \
            x((if crate::mutant_switch::is_on(2) { 2 } else { 1 })); } } }";
        assert_eq!(apply(text, &all).unwrap(), expected);
    }

    #[test]
    fn a_text_that_is_missing_or_ambiguous_is_refused() {
        let error =
            |text: &str, find: &str| apply(text, &[mutant(find, "")]).unwrap_err().root_cause().to_string();
        assert_eq!(error("a", "b"), "its text is not in the file");
        assert_eq!(error("a a", "a"), "its text is in the file more than once");
        let overlap = apply("a b c", &[mutant("a b", ""), mutant("b c", "")]).unwrap_err().to_string();
        assert_eq!(overlap, "two mutants overlap at \"a b\"");
    }
}
