//! Objects against the schemas of their kinds: those the environment brings, Kubernetes' own by minor, those of the rest of the
//! repository, then those that come along.
//!
//! Strict as `kubeconform -strict`: a field that no schema knows is a fault, because the API server drops it in silence or refuses it.

mod catalog;
mod check;
mod crd;
mod defaults;
mod elsewhere;
mod format;
mod mend;
mod typed;
mod validations;

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use self::catalog::{CUSTOM, Catalog, KUBERNETES};
pub use self::check::Fault;
use self::check::Walk;
use self::defaults::Filler;
pub use self::elsewhere::{Definition, Elsewhere};
pub(in crate::policy) use self::format::go_duration;
use self::validations::Judge;
use crate::config::nearest;
use crate::manifest::{Node, Object, Span};
use crate::policy::world::{group_of, identity};

/// The rule about fields no schema knows.
pub(crate) const UNKNOWN: &str = "SCH-001";
/// The rule about values of another type.
pub(crate) const WRONG_TYPE: &str = "SCH-002";
/// The rule about required fields.
pub(crate) const MISSING: &str = "SCH-003";
/// The rule about values outside what is allowed.
pub(crate) const NOT_ALLOWED: &str = "SCH-004";
/// The rule about APIs that are not served.
pub(crate) const NOT_SERVED: &str = "SCH-005";
/// The rule about APIs that go.
pub(crate) const GOES: &str = "SCH-006";
/// The rule about kinds without a schema.
pub(crate) const NO_SCHEMA: &str = "SCH-007";
/// The rule about what the author of a kind asks in CEL.
pub(crate) const BROKEN: &str = "SCH-008";

/// Everything wrong with an environment's objects in Kubernetes 1.`minor`, each with the object it is about. `elsewhere` is what the
/// repository defines outside the environment, `before` what the objects were before a change.
pub(crate) fn faults<'a>(
    objects: &'a [Object],
    (elsewhere, before): (&[Definition], Option<&'a [Object]>),
    minor: u32,
) -> Vec<(&'a Object, Fault)> {
    let mut own = Catalog::default();
    objects.iter().for_each(|object| crd::add(&mut own, object));
    let nothing = Catalog::default();
    let defined: HashMap<_, _> = elsewhere.iter().map(|one| (one.name(), one)).collect();
    let before = before.unwrap_or_default().iter().map(|object| (identity(object), object)).collect::<HashMap<_, _>>();
    let (mut silent, mut unjudged) = (HashSet::new(), HashSet::new());
    let mut all = Vec::new();
    for object in objects {
        let (api, kind) = (object.api_version(), object.kind());
        if api.contains("${") || kind.contains("${") {
            continue;
        }
        let beside = defined.get(&(group_of(object), kind)).map_or(&nothing, |one| one.catalog());
        let at_hand = [(&own, 0), (&*KUBERNETES, minor), (beside, 0), (&*CUSTOM, 0)];
        let mut found = at_hand.into_iter().filter_map(|(from, at)| Some((from, from.find(api, kind, at)??)));
        let found = found.next();
        if let Some((from, schema)) = found {
            let old = before.get(&identity(object)).map(|old| &old.node);
            let told = held((&object.node, old), (from, schema), &mut unjudged);
            all.extend(told.into_iter().map(|fault| (object, fault)));
        }
        if found.is_some_and(|(from, _)| !from.is_kubernetes) {
            continue;
        }
        if let Some((rule, message)) = about_api(api, kind, minor)
            && (rule != NO_SCHEMA || silent.insert((api, kind)))
        {
            let edit = mend::api(object, &KUBERNETES, minor);
            all.push((object, Fault { rule, message, at: place(&object.node, rule), edit }));
        }
    }
    all
}

/// Everything wrong with one object, and with it as a change of `old`. What the API server puts in counts as written.
fn held(
    (written, old): (&Node, Option<&Node>),
    (catalog, schema): (&Catalog, u32),
    unjudged: &mut HashSet<(String, String)>,
) -> Vec<Fault> {
    let (api, kind) = [["apiVersion"], ["kind"]].map(|key| written.str_at(&key).unwrap_or_default()).into();
    let mut filler = Filler::new(catalog);
    let is_custom = !catalog.is_kubernetes;
    let [node, old] = [Some(written), old].map(|one| {
        let one = one.filter(|_| is_custom)?;
        Some(filler.filled(one, schema).map_or(Cow::Borrowed(one), Cow::Owned))
    });
    let node = node.as_deref().unwrap_or(written);
    let mut walk = Walk::new(catalog, kind);
    walk.value(node, schema, true);
    if walk.is_cut() || filler.is_cut() {
        let message = format!("this {kind} is too large to be held to its schema to the end");
        walk.faults.push(Fault { rule: NOT_ALLOWED, message, at: place(written, NO_SCHEMA), edit: None });
    }
    // The API server asks no rule of what has not the form the rule was written for.
    if is_custom && !walk.faults.iter().any(|fault| [WRONG_TYPE, MISSING].contains(&fault.rule)) {
        let mut judge = Judge::new(catalog, (api, kind), unjudged);
        judge.object(node, old.as_deref(), schema);
        walk.faults.extend(judge.faults);
    }
    walk.faults
}

/// The line that says which API an object is of.
fn place(node: &Node, rule: &str) -> Span {
    let key = if rule == NO_SCHEMA { "kind" } else { "apiVersion" };
    node.get(key).map_or_else(|| node.span.clone(), |node| node.span.clone())
}

/// What is to be said of an API itself, whatever the object holds.
fn about_api(api: &str, kind: &str, minor: u32) -> Option<(&'static str, String)> {
    let end = KUBERNETES.end(api, kind);
    let instead = end.and_then(|end| end.instead.as_deref()).filter(|instead| *instead != api);
    let use_it = || instead.map_or(String::new(), |instead| format!("; use `{instead}`"));
    match KUBERNETES.find(api, kind, minor) {
        Some(Some(_)) => {
            let next = KUBERNETES.find(api, kind, minor + 1).flatten().is_none();
            let removed = end.and_then(|end| end.removed);
            if next || removed == Some(minor + 1) {
                return Some((
                    GOES,
                    format!("`{api}` {kind} is no longer served in Kubernetes 1.{}{}", minor + 1, use_it()),
                ));
            }
            let end = end.filter(|end| end.deprecated <= minor)?;
            let until = end.removed.map_or(String::new(), |removed| format!(" and is to go in 1.{removed}"));
            Some((
                GOES,
                format!("`{api}` {kind} is deprecated since Kubernetes 1.{}{until}{}", end.deprecated, use_it()),
            ))
        }
        Some(None) if KUBERNETES.first(api, kind).is_some_and(|first| first > minor) => {
            let first = KUBERNETES.first(api, kind).unwrap_or(minor);
            Some((
                NOT_SERVED,
                format!("Kubernetes 1.{minor} does not serve `{api}` {kind} yet; 1.{first} is the first to"),
            ))
        }
        _ => not_served(api, kind, minor, use_it()),
    }
}

fn not_served(api: &str, kind: &str, minor: u32, use_it: String) -> Option<(&'static str, String)> {
    let group = api.split_once('/').map_or("", |(group, _)| group);
    if !KUBERNETES.has_group(group) {
        return Some((NO_SCHEMA, format!("no schema is known for `{api}` {kind}, so its fields are not checked")));
    }
    let mut hint = use_it;
    if hint.is_empty() {
        let versions = KUBERNETES.versions_of(kind, minor);
        let kinds = || KUBERNETES.kinds_of(api, minor).into_iter();
        hint = match (versions.first(), nearest(kind, kinds())) {
            (Some(version), _) => format!("; {kind} is in `{version}`"),
            (None, Some(near)) => format!("; did you mean {near}?"),
            (None, None) => String::new(),
        };
    }
    Some((NOT_SERVED, format!("Kubernetes 1.{minor} does not serve `{api}` {kind}{hint}")))
}

#[cfg(test)]
mod oracle_tests;
#[cfg(test)]
mod tests;
