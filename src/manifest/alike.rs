//! The objects of one environment named as those of another, so that the two can be compared: what differs only because they are two
//! environments, their namespaces and the affixes of their names, is no difference.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::node::{Key, Node, Object, Value};
use super::pairs::stem_of;
use crate::model::finding::ObjectName;

/// `from`, each object that has a counterpart in `to` under that one's name and namespace, references to it included. What has none
/// keeps its name.
pub fn named_as(from: &[Object], to: &[Object], environments: (&str, &str)) -> Vec<Object> {
    let (ours, theirs): (Vec<_>, Vec<_>) = (names(from), names(to));
    let affixes = best((&ours, environments.0), (&theirs, environments.1));
    let spaces = namespaces((&ours, &affixes.0), (&theirs, &affixes.1));
    let mut counterparts: HashMap<(Stem, &str), &ObjectName> = HashMap::new();
    for name in &theirs {
        counterparts.entry((stem(name, &affixes.1), &name.namespace)).or_insert(name);
    }
    let counterpart = |name: &ObjectName| -> Option<ObjectName> {
        if name.kind == "Namespace" {
            return Some(ObjectName { name: spaces.get(&name.name)?.clone(), ..name.clone() });
        }
        let space = spaces.get(&name.namespace).unwrap_or(&name.namespace);
        let found = counterparts.get(&(stem(name, &affixes.0), space.as_str()))?;
        // Another hash is another content, which the comparison itself tells.
        let hash = generated(name).zip(generated(found)).map(|(_, stem)| format!("{stem}{}", hash_of(&name.name)));
        Some(ObjectName { name: hash.unwrap_or_else(|| found.name.clone()), ..(*found).clone() })
    };
    let pairs: Vec<Option<ObjectName>> = ours.iter().map(counterpart).collect();
    let renamed = ours.iter().zip(&pairs).filter_map(|(was, is)| Some((was, is.as_ref()?)));
    let renamed = renamed.filter(|(was, is)| was.name != is.name && was.kind != "Namespace");
    let renames = Renames { names: renamed.map(|(was, is)| (was.name.clone(), is.name.clone())).collect(), spaces };
    from.iter().zip(pairs).map(|(object, is)| renames.object(object, is)).collect()
}

fn names(objects: &[Object]) -> Vec<ObjectName> {
    objects.iter().map(Object::name).collect()
}

/// What an object is called in any environment: group, kind, and its name without hash and affixes.
type Stem = (String, String, String);

/// What an environment puts before and after its objects' names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Affix {
    before: String,
    after: String,
}

fn stem(name: &ObjectName, affix: &Affix) -> Stem {
    let plain = generated(name).unwrap_or(&name.name);
    let plain = plain.strip_prefix(affix.before.as_str()).unwrap_or(plain);
    let plain = plain.strip_suffix(affix.after.as_str()).unwrap_or(plain);
    (name.group.clone(), name.kind.clone(), plain.to_owned())
}

/// The name without its hash, for what is generated with one.
fn generated(name: &ObjectName) -> Option<&str> {
    let may = name.group.is_empty() && matches!(name.kind.as_str(), "ConfigMap" | "Secret");
    may.then(|| stem_of(&name.name)).flatten()
}

fn hash_of(name: &str) -> &str {
    name.rfind('-').map_or("", |at| &name[at..])
}

/// The affixes under which most objects have a counterpart; none where they help nothing.
fn best((ours, a): (&[ObjectName], &str), (theirs, b): (&[ObjectName], &str)) -> (Affix, Affix) {
    let mut found = (0, Affix::default(), Affix::default());
    let known: Vec<(Affix, HashSet<Stem>)> =
        affixes(theirs, b).into_iter().map(|affix| (affix.clone(), stems(theirs, &affix).collect())).collect();
    for ours_affix in affixes(ours, a) {
        for (theirs_affix, stems_there) in &known {
            let met = stems(ours, &ours_affix).filter(|stem| stems_there.contains(stem)).count();
            if met > found.0 {
                found = (met, ours_affix.clone(), theirs_affix.clone());
            }
        }
    }
    (found.1, found.2)
}

fn stems<'n>(names: &'n [ObjectName], affix: &'n Affix) -> impl Iterator<Item = Stem> + 'n {
    names.iter().map(move |name| stem(name, affix))
}

/// What could stand around the names here: nothing, the environment's own name, or what all of them share. Five at most.
fn affixes(names: &[ObjectName], environment: &str) -> Vec<Affix> {
    let plain = names.iter().filter(|name| name.kind != "Namespace").map(|n| generated(n).unwrap_or(&n.name));
    let plain: Vec<&str> = plain.collect();
    let before = |text: String| Affix { before: text, ..Affix::default() };
    let after = |text: String| Affix { after: text, ..Affix::default() };
    let mut all = vec![Affix::default(), before(format!("{environment}-")), after(format!("-{environment}"))];
    if let [first, rest @ ..] = plain.as_slice()
        && !rest.is_empty()
    {
        let shared = rest.iter().fold(first.len(), |most, name| most.min(alike(first.bytes(), name.bytes())));
        all.extend(first.get(..shared).and_then(|text| Some(before(text[..=text.rfind('-')?].to_owned()))));
        let shared =
            rest.iter().fold(first.len(), |most, name| most.min(alike(first.bytes().rev(), name.bytes().rev())));
        let end = first.get(first.len() - shared..);
        all.extend(end.and_then(|text| Some(after(text[text.find('-')?..].to_owned()))));
    }
    all
}

fn alike(a: impl Iterator<Item = u8>, b: impl Iterator<Item = u8>) -> usize {
    a.zip(b).take_while(|(a, b)| a == b).count()
}

/// Which namespace stands for which: the one most of its objects have their counterparts in.
fn namespaces((ours, a): (&[ObjectName], &Affix), (theirs, b): (&[ObjectName], &Affix)) -> BTreeMap<String, String> {
    let mut places: HashMap<Stem, Vec<&str>> = HashMap::new();
    for name in theirs {
        places.entry(stem(name, b)).or_default().push(&name.namespace);
    }
    let mut votes: BTreeMap<&str, BTreeMap<&str, usize>> = BTreeMap::new();
    for name in ours {
        // Where one name stands in many namespaces it tells nothing about any of them.
        if let Some([place]) = places.get(&stem(name, a)).map(Vec::as_slice) {
            *votes.entry(&name.namespace).or_default().entry(place).or_default() += 1;
        }
    }
    let most = |(space, votes): (&str, BTreeMap<&str, usize>)| {
        let (there, _) = votes.into_iter().max_by_key(|(_, count)| *count)?;
        Some((space.to_owned(), there.to_owned()))
    };
    votes.into_iter().filter_map(most).collect()
}

struct Renames {
    names: HashMap<String, String>,
    spaces: BTreeMap<String, String>,
}

impl Renames {
    fn object(&self, object: &Object, is: Option<ObjectName>) -> Object {
        let Some(is) = is else { return object.clone() };
        let mut node = object.node.clone();
        self.references(&mut node, "");
        if let Some(metadata) = node.as_map_mut().and_then(|map| map.get_mut("metadata")) {
            for (field, text) in [("name", is.name), ("namespace", is.namespace)] {
                set(metadata, field, text);
            }
        }
        Object { node }
    }

    /// Lets what is named follow its new name. Recursion is bounded by the reader's depth limit.
    fn references(&self, node: &mut Node, at: &str) {
        match &mut node.value {
            Value::List(list) => list.iter_mut().for_each(|item| self.references(item, at)),
            Value::Map(map) => map.iter_mut().for_each(|(key, value)| self.references(value, &key.text)),
            Value::String(text) => {
                if let Some(name) = self.names.get(text.as_str()) {
                    *text = name.as_str().into();
                } else if let Some(space) = self.spaces.get(text.as_str()).filter(|_| at == "namespace") {
                    *text = space.as_str().into();
                } else if text.contains(".svc") {
                    for (was, is) in self.spaces.iter().filter(|(was, is)| was != is && !was.is_empty()) {
                        *text = text.replace(&format!(".{was}.svc"), &format!(".{is}.svc")).into();
                    }
                }
            }
            _ => {}
        }
    }
}

fn set(metadata: &mut Node, field: &str, text: String) {
    let span = metadata.span.clone();
    let Some(map) = metadata.as_map_mut() else { return };
    match (map.get_mut(field), text.is_empty()) {
        (Some(_), true) => drop(map.remove(field)),
        (Some(value), false) => value.value = Value::String(text.into()),
        (None, true) => {}
        (None, false) => {
            map.insert(Key { text: field.into(), span: span.clone() }, Node::new(Value::String(text.into()), span))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::{MaskKey, changes, load, objects};

    fn read(text: &str) -> Vec<Object> {
        objects(&load(&"a.yaml".parse().unwrap(), text.as_bytes())).0
    }

    /// What differs, one line an object.
    fn told(from: &str, to: &str) -> String {
        let (from, to) = (read(from), read(to));
        let from = named_as(&from, &to, ("stage", "prod"));
        let lines = changes(&from, &to, &MaskKey([0; 32])).into_iter().map(|change| {
            let diff: Vec<&str> = change.diff.lines().filter(|line| line.starts_with(['+', '-'])).collect();
            format!("{} {:?} {}", change.object, change.kind, diff.join(" | "))
        });
        lines.collect::<Vec<_>>().join("\n")
    }

    fn deployment(namespace: &str, name: &str, extra: &str) -> String {
        format!(
            "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: {name}, namespace: {namespace}}}\nspec:\n  {extra}\n---\n"
        )
    }

    #[test]
    fn namespaces_are_no_difference() {
        let space = |name: &str| format!("apiVersion: v1\nkind: Namespace\nmetadata: {{name: {name}}}\n---\n");
        let side = |space_: &str, replicas: u8| {
            let url = format!("replicas: {replicas}\n  url: http://api.{space_}.svc.cluster.local");
            space(space_) + &deployment(space_, "web", &url) + &deployment(space_, "api", "a: 1")
        };
        insta::assert_snapshot!(told(&side("shop-stage", 1), &side("shop-prod", 3)), @"Deployment shop-prod/web Changed -  replicas: 1 | +  replicas: 3");
    }

    #[test]
    fn prefixes_and_suffixes_are_no_difference_and_references_follow() {
        let from = deployment("s", "stage-web", "account: stage-api") + &deployment("s", "stage-api", "a: 1");
        let to = deployment("s", "web-eu", "account: api-eu") + &deployment("s", "api-eu", "a: 2");
        insta::assert_snapshot!(told(&from, &to), @"Deployment s/api-eu Changed -  a: 1 | +  a: 2");
        let to = deployment("p", "web", "account: api") + &deployment("p", "api", "a: 1");
        insta::assert_snapshot!(told(&from, &to), @"");
    }

    #[test]
    fn what_only_one_side_has_keeps_its_name() {
        let from = deployment("shop-stage", "web", "a: 1") + &deployment("shop-stage", "debug", "a: 1");
        let to = deployment("shop-prod", "web", "a: 1") + &deployment("shop-prod", "guard", "b: 1");
        insta::assert_snapshot!(told(&from, &to), @"
        Deployment shop-prod/guard Added +apiVersion: apps/v1 | +kind: Deployment | +metadata: | +  name: guard | +  namespace: shop-prod | +spec: | +  b: 1
        Deployment shop-stage/debug Removed -apiVersion: apps/v1 | -kind: Deployment | -metadata: | -  name: debug | -  namespace: shop-stage | -spec: | -  a: 1
        ");
    }

    #[test]
    fn generated_names_meet_by_their_stem() {
        let config = |space: &str, name: &str, value: u8| {
            format!(
                "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}, namespace: {space}}}\ndata: {{a: '{value}'}}\n---\n"
            )
        };
        let from = config("stage", "stage-conf-h29d89cmmt", 1)
            + &deployment("stage", "stage-web", "conf: stage-conf-h29d89cmmt");
        let to = config("prod", "conf-tt9d89cmmt", 2) + &deployment("prod", "web", "conf: conf-tt9d89cmmt");
        insta::assert_snapshot!(told(&from, &to), @r#"
        ConfigMap prod/conf-tt9d89cmmt Changed -  a: "1" | +  a: "2"
        Deployment prod/web Changed
        "#);
    }
}
