//! Checks that no modules of a crate use each other in a circle. The granularity is the file.

use std::path::{Path, PathBuf};

use crate::module_graph::ModuleGraph;
use crate::workspace::{Sources, crates};

#[test]
fn no_modules_use_each_other_in_a_circle() {
    let mut found = Vec::new();
    let mut modules = 0;
    for (folder, sources) in crates() {
        if !folder.ends_with("src") {
            continue;
        }
        for root in roots(&folder, &sources) {
            let graph = ModuleGraph::new(&root, &sources);
            modules += graph.len();
            found.extend(graph.circles().iter().map(|circle| shown(&graph, circle)));
        }
    }
    assert!(modules > 400, "read only {modules} modules");
    assert!(found.is_empty(), "{} circles:\n{}", found.len(), found.join("\n"));
}

/// `lib.rs`, `main.rs` and every program in `bin`.
fn roots(folder: &Path, sources: &Sources) -> Vec<PathBuf> {
    let programs = folder.join("bin");
    let is_root = |path: &&PathBuf| {
        let (parent, name) = (path.parent().unwrap_or(Path::new("")), path.file_name().unwrap_or_default());
        (parent == folder && (name == "lib.rs" || name == "main.rs"))
            || parent == programs
            || (parent.parent() == Some(&programs) && name == "main.rs")
    };
    sources.keys().filter(is_root).cloned().collect()
}

fn shown(graph: &ModuleGraph, circle: &[PathBuf]) -> String {
    let steps =
        circle.windows(2).map(|step| format!("{}:{}", step[0].display(), graph.line(&step[0], &step[1])));
    let last = circle.last().map(|file| file.display().to_string()).unwrap_or_default();
    steps.chain([last]).collect::<Vec<_>>().join(" -> ")
}

fn planted(files: &[(&str, &str)]) -> Vec<Vec<PathBuf>> {
    let sources = files.iter().map(|(path, text)| (PathBuf::from(path), (*text).to_owned())).collect();
    ModuleGraph::new(Path::new("src/lib.rs"), &sources).circles()
}

fn paths(files: &[&str]) -> Vec<PathBuf> {
    files.iter().map(PathBuf::from).collect()
}

#[test]
fn a_planted_circle_is_found_as_a_path() {
    let found = planted(&[
        ("src/lib.rs", "mod a; mod b; mod c;"),
        ("src/a.rs", "use crate::b::B; pub struct A;"),
        ("src/b.rs", "pub struct B(super::c::C);"),
        ("src/c.rs", "use crate::{a}; pub struct C; fn f(_: a::A) {}"),
    ]);
    assert_eq!(found, [paths(&["src/a.rs", "src/b.rs", "src/c.rs", "src/a.rs"])]);
}

#[test]
fn a_file_may_use_what_the_module_around_it_defines() {
    let found = planted(&[
        ("src/lib.rs", "mod hub; pub struct Error;"),
        ("src/hub.rs", "mod state; use state::State; pub struct Item; fn f(_: State) {}"),
        ("src/hub/state.rs", "use super::Item; pub struct State(Item, crate::Error);"),
    ]);
    assert!(found.is_empty(), "{found:?}");
}

#[test]
fn a_circle_through_a_reexport_is_found_where_the_name_is_defined() {
    let found = planted(&[
        ("src/lib.rs", "mod hub; mod session;"),
        ("src/hub.rs", "mod state; pub use state::State;"),
        ("src/hub/state.rs", "use crate::session; pub struct State(session::Session);"),
        ("src/session.rs", "use crate::hub::State; pub struct Session; fn f(_: State) {}"),
    ]);
    assert_eq!(found, [paths(&["src/hub/state.rs", "src/session.rs", "src/hub/state.rs"])]);
}

#[test]
fn a_parent_that_declares_and_reexports_is_no_circle() {
    let found = planted(&[
        ("src/lib.rs", "pub mod hub; pub use hub::Item;"),
        ("src/hub.rs", "//! use crate::hub::state\nmod state; pub use state::State; pub struct Item;"),
        ("src/hub/state.rs", "use super::Item; pub struct State(Item);"),
    ]);
    assert!(found.is_empty(), "{found:?}");
}

#[test]
fn tests_and_comments_make_no_circle() {
    let found = planted(&[
        ("src/lib.rs", "mod a; mod b;"),
        ("src/a.rs", "use crate::b::B; pub struct A; fn f() -> &'static str { \"crate::a::A\" }"),
        (
            "src/b.rs",
            "/// crate::a::A\npub struct B;\n#[cfg(test)]\nmod tests { use crate::a::A; }\nmod properties;",
        ),
        ("src/b/properties.rs", "use crate::a::A;"),
    ]);
    assert!(found.is_empty(), "{found:?}");
}

#[test]
fn a_circle_over_a_parent_and_its_child_is_found() {
    let found = planted(&[
        ("src/lib.rs", "mod view; mod inbox;"),
        ("src/inbox.rs", "mod row; pub use row::Row; pub struct Inbox; fn f(_: Row) {}"),
        ("src/inbox/row.rs", "use crate::view::part; pub struct Row;"),
        ("src/view.rs", "use crate::inbox::Inbox; pub fn part(_: Inbox) {}"),
    ]);
    assert_eq!(found, [paths(&["src/inbox/row.rs", "src/view.rs", "src/inbox.rs", "src/inbox/row.rs"])]);
}
