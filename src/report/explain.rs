//! Where a rendered value comes from: the line to change, and every step before it.

use super::markdown::line;
use super::words::listed;
use crate::manifest::node::{Made, Node, Object, Span, Value};

/// Values listed for one field; whoever wants more asks for a part of it.
const MAX_VALUES: usize = 200;
/// The widest value shown.
const MAX_WIDTH: usize = 120;

/// What could not be found, and what is there instead.
#[derive(Debug, PartialEq, Eq)]
pub struct NotThere {
    /// What is missing.
    pub message: String,
    /// What to ask for instead.
    pub help: String,
}

/// Tells of an object's field, or of all its values, where each was written and what set it last, newest step first.
///
/// `wanted` is `Deployment/web` or `Deployment/shop/web`; `field` is `spec.template.spec.containers[0].image`, with an item's
/// number or name in brackets, or a JSON pointer.
///
/// # Errors
/// When no object or no field is called so; then with what is near.
pub fn explain(objects: &[Object], wanted: &str, field: Option<&str>) -> Result<String, NotThere> {
    let object = find(objects, wanted)?;
    let node = match field {
        Some(field) => descend(&object.node, &path(field)).map_err(|mut why| {
            why.message = format!("{} has no `{}`: {}", object.name(), line(field, MAX_WIDTH), why.message);
            why
        })?,
        None => &object.node,
    };
    let mut told = Told { secret: object.kind() == "Secret", text: String::new(), left: MAX_VALUES };
    told.value(node, field.unwrap_or_default().to_owned());
    if told.left == 0 {
        told.text.push_str(&format!("\nOnly the first {MAX_VALUES} values are shown; name a field to see its own.\n"));
    }
    Ok(told.text)
}

fn find<'o>(objects: &'o [Object], wanted: &str) -> Result<&'o Object, NotThere> {
    let is = |object: &&Object| {
        let name = object.name();
        let kind = |kind: &str| kind.eq_ignore_ascii_case(&name.kind);
        match wanted.split('/').collect::<Vec<_>>().as_slice() {
            [one] => *one == name.name,
            [k, n] => kind(k) && *n == name.name,
            [k, namespace, n] => kind(k) && *namespace == name.namespace && *n == name.name,
            _ => false,
        }
    };
    let shown = |object: &Object| {
        let name = object.name();
        let parts = [name.kind, name.namespace, name.name];
        line(&parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("/"), MAX_WIDTH)
    };
    let mut found = objects.iter().filter(is);
    match (found.next(), found.next()) {
        (Some(one), None) => Ok(one),
        (Some(one), Some(other)) => Err(NotThere {
            message: format!("`{}` could be several objects", line(wanted, MAX_WIDTH)),
            help: format!("Ask for `{}` or `{}`.", shown(one), shown(other)),
        }),
        (None, _) => {
            let name = wanted.rsplit('/').next().unwrap_or_default();
            let mut near: Vec<(f64, String)> =
                objects.iter().map(|object| (strsim::jaro_winkler(&object.name().name, name), shown(object))).collect();
            near.sort_by(|a, b| b.0.total_cmp(&a.0));
            let near: Vec<String> = near.into_iter().take(3).map(|(_, name)| format!("`{name}`")).collect();
            let help = if near.is_empty() { "Nothing is rendered here.".to_owned() } else { listed(&near, 3) };
            Err(NotThere {
                message: format!("no object is called `{}`", line(wanted, MAX_WIDTH)),
                help: if near.is_empty() { help } else { format!("There is {help}.") },
            })
        }
    }
}

/// The parts of a field path or a JSON pointer.
fn path(field: &str) -> Vec<String> {
    if let Some(pointer) = field.strip_prefix('/') {
        return pointer.split('/').map(|part| part.replace("~1", "/").replace("~0", "~")).collect();
    }
    let (mut parts, mut inside) = (vec![String::new()], false);
    for c in field.chars() {
        match c {
            '.' if !inside => parts.push(String::new()),
            '[' if !inside => {
                inside = true;
                parts.push(String::new());
            }
            ']' if inside => inside = false,
            c => parts.last_mut().into_iter().for_each(|part| part.push(c)),
        }
    }
    parts.retain(|part| !part.is_empty());
    parts
}

fn descend<'n>(node: &'n Node, path: &[String]) -> Result<&'n Node, NotThere> {
    path.iter().try_fold(node, |node, part| match &node.value {
        Value::Map(map) => map.get(part).ok_or_else(|| {
            let keys: Vec<String> = map.iter().map(|(key, _)| format!("`{}`", line(&key.text, 60))).collect();
            missing(part, &format!("There is {}.", listed(&keys, 12)))
        }),
        Value::List(list) => {
            let named = || list.iter().find(|item| item.str_at(&["name"]) == Some(part));
            let found = part.parse::<usize>().ok().and_then(|at| list.get(at)).or_else(named);
            found.ok_or_else(|| missing(part, &format!("The list has {} items, the first is `[0]`.", list.len())))
        }
        _ => Err(missing(part, "What stands there is a plain value.")),
    })
}

fn missing(part: &str, help: &str) -> NotThere {
    NotThere { message: format!("`{}` is not there", line(part, 60)), help: help.to_owned() }
}

struct Told {
    secret: bool,
    text: String,
    left: usize,
}

impl Told {
    /// Recursion is bounded by the reader's depth limit.
    fn value(&mut self, node: &Node, at: String) {
        if self.left == 0 {
            return;
        }
        let join = |key: &str| match key.contains(['.', '/', '[']) {
            true => format!("{at}[{key}]"),
            false if at.is_empty() => key.to_owned(),
            false => format!("{at}.{key}"),
        };
        match &node.value {
            Value::Map(map) if !map.is_empty() => {
                map.iter().for_each(|(key, value)| self.value(value, join(&key.text)))
            }
            Value::List(list) if !list.is_empty() => {
                list.iter().enumerate().for_each(|(i, item)| self.value(item, format!("{at}[{i}]")));
            }
            _ => {
                self.left -= 1;
                self.steps(node, &at);
            }
        }
    }

    fn steps(&mut self, node: &Node, at: &str) {
        let hidden = self.secret && !["apiVersion", "kind", "metadata", "type"].iter().any(|key| at.starts_with(key));
        let shown = |text: &str| if hidden { "(hidden)".to_owned() } else { line(text, MAX_WIDTH) };
        if !self.text.is_empty() {
            self.text.push('\n');
        }
        self.text.push_str(&format!("{}: {}\n", line(at, 300), shown(&node.brief())));
        let mut steps: Vec<(String, String)> = Vec::new();
        let (mut span, mut made, mut was): (&Span, Option<&Made>, Option<&str>) =
            (&node.span, node.made.as_deref(), None);
        // Bounded by the steps a value remembers.
        loop {
            let by = made.map_or("written here", |made| made.by);
            let what = was.map_or_else(|| by.to_owned(), |was| format!("{by}, as {}", shown(was)));
            steps.push((line(&span.location().to_string(), 300), what));
            let Some(Made { before: Some((text, place)), past, .. }) = made else { break };
            (span, made, was) = (place, past.as_deref(), Some(text.as_str()));
        }
        let width = steps.iter().map(|(place, _)| place.chars().count()).max().unwrap_or_default();
        for (place, what) in steps {
            self.text.push_str(&format!("  {place:<width$}  {what}\n"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::tree::{MemoryObjects, Tree};

    fn rendered(files: &[(&str, &str)], folder: &str) -> Vec<Object> {
        let mut objects = MemoryObjects::default();
        let root = objects.add_text(files.iter().copied()).unwrap();
        let rendered = crate::render::render(&Tree::new(root, &objects), &folder.parse().unwrap());
        assert!(rendered.ok, "{:?}", rendered.problems);
        rendered.objects
    }

    const FILES: &[(&str, &str)] = &[
        ("base/kustomization.yaml", "resources: [app.yaml]\nconfigMapGenerator:\n- name: conf\n  literals: [a=1]\n"),
        (
            "base/app.yaml",
            "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec:\n  replicas: 1\n  template:\n    spec:\n      containers:\n      - name: app\n        image: nginx:1\n        envFrom:\n        - configMapRef: {name: conf}\n",
        ),
        (
            "mid/kustomization.yaml",
            "resources: [../base]\nnamePrefix: eu-\nimages:\n- {name: nginx, newTag: '2'}\npatches:\n- path: more.yaml\n",
        ),
        (
            "mid/more.yaml",
            "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec: {replicas: 2, paused: true}\n",
        ),
        (
            "prod/kustomization.yaml",
            "resources: [../mid]\nnamespace: shop\nreplicas: [{name: eu-web, count: 3}]\nimages: [{name: nginx, newTag: '3'}]\npatches:\n- target: {kind: Deployment}\n  patch: |-\n    - {op: replace, path: /spec/paused, value: false}\n",
        ),
    ];

    #[test]
    fn every_step_of_a_value_is_told_newest_first() {
        let objects = rendered(FILES, "prod");
        let told = |field| explain(&objects, "Deployment/eu-web", Some(field)).unwrap();
        let fields = ["spec.replicas", "spec.template.spec.containers[app].image", "/metadata", "spec.paused"];
        let all = fields.map(told).join("") + &told("spec.template.spec.containers[0].envFrom");
        insta::assert_snapshot!(all, @"
        spec.replicas: 3
          prod/kustomization.yaml:3:34  replicas
          mid/more.yaml:4:18            patch, as 2
          base/app.yaml:5:13            written here, as 1
        spec.template.spec.containers[app].image: nginx:3
          prod/kustomization.yaml:4:32  images
          mid/kustomization.yaml:4:25   images, as nginx:2
          base/app.yaml:10:16           written here, as nginx:1
        /metadata.name: eu-web
          mid/kustomization.yaml:2:13  namePrefix
          base/app.yaml:3:18           written here, as web

        /metadata.namespace: shop
          prod/kustomization.yaml:2:12  namespace
        spec.paused: false
          prod/kustomization.yaml:8:48  JSON patch
          mid/more.yaml:4:29            patch, as true
        spec.template.spec.containers[0].envFrom[0].configMapRef.name: eu-conf-h29d89cmmt
          mid/kustomization.yaml:2:13  the object it refers to
          base/app.yaml:12:32          written here, as conf
        ");
    }

    #[test]
    fn what_is_not_there_says_what_is() {
        let objects = rendered(FILES, "prod");
        let why = |wanted, field| {
            let why = explain(&objects, wanted, field).unwrap_err();
            format!("{}. {}", why.message, why.help)
        };
        let all = [
            why("Deployment/web", None),
            why("Deployment/eu-web", Some("spec.replica")),
            why("deployment/shop/eu-web", Some("spec.template.spec.containers[7]")),
            why("deployment/eu-web", Some("spec.replicas.x")),
        ];
        insta::assert_snapshot!(all.join("\n"), @"
        no object is called `Deployment/web`. There is `Deployment/shop/eu-web` and `ConfigMap/shop/eu-conf-h29d89cmmt`.
        Deployment shop/eu-web has no `spec.replica`: `replica` is not there. There is `replicas`, `template` and `paused`.
        Deployment shop/eu-web has no `spec.template.spec.containers[7]`: `7` is not there. The list has 1 items, the first is `[0]`.
        Deployment shop/eu-web has no `spec.replicas.x`: `x` is not there. What stands there is a plain value.
        ");
    }

    #[test]
    fn values_of_secrets_stay_hidden() {
        let secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {password: hunter2}\n";
        let patch = "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {password: other}\n";
        let files = [
            ("a/kustomization.yaml", "resources: [s.yaml]\npatches: [{path: p.yaml}]\n"),
            ("a/s.yaml", secret),
            ("a/p.yaml", patch),
        ];
        insta::assert_snapshot!(explain(&rendered(&files, "a"), "s", Some("stringData")).unwrap(), @"
        stringData.password: (hidden)
          a/p.yaml:4:24  patch
          a/s.yaml:4:24  written here, as (hidden)
        ");
    }
}
