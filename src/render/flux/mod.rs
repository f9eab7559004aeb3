//! What Flux does around a build: which folder it applies, with which settings, and which variables it replaces.
//!
//! A folder is rendered, then the variables of its Kustomization are replaced, then common metadata is set; and what it holds of further
//! Kustomizations of this repository is followed, since Flux applies those too.

mod applier;
mod envsubst;
mod fleet;
mod glob;
pub(super) mod ignore;
mod origin;
mod substitute;
mod text;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

pub use self::applier::Applier;
use self::applier::Holders;
pub use self::fleet::Fleet;
use self::origin::{Origin, is_kustomization};
use super::kustomize::weigh;
use super::source::Source;
use super::{Layer, bare, kustomize};
use crate::manifest::node::{Node, Object};
use crate::model::finding::Problem;
use crate::model::path::RepoPath;
use crate::model::tree::Tree;

/// Kustomizations followed from one environment: the largest public clusters have about 300.
const MAX_FOLLOWED: usize = 1_000;
/// Kustomizations inside each other: real ones reach three.
const MAX_DEPTH: usize = 8;

/// Renders a folder as Flux applies it: with the settings of `applier`, and with the Kustomizations it holds if it `follows` them,
/// which is so where Flux is used: see [`Fleet::is_used`].
pub(super) fn applied(
    source: &mut Source<'_>,
    folder: &RepoPath,
    (applier, follows): (Option<&Applier>, bool),
    (notes, layers): (&mut Vec<Problem>, &mut Vec<Layer>),
) -> Option<Vec<Object>> {
    layers.push(Layer { from: 0, by: applier.map(|applier| applier.node.clone()) });
    let objects = match follows {
        true => everything(source, folder, applier, (&mut *notes, layers)),
        false => level(source, folder, applier, notes),
    };
    notes.extend(objects.as_deref().and_then(charts));
    objects
}

/// A Kustomization on the list of what is still to be followed.
struct Next {
    applier: Applier,
    /// The folders above it, outermost first.
    above: Vec<RepoPath>,
    /// Whether it already waited for others to bring its variables.
    waited: bool,
}

/// A folder's objects and those of all Kustomizations below it.
fn everything(
    source: &mut Source<'_>,
    folder: &RepoPath,
    applier: Option<&Applier>,
    (notes, layers): (&mut Vec<Problem>, &mut Vec<Layer>),
) -> Option<Vec<Object>> {
    let tree = source.tree;
    let mut origin = Origin::default();
    if let Some(applier) = applier {
        origin.own_is(&Object { node: applier.node.clone() });
    }
    let mut all = level(source, folder, applier, notes)?;
    origin.learn(&all);
    let mut holders = Holders::of(&all);
    let mut open = std::collections::VecDeque::new();
    queue(tree, &origin, &all, std::slice::from_ref(folder), &mut open);
    let mut count = 0;
    while let Some(mut next) = open.pop_front() {
        let complete = next.applier.learn(&all, &holders);
        if !source.afford(next.applier.cost, &next.applier.location) {
            return None;
        }
        // What brings the variables may come later; the second time there is nothing more to wait for.
        if !complete && !next.waited {
            next.waited = true;
            open.push_back(next);
            continue;
        }
        count += 1;
        let own = next.applier.folder.clone();
        if next.above.contains(&own) {
            // Bootstrap makes Flux apply the folder that holds its own Kustomization.
            if next.above.last() != Some(&own) {
                let message = format!("{} applies `{own}`, which leads to itself", next.applier.name);
                notes.push(Problem { location: Some(next.applier.location), message, help: None });
            }
            continue;
        }
        if count > MAX_FOLLOWED || next.above.len() > MAX_DEPTH {
            let message = format!(
                "more than {MAX_FOLLOWED} Kustomizations are applied from here, or {MAX_DEPTH} inside each other"
            );
            source.problem(next.applier.location, message, "Split the environment.");
            return None;
        }
        let more = level(source, &own, Some(&next.applier), notes)?;
        origin.learn(&more);
        holders.learn(&more);
        next.above.push(own);
        queue(tree, &origin, &more, &next.above, &mut open);
        layers.push(Layer { from: all.len(), by: Some(next.applier.node) });
        all.extend(more);
    }
    Some(all)
}

/// Adds the Kustomizations among `objects` that apply folders of this repository.
fn queue(
    tree: &Tree<'_>,
    origin: &Origin,
    objects: &[Object],
    above: &[RepoPath],
    open: &mut std::collections::VecDeque<Next>,
) {
    for object in objects.iter().filter(|object| is_kustomization(object)) {
        if let Some(folder) = origin.folder(tree, object) {
            let mut applier = Applier::new(object, folder);
            applier.ignore = origin.ignore(object);
            open.push_back(Next { applier, above: above.to_vec(), waited: false });
        }
    }
}

/// The objects of one folder under one Kustomization.
fn level(
    source: &mut Source<'_>,
    folder: &RepoPath,
    applier: Option<&Applier>,
    notes: &mut Vec<Problem>,
) -> Option<Vec<Object>> {
    source.ignore = applier.and_then(|applier| applier.ignore.clone());
    let Some(applier) = applier else { return bare(source, folder, None) };
    source.reads.extend(applier.reads.iter().cloned());
    // Also those that are not there: `ignoreMissingComponents` makes their coming a change.
    source.reads.extend(applier.components());
    let mut objects = bare(source, folder, applier.node.get("spec"))?;
    let mut applier = applier.clone();
    if applier.lacks() {
        let mut own = applier.clone();
        // A folder may bring its own variables; they are in the cluster from the second time on.
        own.learn(&objects, &Holders::of(&objects));
        applier.variables.merge(own.variables);
    }
    applier.problems.iter().for_each(|problem| source.add_problem(problem.clone()));
    if !applier.problems.is_empty() {
        return None;
    }
    let holes = substitute::substitute(source, &mut objects, &applier.variables)?;
    notes.extend(holes_note(&applier, &holes));
    if let Some(common) = applier.spec("commonMetadata") {
        let weight = weigh(common, source.room() + 1).saturating_mul(objects.len());
        if !source.afford(weight, &applier.location) {
            return None;
        }
        for object in &mut objects {
            common_metadata(object, common);
        }
    }
    Some(objects)
}

/// Sets the labels and annotations a Kustomization gives to all its objects.
fn common_metadata(object: &mut Object, common: &Node) {
    for field in ["labels", "annotations"] {
        let Some(pairs) = common.get(field).and_then(Node::as_map) else { continue };
        for (name, value) in pairs.iter() {
            let Some(map) = kustomize::ensure_map(&mut object.node, &["metadata", field], &name.span) else { continue };
            map.set(kustomize::key(&name.text, &name.span), value.clone(), "commonMetadata");
        }
    }
}

/// What is said of variables whose values are not in the repository.
fn holes_note(applier: &Applier, holes: &BTreeSet<String>) -> Option<Problem> {
    /// More names say no more.
    const MOST: usize = 5;
    if holes.is_empty() {
        return None;
    }
    let shown: Vec<String> = holes.iter().take(MOST).map(|hole| format!("`{hole}`")).collect();
    let more = holes.len().saturating_sub(MOST);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let sources: Vec<&str> =
        applier.variables.unseen.iter().chain(&applier.variables.optional).map(String::as_str).collect();
    let whose = match sources.is_empty() {
        true => "they are secret".to_owned(),
        false => format!("only the cluster knows {}", sources.join(", ")),
    };
    let message = format!("{}{more} stay as they are: {whose}", shown.join(", "));
    Some(Problem { location: Some(applier.location.clone()), message, help: None })
}

/// What is said of charts, once.
fn charts(objects: &[Object]) -> Option<Problem> {
    let is_release = |object: &&Object| {
        object.kind() == "HelmRelease" && object.api_version().starts_with("helm.toolkit.fluxcd.io/")
    };
    let first = objects.iter().find(is_release)?;
    let message = match objects.iter().filter(is_release).count() {
        1 => "the chart of a HelmRelease is not rendered; its values are compared".to_owned(),
        count => format!("the charts of {count} HelmReleases are not rendered; their values are compared"),
    };
    Some(Problem { location: Some(first.location()), message, help: None })
}
