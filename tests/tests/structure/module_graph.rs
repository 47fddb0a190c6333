//! Builds the graph of the modules of one crate: which file uses which. A re-export is followed to
//! the file that defines the name.
//!
//! `foo.rs` and the folder `foo/` are one room: that a file in the folder uses what `foo.rs`
//! defines is no arrow.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::rust_code::{without_comments_and_literals, without_tests};
use crate::use_tree::{NamedPath, Names, names};
use crate::workspace::Sources;

/// Modules of these names hold tests or what tests need, wherever they are declared.
const TEST_MODULES: [&str; 3] = ["tests", "properties", "fixtures"];

/// Re-exports of re-exports are followed so far; a longer chain would be a circle of its own.
const REEXPORT_DEPTH_MAX: usize = 16;

type ModulePath = Vec<String>;

/// The modules of one crate, and the uses between their files.
#[derive(Debug, Default)]
pub(crate) struct ModuleGraph {
    modules: BTreeMap<ModulePath, PathBuf>,
    names: BTreeMap<PathBuf, Names>,
    code: BTreeMap<PathBuf, String>,
    /// From a file to those it uses, each with the line of the first use.
    edges: BTreeMap<PathBuf, BTreeMap<PathBuf, usize>>,
}

impl ModuleGraph {
    /// Reads the crate whose root is one of the files.
    pub(crate) fn new(root: &Path, sources: &Sources) -> Self {
        let mut graph = Self::default();
        let folder = root.parent().unwrap_or(Path::new("")).to_owned();
        graph.read_module(Vec::new(), root.to_owned(), &folder, sources);
        graph.connect();
        graph
    }

    /// For every group of modules that use each other in a circle, its shortest circle.
    pub(crate) fn circles(&self) -> Vec<Vec<PathBuf>> {
        let mut circles: Vec<Vec<PathBuf>> = Vec::new();
        for file in self.edges.keys() {
            if circles.iter().flatten().any(|found| found == file) {
                continue;
            }
            if let Some(circle) = self.shortest_circle(file) {
                circles.push(circle);
            }
        }
        circles
    }

    /// The line on which a file first uses another.
    pub(crate) fn line(&self, from: &Path, to: &Path) -> usize {
        self.edges.get(from).and_then(|uses| uses.get(to)).copied().unwrap_or_default()
    }

    pub(crate) fn len(&self) -> usize {
        self.names.len()
    }

    fn read_module(&mut self, path: ModulePath, file: PathBuf, folder: &Path, sources: &Sources) {
        let Some(text) = sources.get(&file) else { return };
        let code = without_tests(&without_comments_and_literals(text));
        let found = names(&code);
        for inline in &found.inline_modules {
            self.modules.insert([path.clone(), inline.clone()].concat(), file.clone());
        }
        for child in &found.child_modules {
            if TEST_MODULES.contains(&child.as_str()) {
                continue;
            }
            let child_folder = folder.join(child);
            let beside = folder.join(format!("{child}.rs"));
            let child_file = if sources.contains_key(&beside) { beside } else { child_folder.join("mod.rs") };
            self.read_module(
                [path.clone(), vec![child.clone()]].concat(),
                child_file,
                &child_folder,
                sources,
            );
        }
        self.modules.insert(path, file.clone());
        self.code.insert(file.clone(), code);
        self.names.insert(file, found);
    }

    fn connect(&mut self) {
        let mut edges: BTreeMap<PathBuf, BTreeMap<PathBuf, usize>> = BTreeMap::new();
        for (module, file) in self.modules.iter().filter(|(module, file)| self.is_of_file(module, file)) {
            let mut uses = BTreeMap::new();
            for (path, line) in self.used_paths(module, file) {
                let target = self.definition(&path, 0).filter(|target| !is_file_or_ancestor(target, file));
                if let Some(target) = target {
                    uses.entry(target).or_insert(line);
                }
            }
            edges.insert(file.clone(), uses);
        }
        self.edges = edges;
    }

    /// Whether the module is a whole file, not an inline part of one.
    fn is_of_file(&self, module: &[String], file: &Path) -> bool {
        !self.names[file].inline_modules.iter().any(|inline| !inline.is_empty() && module.ends_with(inline))
    }

    /// Absolute paths that a file uses. What a module only passes on from its own children is none
    /// of them.
    fn used_paths(&self, module: &[String], file: &Path) -> Vec<(ModulePath, usize)> {
        let names = &self.names[file];
        let mut used = Vec::new();
        for import in &names.imports {
            let Some(path) = self.absolute(module, &import.path, 0) else { continue };
            let passed_on = import.is_public
                && path.starts_with(module)
                && path.len() > module.len()
                && !names.paths.iter().any(|path| path.segments[0] == import.name);
            if passed_on || (import.name != "*" && self.modules.contains_key(&path)) {
                continue;
            }
            used.push((path, import.path.line));
        }
        let inline = names.paths.iter().filter(|path| path.segments.len() > 1);
        used.extend(inline.filter_map(|path| Some((self.absolute(module, path, 0)?, path.line))));
        used
    }

    /// The path from the crate's root; `None` for one of another crate.
    fn absolute(&self, module: &[String], path: &NamedPath, depth: usize) -> Option<ModulePath> {
        let here: ModulePath = [module, &path.inside].concat();
        self.absolute_from(&here, &path.segments, depth)
    }

    fn absolute_from(&self, here: &[String], segments: &[String], depth: usize) -> Option<ModulePath> {
        let (first, rest) = segments.split_first()?;
        match first.as_str() {
            "crate" => Some(rest.to_vec()),
            "self" => self.absolute_in(here, rest),
            "super" => self.absolute_in(here.split_last()?.1, rest),
            name if self.modules.contains_key(&joined(here, name)) => Some([here, segments].concat()),
            name if depth < REEXPORT_DEPTH_MAX => {
                let import = self.import_named(here, name)?;
                let target = import.path.segments.clone();
                let target = if target == segments { return None } else { target };
                Some([self.absolute_from(here, &target, depth + 1)?, rest.to_vec()].concat())
            }
            _ => None,
        }
    }

    fn absolute_in(&self, module: &[String], rest: &[String]) -> Option<ModulePath> {
        match rest.split_first() {
            Some((first, rest)) if first == "super" => self.absolute_in(module.split_last()?.1, rest),
            _ => Some([module, rest].concat()),
        }
    }

    fn import_named(&self, module: &[String], name: &str) -> Option<&crate::use_tree::Import> {
        let file = self.modules.get(module)?;
        self.names.get(file)?.imports.iter().find(|import| import.name == name)
    }

    /// The file that defines what an absolute path names.
    fn definition(&self, path: &[String], depth: usize) -> Option<PathBuf> {
        let length = (0..=path.len()).rev().find(|length| self.modules.contains_key(&path[..*length]))?;
        let (module, item) = path.split_at(length);
        let file = &self.modules[module];
        let Some(name) = item.first().filter(|_| depth < REEXPORT_DEPTH_MAX) else {
            return Some(file.clone());
        };
        if self.defines(file, name) {
            return Some(file.clone());
        }
        if let Some(import) = self.import_named(module, name) {
            let target = self.absolute(module, &import.path, 0)?;
            return self.definition(&[target, item[1..].to_vec()].concat(), depth + 1);
        }
        let globs = self.names[file].imports.iter().filter(|import| import.name == "*" && import.is_public);
        for glob in globs {
            let Some(target) = self.absolute(module, &glob.path, 0) else { continue };
            let found = self.definition(&[target, item.to_vec()].concat(), depth + 1);
            if found.as_ref().is_some_and(|found| self.defines(found, name)) {
                return found;
            }
        }
        Some(file.clone())
    }

    fn defines(&self, file: &Path, name: &str) -> bool {
        let code = &self.code[file];
        let kinds = ["fn", "struct", "enum", "trait", "type", "const", "static", "union", "macro_rules!"];
        kinds.iter().any(|kind| {
            code.match_indices(&format!("{kind} {name}")).any(|(at, found)| {
                let after = code.get(at + found.len()..).and_then(|rest| rest.chars().next());
                !after.is_some_and(|c| c.is_alphanumeric() || c == '_')
            })
        })
    }

    /// Breadth first from a file back to itself.
    fn shortest_circle(&self, start: &Path) -> Option<Vec<PathBuf>> {
        let mut reached_from: BTreeMap<&Path, &Path> = BTreeMap::new();
        let mut seen: BTreeSet<&Path> = BTreeSet::new();
        let mut open: Vec<&Path> = vec![start];
        while !open.is_empty() {
            let mut next = Vec::new();
            for file in open {
                for target in self.edges.get(file).into_iter().flat_map(BTreeMap::keys) {
                    if target == start {
                        return Some(way(start, file, &reached_from));
                    }
                    if seen.insert(target) {
                        reached_from.insert(target, file);
                        next.push(target.as_path());
                    }
                }
            }
            open = next;
        }
        None
    }
}

fn way(start: &Path, last: &Path, reached_from: &BTreeMap<&Path, &Path>) -> Vec<PathBuf> {
    let mut way = vec![start.to_owned()];
    let mut at = last;
    while at != start {
        way.insert(1, at.to_owned());
        at = reached_from[at];
    }
    way.push(start.to_owned());
    way
}

fn joined(module: &[String], name: &str) -> ModulePath {
    [module, &[name.to_owned()]].concat()
}

/// Whether a file is the other one itself, or the module around it at any distance.
fn is_file_or_ancestor(file: &Path, other: &Path) -> bool {
    let is_root = ["lib.rs", "main.rs", "mod.rs"].iter().any(|name| file.ends_with(name));
    let room = if is_root { file.parent().unwrap_or(file).to_owned() } else { file.with_extension("") };
    file == other || other.starts_with(room)
}
