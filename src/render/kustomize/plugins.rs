//! `transformers`, `generators` and `validators`: the built-in ones, configured in files, folders or in place.
//!
//! Anything else is a program, and programs are never run.

use super::form::{Form, Text, note};
use super::generate::{self, Kind};
use super::origin::{self, By};
use super::plugin_forms as forms;
use super::resource::{Behavior, Resource, key, text_node, weigh};
use super::spec::Spec;
use super::transform::{self, End, Failure};
use super::{Build, Gathered, Place, patch, replacement};
use crate::manifest::node::{Map, Node, Value};
use crate::model::finding::Problem;
use crate::render::source::Reading;

const NO_PROGRAMS: &str = "Programs are never run. Commit what it makes, or use a built-in of the same purpose.";
const NO_CHARTS: &str = "Charts are not rendered here. Commit the rendered manifests, or let Flux apply a HelmRelease.";

impl Build<'_, '_> {
    /// The configurations a list names: written in place, in files, or built by folders.
    fn configured(&mut self, place: &Place<'_>, entries: &[Text]) -> Option<Vec<Resource>> {
        let (mut gathered, mut paths, mut sound) = (Gathered::default(), Vec::new(), true);
        for entry in entries {
            if !patch::looks_inline(&entry.value) {
                paths.push(entry.clone());
                continue;
            }
            let documents = patch::inline(self.source, entry, Reading::Kustomize);
            let Some(mut all) = documents.and_then(|documents| self.objects(&documents)) else {
                sound = false;
                continue;
            };
            if let Some(file) = self.here(place) {
                all.iter_mut().for_each(|config| origin::mark_read(config, &file));
            }
            gathered.all.extend(all);
        }
        (self.list(place.folder, &paths, &mut gathered) && sound).then_some(gathered.all)
    }

    /// Runs what `generators` lists.
    pub(super) fn run_generators(&mut self, place: &Place<'_>, spec: &Spec, gathered: &mut Gathered) -> bool {
        if spec.generators.is_empty() {
            return true;
        }
        let Some(configs) = self.configured(place, &spec.generators) else { return false };
        for config in configs {
            let Some(mut made) = self.generated(place, &config) else { return false };
            if let Some(by) = self.origin.as_ref().and_then(|_| By::config(&config)) {
                origin::mark_made(&mut made, &by);
            }
            if let Err(failure) = generate::absorb(&mut gathered.all, made, &config.node.span) {
                self.source.wrong(&failure.0, failure.1, "");
                return false;
            }
        }
        true
    }

    fn generated(&mut self, place: &Place<'_>, config: &Resource) -> Option<Resource> {
        let kind = built_in(config).unwrap_or_default();
        let mut problems = Vec::new();
        let mut form = Form::new(config.kind(), &config.node, &mut problems).lenient();
        let made = match kind {
            "ConfigMapGenerator" | "SecretGenerator" => {
                let kind = if kind == "SecretGenerator" { Kind::Secret } else { Kind::ConfigMap };
                let entry = forms::generator(&mut form, &config.node);
                problems.is_empty().then(|| generate::generate(self.source, place.folder, &entry, kind)).flatten()
            }
            "IAMPolicyGenerator" => service_account(&mut form, &config.node),
            _ => {
                self.refuse(config, "generator");
                return None;
            }
        };
        let sound = problems.is_empty();
        problems.into_iter().for_each(|problem| self.source.add_problem(problem));
        made.filter(|_| sound)
    }

    /// Runs what `transformers` lists, in order.
    pub(super) fn run_transformers(&mut self, place: &Place<'_>, entries: &[Text], all: &mut Vec<Resource>) -> bool {
        if entries.is_empty() {
            return true;
        }
        let Some(configs) = self.configured(place, entries) else { return false };
        for config in configs {
            if !self.transformed(place, &config, all) {
                return false;
            }
            if let Some(by) = self.origin.as_ref().and_then(|_| By::config(&config)) {
                origin::mark_changed(all, &by);
            }
        }
        true
    }

    /// Runs what `validators` lists: transformers that must change nothing.
    pub(super) fn run_validators(&mut self, place: &Place<'_>, entries: &[Text], all: &mut Vec<Resource>) -> bool {
        if entries.is_empty() {
            return true;
        }
        let Some(configs) = self.configured(place, entries) else { return false };
        for config in configs {
            let before: Vec<Node> = all.iter().map(|resource| resource.node.clone()).collect();
            if !self.transformed(place, &config, all) {
                return false;
            }
            if !before.iter().eq(all.iter().map(|resource| &resource.node)) {
                let message = format!("{} is a validator, and it changes objects", config.id());
                self.source.wrong(&config.node.span, message, "Name it under `transformers` instead.");
                return false;
            }
        }
        true
    }

    fn refuse(&mut self, config: &Resource, purpose: &str) {
        let span = config.node.get("kind").map_or(&config.node.span, |node| &node.span);
        let helm = config.kind() == "HelmChartInflationGenerator";
        let message = match built_in(config) {
            Some(kind) if helm => format!("`{kind}` runs Helm, which is not done here"),
            Some(kind) => format!("there is no built-in {purpose} called `{kind}`"),
            None => {
                let api = config.node.str_at(&["apiVersion"]).unwrap_or_default();
                format!("`{}` of `{api}` is a program, not a built-in {purpose}", config.kind())
            }
        };
        self.source.wrong(span, message, if helm { NO_CHARTS } else { NO_PROGRAMS });
    }

    /// Runs one transformer; false when something is wrong, which is noted.
    fn transformed(&mut self, place: &Place<'_>, config: &Resource, all: &mut Vec<Resource>) -> bool {
        let before = self.source.problems.len();
        let kind = built_in(config).unwrap_or_default();
        let mut problems = Vec::new();
        let mut form = Form::new(config.kind(), &config.node, &mut problems).lenient();
        let fields = form.list("fieldSpecs").len() + form.list("targets").len() + 1;
        // What it sets stands in it.
        let texts = 1 + weigh(&config.node, self.source.room()) / 16;
        if !self.source.afford(fields.saturating_mul(texts).saturating_mul(all.len()), &config.node.span.location()) {
            return false;
        }
        let done = match kind {
            "PatchTransformer" | "PatchJson6902Transformer" | "PatchStrategicMergeTransformer" => {
                self.patched(place, kind, &mut form, all);
                Ok(())
            }
            "ReplacementTransformer" => {
                let entries = replacement::read(&mut form, "replacements");
                match replacement::with_files(self.source, place.folder, &entries) {
                    Some(entries) if form.problems.is_empty() => replacement::apply(self.source, all, &entries),
                    _ => Ok(()),
                }
            }
            "ValueAddTransformer" => match forms::value_add(self.source, place.folder, &mut form) {
                Some(add) if form.problems.is_empty() => add.run(all),
                _ => Ok(()),
            },
            "HashTransformer" => {
                transform::hashes(all);
                Ok(())
            }
            _ => match simple(kind, &mut form, all) {
                Some(done) => done,
                None => {
                    self.refuse(config, "transformer");
                    Ok(())
                }
            },
        };
        problems.into_iter().for_each(|problem| self.source.add_problem(problem));
        if let Err(failure) = done {
            self.source.wrong(&failure.0, failure.1, "");
        }
        self.source.problems.len() == before
    }

    fn patched(&mut self, place: &Place<'_>, kind: &str, form: &mut Form<'_>, all: &mut Vec<Resource>) {
        let span = &form.span().clone();
        if kind == "PatchStrategicMergeTransformer" {
            let (mut entries, patches) = (form.texts("paths"), form.text("patches"));
            entries.extend(patches);
            if entries.is_empty() {
                return note(form.problems, span, format!("`{kind}` needs `paths` or `patches`"), "");
            }
            if form.problems.is_empty() {
                patch::strategic(self.source, place, &entries, all);
            }
            return;
        }
        let legacy = kind == "PatchJson6902Transformer";
        if let Some(entry) = forms::patch(form, legacy, span) {
            patch::targeted(self.source, place, &entry, legacy, all);
        }
    }
}

/// The kind of a built-in; nothing for programs.
fn built_in(config: &Resource) -> Option<&str> {
    (config.node.str_at(&["apiVersion"]) == Some("builtin")).then(|| config.kind())
}

/// The transformers that need nothing but their configuration; nothing for a kind that is none of them.
fn simple(kind: &str, form: &mut Form<'_>, all: &mut [Resource]) -> Option<Result<(), Failure>> {
    let fields = super::config::fields(form, "fieldSpecs", false);
    let listed = form.get("fieldSpecs").is_some();
    Some(match kind {
        "AnnotationsTransformer" => {
            let pairs = form.pairs("annotations");
            run(form, || transform::annotations(all, &pairs, &fields))
        }
        "LabelTransformer" => {
            let pairs = form.pairs("labels");
            run(form, || transform::labels(all, &pairs, &fields))
        }
        "NamespaceTransformer" => {
            let Some((name, subjects)) = forms::namespace(form) else { return Some(Ok(())) };
            let how = transform::Namespace { name: &name, subjects, unset_only: form.flag("unsetOnly") };
            run(form, || transform::namespace(all, &how, &fields))
        }
        "PrefixTransformer" | "SuffixTransformer" | "PrefixSuffixTransformer" => {
            let (prefix, suffix) = (forms::affix(form, "prefix"), forms::affix(form, "suffix"));
            if !listed {
                let span = form.span().clone();
                note(form.problems, &span, format!("`{kind}` needs `fieldSpecs`, such as `- path: metadata/name`"), "");
            }
            run(form, || {
                if kind != "SuffixTransformer" {
                    transform::rename(all, &prefix, End::Prefix, &fields)?;
                }
                if kind != "PrefixTransformer" {
                    transform::rename(all, &suffix, End::Suffix, &fields)?;
                }
                Ok(())
            })
        }
        "ImageTagTransformer" => match forms::image(form) {
            Some(image) => run(form, || transform::images(all, &image, &fields)),
            None => Ok(()),
        },
        "ReplicaCountTransformer" => match forms::replicas(form) {
            Some(replicas) => run(form, || transform::replicas(all, &replicas, &fields)),
            None => Ok(()),
        },
        _ => return None,
    })
}

/// Runs something unless its configuration is wrong.
fn run(form: &Form<'_>, step: impl FnOnce() -> Result<(), Failure>) -> Result<(), Failure> {
    if form.problems.is_empty() { step() } else { Ok(()) }
}

/// The service account that an `IAMPolicyGenerator` makes for Google's cloud, the only one it knows.
fn service_account(form: &mut Form<'_>, node: &Node) -> Option<Resource> {
    if form.text("cloud").is_none_or(|cloud| cloud.value != "gke") {
        note(form.problems, &node.span, "`cloud` of an `IAMPolicyGenerator` is `gke`".to_owned(), "");
        return None;
    }
    let mut word = |field: &str, name: &str| -> Option<Text> {
        let node = form.get(field)?;
        Form::new(field, node, form.problems).text(name)
    };
    let (name, namespace) = (word("kubernetesService", "name"), word("kubernetesService", "namespace"));
    let (account, project) = (word("serviceAccount", "name"), word("serviceAccount", "projectId"));
    let text = |text: &Option<Text>| text.as_ref().map(|text| text.value.clone()).unwrap_or_default();
    let Some(name) = name else {
        needs(form.problems, node, "kubernetesService.name");
        return None;
    };
    let here = &node.span;
    let map = |entries: Vec<(&str, Node)>| {
        let mut map = Map::default();
        entries.into_iter().for_each(|(name, node)| map.push_new(key(name, &node.span.clone()), node));
        Node::new(Value::Map(map), here.clone())
    };
    let email = format!("{}@{}.iam.gserviceaccount.com", text(&account), text(&project));
    let email = text_node(&email, account.as_ref().map_or(here, |account| &account.span));
    let mut metadata = vec![
        ("annotations", map(vec![("iam.gke.io/gcp-service-account", email)])),
        ("name", text_node(&name.value, &name.span)),
    ];
    metadata.extend(namespace.map(|namespace| ("namespace", text_node(&namespace.value, &namespace.span))));
    let object = map(vec![
        ("apiVersion", text_node("v1", here)),
        ("kind", text_node("ServiceAccount", here)),
        ("metadata", map(metadata)),
    ]);
    let mut made = Resource::new(object);
    made.behavior = Behavior::Create;
    Some(made)
}

fn needs(problems: &mut Vec<Problem>, node: &Node, what: &str) {
    note(problems, &node.span, format!("`{what}` is missing"), "");
}
