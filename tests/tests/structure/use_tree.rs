//! Reads the paths that a Rust file names: the leaves of its `use` items and the paths in its code.

/// A path as it is written, such as `super::store::Store`, with the line that it is on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NamedPath {
    pub(crate) segments: Vec<String>,
    pub(crate) line: usize,
    /// Inline modules around it.
    pub(crate) inside: Vec<String>,
}

/// One leaf of a `use` item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Import {
    pub(crate) path: NamedPath,
    /// The name it has in the file; `*` for a glob.
    pub(crate) name: String,
    /// Whether other modules see it under this name.
    pub(crate) is_public: bool,
}

/// All that a file names.
#[derive(Debug, Clone, Default)]
pub(crate) struct Names {
    pub(crate) imports: Vec<Import>,
    /// Paths in the code, single names included.
    pub(crate) paths: Vec<NamedPath>,
    /// Modules that have files of their own.
    pub(crate) child_modules: Vec<String>,
    pub(crate) inline_modules: Vec<Vec<String>>,
}

struct Token<'a> {
    text: &'a str,
    line: usize,
}

/// Reads code without comments and literals.
pub(crate) fn names(code: &str) -> Names {
    let tokens = tokens(code);
    let mut reader = Reader { tokens: &tokens, at: 0, depth: 0, inside: Vec::new(), names: Names::default() };
    reader.read();
    reader.names
}

fn tokens(code: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    for (number, line) in code.lines().enumerate() {
        let mut rest = line;
        while let Some(first) = rest.chars().next() {
            let word = rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len());
            let length = if word > 0 {
                word
            } else if rest.starts_with("::") {
                2
            } else {
                first.len_utf8()
            };
            let (text, left) = rest.split_at(length);
            if !first.is_whitespace() {
                tokens.push(Token { text, line: number + 1 });
            }
            rest = left;
        }
    }
    tokens
}

fn is_word(text: &str) -> bool {
    text.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

struct Reader<'a> {
    tokens: &'a [Token<'a>],
    at: usize,
    depth: usize,
    /// Inline modules that are open, each with the depth of its braces.
    inside: Vec<(String, usize)>,
    names: Names,
}

impl<'a> Reader<'a> {
    fn text(&self, ahead: usize) -> &'a str {
        self.tokens.get(self.at + ahead).map_or("", |token| token.text)
    }

    fn line(&self) -> usize {
        self.tokens.get(self.at).map_or(0, |token| token.line)
    }

    fn read(&mut self) {
        while self.at < self.tokens.len() {
            match (self.text(0), self.text(1), self.text(2)) {
                ("use", next, _) if next != "<" => self.read_use(),
                ("mod", name, ";") => {
                    self.names.child_modules.push(name.to_owned());
                    self.at += 3;
                }
                ("mod", name, "{") => {
                    self.depth += 1;
                    self.inside.push((name.to_owned(), self.depth));
                    self.names.inline_modules.push(self.open_modules());
                    self.at += 3;
                }
                ("{", ..) => {
                    self.depth += 1;
                    self.at += 1;
                }
                ("}", ..) => {
                    self.inside.retain(|(_, depth)| *depth != self.depth);
                    self.depth = self.depth.saturating_sub(1);
                    self.at += 1;
                }
                (word, ..) if is_word(word) && !self.continues_path() => self.read_path(),
                _ => self.at += 1,
            }
        }
    }

    fn continues_path(&self) -> bool {
        self.at > 0 && matches!(self.tokens[self.at - 1].text, "::" | ".")
    }

    fn open_modules(&self) -> Vec<String> {
        self.inside.iter().map(|(name, _)| name.clone()).collect()
    }

    fn read_path(&mut self) {
        let line = self.line();
        let mut segments = vec![self.text(0).to_owned()];
        self.at += 1;
        while self.text(0) == "::" && is_word(self.text(1)) {
            segments.push(self.text(1).to_owned());
            self.at += 2;
        }
        let inside = self.open_modules();
        self.names.paths.push(NamedPath { segments, line, inside });
    }

    fn read_use(&mut self) {
        let is_public = self.is_public();
        self.at += 1;
        if self.text(0) == "::" {
            // A path from the outside, such as `::http`, is never one of this crate.
            self.skip_to_semicolon();
            return;
        }
        self.read_tree(Vec::new(), is_public);
        self.skip_to_semicolon();
    }

    /// Looks back for `pub` or `pub(crate)`.
    fn is_public(&self) -> bool {
        let before: Vec<_> = self.tokens[..self.at].iter().rev().take(6).map(|token| token.text).collect();
        match before.as_slice() {
            ["pub", ..] => true,
            [")", rest @ ..] => rest.iter().take_while(|text| **text != ";").any(|text| *text == "pub"),
            _ => false,
        }
    }

    fn skip_to_semicolon(&mut self) {
        while self.at < self.tokens.len() && self.text(0) != ";" {
            self.at += 1;
        }
        self.at += 1;
    }

    fn read_tree(&mut self, mut prefix: Vec<String>, is_public: bool) {
        loop {
            match self.text(0) {
                "{" => {
                    self.at += 1;
                    while self.at < self.tokens.len() && self.text(0) != "}" {
                        self.read_tree(prefix.clone(), is_public);
                        if self.text(0) == "," {
                            self.at += 1;
                        }
                    }
                    self.at += 1;
                    return;
                }
                "*" => {
                    self.push_import(prefix, "*".to_owned(), is_public);
                    self.at += 1;
                    return;
                }
                word => {
                    if word != "self" || prefix.is_empty() {
                        prefix.push(word.to_owned());
                    }
                    self.at += 1;
                }
            }
            match (self.text(0), self.text(1)) {
                ("::", _) => self.at += 1,
                ("as", name) => {
                    self.push_import(prefix, name.to_owned(), is_public);
                    self.at += 2;
                    return;
                }
                _ => {
                    let name = prefix.last().cloned().unwrap_or_default();
                    self.push_import(prefix, name, is_public);
                    return;
                }
            }
        }
    }

    fn push_import(&mut self, segments: Vec<String>, name: String, is_public: bool) {
        let path = NamedPath { segments, line: self.line(), inside: self.open_modules() };
        self.names.imports.push(Import { path, name, is_public });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn imports(code: &str) -> Vec<(String, String, bool)> {
        let imports = names(code).imports.into_iter();
        imports.map(|import| (import.path.segments.join("::"), import.name, import.is_public)).collect()
    }

    #[test]
    fn the_leaves_of_a_tree_are_read() {
        let found = imports("use crate::{a::{self, B as C}, d::*};\npub(crate) use e::F;");
        let expected = [
            ("crate::a", "a", false),
            ("crate::a::B", "C", false),
            ("crate::d", "*", false),
            ("e::F", "F", true),
        ];
        assert_eq!(found, expected.map(|(path, name, public)| (path.to_owned(), name.to_owned(), public)));
    }

    #[test]
    fn paths_in_code_are_read_with_their_modules() {
        let found = names(
            "mod x; fn f() { super::a::b(c.d, self::E::<u8>::new()) } mod inner { type T = super::G; }",
        );
        assert_eq!(found.child_modules, ["x"]);
        let paths: Vec<_> = found.paths.iter().map(|path| path.segments.join("::")).collect();
        assert!(
            paths.contains(&"super::a::b".to_owned()) && paths.contains(&"self::E".to_owned()),
            "{paths:?}"
        );
        let inner = found.paths.iter().find(|path| path.segments == ["super", "G"]).expect("the inner path");
        assert_eq!(inner.inside, ["inner"]);
    }
}
