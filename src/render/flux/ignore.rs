//! `.sourceignore`: which files Flux leaves out of what it fetches.
//!
//! The syntax is that of `.gitignore`, as Flux matches it: every file by its whole path, so that `!` brings back a file of a
//! folder that is left out, which git would not.

use std::collections::HashMap;

use super::glob::{self, Fuel};
use crate::model::path::RepoPath;
use crate::model::tree::Tree;

/// The file's name.
pub(in crate::render) const FILE: &str = ".sourceignore";
/// Patterns of one file that count: real ones have a dozen.
const MAX_PATTERNS: usize = 1_000;
/// Left out always, unless a pattern brings it back.
const GIT: [&str; 4] = [".git/", ".gitignore", ".gitmodules", ".gitattributes"];
/// Left out where no pattern is written at all.
const DEFAULTS: [&str; 20] = [
    "*.jpg",
    "*.jpeg",
    "*.gif",
    "*.png",
    "*.wmv",
    "*.flv",
    "*.tar.gz",
    "*.zip",
    ".github/",
    ".circleci/",
    ".travis.yml",
    ".gitlab-ci.yml",
    "appveyor.yml",
    ".drone.yml",
    "cloudbuild.yaml",
    "codeship-services.yml",
    "codeship-steps.yml",
    "**/.goreleaser.yml",
    "**/.sops.yaml",
    "**/.flux.yaml",
];

/// One line of such a file.
#[derive(Debug, Clone)]
struct Pattern {
    /// Whether it brings files back.
    includes: bool,
    only_folders: bool,
    /// Its parts; a single one is looked for anywhere in the path.
    parts: Vec<String>,
}

impl Pattern {
    fn new(line: &str) -> Self {
        let (includes, line) = match line.strip_prefix('!') {
            Some(rest) => (true, rest),
            None => (false, line),
        };
        let line = if line.ends_with("\\ ") { line } else { line.trim_end_matches(' ') };
        let (only_folders, line) = match line.strip_suffix('/') {
            Some(rest) => (true, rest),
            None => (false, line),
        };
        Self { includes, only_folders, parts: line.split('/').map(str::to_owned).collect() }
    }

    /// Whether it means the file at `path`, given in parts below the folder the pattern stands in.
    fn means(&self, path: &[&str], fuel: &mut Fuel) -> bool {
        match self.parts.as_slice() {
            [] => false,
            [name] => path.iter().enumerate().any(|(at, part)| {
                let is_file = at + 1 == path.len();
                glob::matches(name, part, fuel) && !(self.only_folders && is_file)
            }),
            parts => {
                let left = walk(parts, path, fuel);
                left.is_some_and(|left| !(self.only_folders && left == 0))
            }
        }
    }
}

/// Follows a pattern of several parts down a path: how much of the path is left, if it fits at all.
fn walk(parts: &[String], path: &[&str], fuel: &mut Fuel) -> Option<usize> {
    let (mut rest, mut anywhere, mut fits) = (path, false, false);
    for (at, part) in parts.iter().enumerate() {
        match part.as_str() {
            "" => anywhere = false,
            "**" if at + 1 == parts.len() => break,
            "**" => anywhere = true,
            part if part.contains("**") || rest.is_empty() => return None,
            part if anywhere => {
                anywhere = false;
                let found = rest.iter().position(|name| glob::matches(part, name, fuel));
                fits = found.is_some();
                rest = found.map_or(&[], |at| &rest[at + 1..]);
            }
            part => {
                if !glob::matches(part, rest[0], fuel) {
                    return None;
                }
                (fits, rest) = (true, &rest[1..]);
            }
        }
    }
    fits.then_some(rest.len())
}

fn patterns(text: &str) -> Vec<Pattern> {
    let lines = text.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty());
    lines.take(MAX_PATTERNS).map(Pattern::new).collect()
}

/// What is left out of one source, read as far as it is asked for.
pub(in crate::render) struct Ignore<'t> {
    tree: &'t Tree<'t>,
    /// The patterns of each folder's file.
    files: HashMap<RepoPath, Vec<Pattern>>,
    /// What the source itself says, which has the last word.
    own: Vec<Pattern>,
    /// Whether any pattern was met, which puts the defaults out of force.
    any: bool,
    /// What is left out where nobody says anything: by default, and always.
    built_in: [Vec<Pattern>; 2],
    fuel: Fuel,
}

impl<'t> Ignore<'t> {
    /// The rules of a tree; `own` is `spec.ignore` of the source that Flux reads it through.
    pub(in crate::render) fn new(tree: &'t Tree<'t>, own: Option<&str>) -> Self {
        let own = own.map(patterns).unwrap_or_default();
        let any = !own.is_empty();
        let built_in = [&DEFAULTS[..], &GIT].map(|lines| lines.iter().map(|line| Pattern::new(line)).collect());
        Self { tree, files: HashMap::new(), own, any, built_in, fuel: Fuel::default() }
    }

    /// The files that were read or looked for.
    pub(in crate::render) fn reads(&self) -> impl Iterator<Item = RepoPath> {
        self.files.keys().map(|folder| folder.child(FILE))
    }

    /// Whether Flux leaves out the file at `path`.
    pub(in crate::render) fn leaves_out(&mut self, path: &RepoPath) -> bool {
        let mut above = vec![path.parent()];
        // Bounded by the depth of a path.
        while let Some(folder) = above.last().filter(|folder| !folder.is_root()) {
            above.push(folder.parent());
        }
        for folder in above.iter().rev() {
            self.read(folder);
        }
        let parts: Vec<&str> = path.parts().collect();
        let mut judge = |patterns: &[Pattern], depth: usize| {
            let below = parts.get(depth..).unwrap_or_default();
            let said = patterns.iter().rev().find(|pattern| pattern.means(below, &mut self.fuel));
            said.map(|pattern| !pattern.includes)
        };
        if let Some(said) = judge(&self.own, 0) {
            return said;
        }
        for folder in &above {
            let said = self.files.get(folder).and_then(|patterns| judge(patterns, folder.parts().count()));
            if let Some(said) = said {
                return said;
            }
        }
        let [defaults, git] = &self.built_in;
        (!self.any && judge(defaults, 0) == Some(true)) || judge(git, 0) == Some(true)
    }

    fn read(&mut self, folder: &RepoPath) {
        if self.files.contains_key(folder) {
            return;
        }
        let text = self.tree.read(&folder.child(FILE)).ok();
        let found = text.map(|bytes| patterns(&String::from_utf8_lossy(&bytes))).unwrap_or_default();
        self.any |= !found.is_empty();
        self.files.insert(folder.clone(), found);
    }
}
