//! `kustomization.yaml`, read: every field with its place, what is not supported refused by name and line.

use super::config;
use super::field::Field;
use super::form::{Form, Text, note};
use super::replacement::{self, Replacement};
use super::vars::{self, Var};
use crate::manifest::node::{Node, Span};
use crate::model::finding::Problem;

/// One `kustomization.yaml`.
#[derive(Debug)]
pub(super) struct Spec {
    pub(super) component: bool,
    pub(super) resources: Vec<Text>,
    pub(super) components: Vec<Text>,
    pub(super) namespace: Option<Text>,
    pub(super) prefix: Option<Text>,
    pub(super) suffix: Option<Text>,
    pub(super) labels: Vec<Labels>,
    pub(super) common_labels: Vec<(Text, Text)>,
    pub(super) configurations: Vec<Text>,
    pub(super) crds: Vec<Text>,
    pub(super) annotations: Vec<(Text, Text)>,
    pub(super) strategic: Vec<Text>,
    pub(super) patches: Vec<Patch>,
    pub(super) json_patches: Vec<Patch>,
    pub(super) config_maps: Vec<Generator>,
    pub(super) secrets: Vec<Generator>,
    pub(super) images: Vec<Image>,
    pub(super) replicas: Vec<Replicas>,
    pub(super) sort: Sort,
    pub(super) replacements: Vec<Replacement>,
    pub(super) vars: Vec<Var>,
    pub(super) generators: Vec<Text>,
    pub(super) transformers: Vec<Text>,
    pub(super) validators: Vec<Text>,
    pub(super) metadata: Metadata,
    pub(super) openapi: Option<OpenApi>,
}

/// `openapi`: a file that describes kinds, or the version of the built-in description.
#[derive(Debug)]
pub(super) struct OpenApi {
    pub(super) path: Option<Text>,
    pub(super) version: Option<Text>,
}

/// `buildMetadata`: what is written into objects about how they were made.
#[derive(Debug, Default)]
pub(super) struct Metadata {
    pub(super) origins: bool,
    pub(super) changes: bool,
    /// Where the label of `managedByLabel` is asked for.
    pub(super) manager: Option<Span>,
}

impl Metadata {
    /// Whether origins must be known: for the original, as soon as anything is asked for.
    pub(super) fn tracks(&self) -> bool {
        self.origins || self.changes || self.manager.is_some()
    }
}

/// Labels and how far they go.
#[derive(Debug)]
pub(super) struct Labels {
    pub(super) pairs: Vec<(Text, Text)>,
    pub(super) selectors: bool,
    pub(super) templates: bool,
    pub(super) claims: bool,
    /// Further places, of this entry alone.
    pub(super) fields: Vec<Field>,
}

/// A patch: a file or inline text, and which objects it is for.
#[derive(Debug)]
pub(super) struct Patch {
    pub(super) path: Option<Text>,
    pub(super) inline: Option<Text>,
    pub(super) target: Option<Target>,
    pub(super) rename: bool,
    pub(super) change_kind: bool,
    /// Where the entry stands.
    pub(super) span: Span,
}

/// Which objects a patch is for: regular expressions, and selectors over labels and annotations.
#[derive(Debug, Default, Clone)]
pub(super) struct Target {
    pub(super) group: Option<Text>,
    pub(super) version: Option<Text>,
    pub(super) kind: Option<Text>,
    pub(super) name: Option<Text>,
    pub(super) namespace: Option<Text>,
    pub(super) labels: Option<Text>,
    pub(super) annotations: Option<Text>,
}

/// An entry of `configMapGenerator` or `secretGenerator`.
#[derive(Debug)]
pub(super) struct Generator {
    pub(super) name: Option<Text>,
    pub(super) namespace: Option<Text>,
    pub(super) behavior: Option<Text>,
    /// The type of a Secret.
    pub(super) kind: Option<Text>,
    pub(super) literals: Vec<Text>,
    pub(super) files: Vec<Text>,
    pub(super) envs: Vec<Text>,
    pub(super) options: Options,
    pub(super) span: Span,
}

/// What is added to generated objects.
#[derive(Debug, Default, Clone)]
pub(super) struct Options {
    pub(super) labels: Vec<(Text, Text)>,
    pub(super) annotations: Vec<(Text, Text)>,
    pub(super) no_hash: bool,
    pub(super) immutable: Option<Span>,
}

/// An entry of `images`.
#[derive(Debug, Clone)]
pub(super) struct Image {
    pub(super) name: Text,
    pub(super) new_name: Option<Text>,
    pub(super) new_tag: Option<Text>,
    pub(super) tag_suffix: Option<Text>,
    pub(super) digest: Option<Text>,
    /// Where the entry stands.
    pub(super) span: Span,
}

/// An entry of `replicas`.
#[derive(Debug)]
pub(super) struct Replicas {
    pub(super) name: Text,
    pub(super) count: (i64, Span),
}

/// How the objects are ordered at the end.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Sort {
    /// As they were met.
    Fifo,
    /// By kind, what others need first.
    Legacy { first: Vec<String>, last: Vec<String> },
}

/// Every field there is; those this program acts on come first.
const FIELDS: &[&str] = &[
    "apiVersion",
    "kind",
    "metadata",
    "resources",
    "bases",
    "components",
    "namespace",
    "namePrefix",
    "nameSuffix",
    "labels",
    "commonLabels",
    "commonAnnotations",
    "images",
    "imageTags",
    "replicas",
    "patches",
    "patchesStrategicMerge",
    "patchesJson6902",
    "configMapGenerator",
    "secretGenerator",
    "generatorOptions",
    "sortOptions",
    "replacements",
    "vars",
    "crds",
    "openapi",
    "configurations",
    "generators",
    "transformers",
    "validators",
    "buildMetadata",
    "helmCharts",
    "helmGlobals",
    "helmChartInflationGenerator",
];

/// Fields that are refused, each with what to do instead.
const REFUSED: &[(&str, &str)] = &[
    ("helmCharts", "Charts are not rendered here. Commit the rendered manifests, or let Flux apply a HelmRelease."),
    ("helmGlobals", "Charts are not rendered here. Commit the rendered manifests, or let Flux apply a HelmRelease."),
    (
        "helmChartInflationGenerator",
        "Charts are not rendered here. Commit the rendered manifests, or let Flux apply a HelmRelease.",
    ),
];

/// Reads a `kustomization.yaml`; what is wrong is added to `problems`.
pub(super) fn read(node: &Node, problems: &mut Vec<Problem>) -> Spec {
    let mut form = Form::new("kustomization.yaml", node, problems);
    form.only(FIELDS);
    for (name, help) in REFUSED {
        let Some(key) = node.as_map().and_then(|map| map.key(name)) else { continue };
        let empty = node.get(name).is_none_or(|value| value.is_null() || value.as_list().is_some_and(<[_]>::is_empty));
        if !empty {
            note(form.problems, &key.span, format!("`{name}` is not supported"), help);
        }
    }
    let component = kind(&mut form);
    let mut resources = form.texts("resources");
    resources.extend(form.texts("bases"));
    let (components, strategic) = (form.texts("components"), form.texts("patchesStrategicMerge"));
    let (namespace, prefix, suffix) = (form.name("namespace"), form.name("namePrefix"), form.name("nameSuffix"));
    let annotations = form.pairs("commonAnnotations");
    let labels: Vec<Labels> = each(&mut form, "labels", read_labels);
    let common_labels = form.pairs("commonLabels");
    let shared = match form.get("generatorOptions") {
        Some(node) => options(&mut Form::new("generatorOptions", node, form.problems)),
        None => Options::default(),
    };
    let generators = |form: &mut Form<'_>, name| -> Vec<Generator> {
        let mut all: Vec<Generator> = each(form, name, listed_generator);
        all.iter_mut().for_each(|generator| generator.options.add_shared(&shared));
        all
    };
    let (config_maps, secrets) =
        (generators(&mut form, "configMapGenerator"), generators(&mut form, "secretGenerator"));
    let mut images: Vec<Image> = each(&mut form, "images", image).into_iter().flatten().collect();
    images.extend(each(&mut form, "imageTags", image).into_iter().flatten());
    let patches = each(&mut form, "patches", read_patch);
    let json_patches = each(&mut form, "patchesJson6902", read_patch);
    let replicas = each(&mut form, "replicas", replicas).into_iter().flatten().collect();
    let sort = sort(&mut form);
    let (configurations, crds) = (form.texts("configurations"), form.texts("crds"));
    Spec {
        component,
        resources,
        components,
        namespace,
        prefix,
        suffix,
        labels,
        common_labels,
        configurations,
        crds,
        annotations,
        strategic,
        patches,
        json_patches,
        config_maps,
        secrets,
        images,
        replicas,
        sort,
        replacements: replacement::read(&mut form, "replacements"),
        vars: vars::read(&mut form),
        generators: form.texts("generators"),
        transformers: form.texts("transformers"),
        validators: form.texts("validators"),
        metadata: metadata(&mut form),
        openapi: form.get("openapi").map(|node| {
            let mut form = Form::new("openapi", node, form.problems);
            OpenApi { path: form.text("path"), version: form.text("version") }
        }),
    }
}

impl Spec {
    /// The kustomization that Flux makes up for a folder without one.
    pub(super) fn nothing(folder: &Node) -> Self {
        read(folder, &mut Vec::new())
    }
}

fn metadata(form: &mut Form<'_>) -> Metadata {
    let mut metadata = Metadata::default();
    for word in form.texts("buildMetadata") {
        match word.value.as_str() {
            "originAnnotations" => metadata.origins = true,
            "transformerAnnotations" => metadata.changes = true,
            "managedByLabel" => metadata.manager = Some(word.span),
            other => {
                let message = format!("`buildMetadata` knows no `{}`", other.chars().take(60).collect::<String>());
                let help = "Known here: originAnnotations, transformerAnnotations, managedByLabel.";
                note(form.problems, &word.span, message, help);
            }
        }
    }
    metadata
}

/// Whether it is a Component; apiVersion and kind must be the ones Kustomize accepts.
fn kind(form: &mut Form<'_>) -> bool {
    let (kind, version) = (form.text("kind"), form.text("apiVersion"));
    let component = kind.as_ref().is_some_and(|kind| kind.value == "Component");
    if let Some(kind) = kind.filter(|kind| !matches!(kind.value.as_str(), "Kustomization" | "Component")) {
        let message = format!("the kind of a kustomization is `Kustomization` or `Component`, not `{}`", kind.value);
        note(form.problems, &kind.span, message, "");
    }
    let wanted = if component { "kustomize.config.k8s.io/v1alpha1" } else { "kustomize.config.k8s.io/v1beta1" };
    if let Some(version) = version.filter(|version| version.value != wanted) {
        note(form.problems, &version.span, format!("the apiVersion here is `{wanted}`, not `{}`", version.value), "");
    }
    component
}

/// Reads each entry of a list with `read`.
pub(super) fn each<T>(form: &mut Form<'_>, name: &str, read: fn(&mut Form<'_>, &Node) -> T) -> Vec<T> {
    let mut all = Vec::new();
    for (i, node) in form.list(name).iter().enumerate() {
        all.push(read(&mut Form::new(format!("{name}[{i}]"), node, form.problems), node));
    }
    all
}

fn read_labels(form: &mut Form<'_>, _: &Node) -> Labels {
    form.only(&["pairs", "includeSelectors", "includeTemplates", "includeVolumeClaimTemplates", "fields"]);
    let selectors = form.flag("includeSelectors");
    let (templates, claims) = (form.flag("includeTemplates"), form.flag("includeVolumeClaimTemplates"));
    Labels { pairs: form.pairs("pairs"), selectors, templates, claims, fields: config::fields(form, "fields", true) }
}

pub(super) fn read_patch(form: &mut Form<'_>, node: &Node) -> Patch {
    form.only(&["path", "patch", "target", "options"]);
    let (path, inline) = (form.text("path"), form.text("patch"));
    if path.is_some() == inline.is_some() {
        let message = format!("`{}` needs either `path` or `patch`", form.what);
        note(form.problems, &node.span, message, "");
    }
    let target = form.get("target").map(|node| target("target", node, form.problems));
    let (mut rename, mut change_kind) = (false, false);
    if let Some(options) = form.get("options") {
        let mut form = Form::new("options", options, form.problems);
        form.only(&["allowNameChange", "allowKindChange"]);
        (rename, change_kind) = (form.flag("allowNameChange"), form.flag("allowKindChange"));
    }
    Patch { path, inline, target, rename, change_kind, span: node.span.clone() }
}

/// Reads which objects are meant.
pub(super) fn target(what: &str, node: &Node, problems: &mut Vec<Problem>) -> Target {
    let mut form = Form::new(what, node, problems);
    form.only(&["group", "version", "kind", "name", "namespace", "labelSelector", "annotationSelector"]);
    Target {
        group: form.text("group"),
        version: form.text("version"),
        kind: form.text("kind"),
        name: form.text("name"),
        namespace: form.text("namespace"),
        labels: form.text("labelSelector"),
        annotations: form.text("annotationSelector"),
    }
}

fn listed_generator(form: &mut Form<'_>, node: &Node) -> Generator {
    form.only(&["name", "namespace", "behavior", "type", "literals", "files", "envs", "env", "options"]);
    let mut entry = generator(form, node);
    if entry.name.is_none() {
        note(form.problems, &node.span, format!("`{}` needs a `name`", form.what), "");
    }
    entry.envs.extend(form.text("env"));
    entry
}

/// Reads what a generator makes.
pub(super) fn generator(form: &mut Form<'_>, node: &Node) -> Generator {
    let name = form.text("name");
    // A word that is none of `create`, `merge`, `replace` means `create`, as for the original.
    let behavior = form.text("behavior");
    let envs = form.texts("envs");
    let options = match form.get("options") {
        Some(node) => options(&mut Form::new("options", node, form.problems)),
        None => Options::default(),
    };
    let (namespace, kind) = (form.text("namespace"), form.text("type"));
    let (literals, files) = (form.texts("literals"), form.texts("files"));
    Generator { name, namespace, behavior, kind, literals, files, envs, options, span: node.span.clone() }
}

fn options(form: &mut Form<'_>) -> Options {
    form.only(&["labels", "annotations", "disableNameSuffixHash", "immutable"]);
    let immutable = form.flag("immutable").then(|| form.get("immutable").map(|node| node.span.clone())).flatten();
    Options {
        labels: form.pairs("labels"),
        annotations: form.pairs("annotations"),
        no_hash: form.flag("disableNameSuffixHash"),
        immutable,
    }
}

impl Options {
    /// Adds what `generatorOptions` says for all; an entry's own labels and annotations win.
    fn add_shared(&mut self, shared: &Options) {
        for (own, all) in [(&mut self.labels, &shared.labels), (&mut self.annotations, &shared.annotations)] {
            for (key, value) in all {
                if !own.iter().any(|(known, _)| known.value == key.value) {
                    own.push((key.clone(), value.clone()));
                }
            }
        }
        self.no_hash |= shared.no_hash;
        self.immutable = self.immutable.take().or_else(|| shared.immutable.clone());
    }
}

/// Reads which image is changed, and how.
pub(super) fn image(form: &mut Form<'_>, node: &Node) -> Option<Image> {
    form.only(&["name", "newName", "newTag", "tagSuffix", "digest"]);
    let name = form.text("name");
    if name.is_none() {
        note(
            form.problems,
            &node.span,
            format!("`{}` needs a `name`: the image as the manifests write it", form.what),
            "",
        );
    }
    Some(Image {
        name: name?,
        new_name: form.name("newName"),
        new_tag: form.name("newTag"),
        tag_suffix: form.name("tagSuffix"),
        digest: form.name("digest"),
        span: node.span.clone(),
    })
}

/// Reads how many there are to be of what.
pub(super) fn replicas(form: &mut Form<'_>, node: &Node) -> Option<Replicas> {
    form.only(&["name", "count"]);
    let name = form.text("name");
    let count = form.get("count").and_then(|node| Some((node.as_int()?, node.span.clone())));
    if name.is_none() || count.is_none() {
        note(form.problems, &node.span, format!("`{}` needs a `name` and a number as `count`", form.what), "");
    }
    Some(Replicas { name: name?, count: count? })
}

/// Kinds that others need, in the order Kustomize has always put them first.
pub(super) const FIRST: &[&str] = &[
    "Namespace",
    "ResourceQuota",
    "StorageClass",
    "CustomResourceDefinition",
    "ServiceAccount",
    "PodSecurityPolicy",
    "Role",
    "ClusterRole",
    "RoleBinding",
    "ClusterRoleBinding",
    "ConfigMap",
    "Secret",
    "Endpoints",
    "Service",
    "LimitRange",
    "PriorityClass",
    "PersistentVolume",
    "PersistentVolumeClaim",
    "Deployment",
    "StatefulSet",
    "CronJob",
    "PodDisruptionBudget",
];
/// Kinds that need others, put last.
pub(super) const LAST: &[&str] = &["MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"];

impl Sort {
    /// What happens when nothing is said: Flux and `kustomize build` sort by kind.
    pub(super) fn unsaid() -> Self {
        let words = |list: &[&str]| list.iter().map(|word| (*word).to_owned()).collect();
        Sort::Legacy { first: words(FIRST), last: words(LAST) }
    }
}

fn sort(form: &mut Form<'_>) -> Sort {
    let Some(node) = form.get("sortOptions") else { return Sort::unsaid() };
    let mut form = Form::new("sortOptions", node, form.problems);
    form.only(&["order", "legacySortOptions"]);
    let order = form.text("order");
    let lists = form.get("legacySortOptions");
    match (order.as_ref().map(|order| order.value.as_str()), lists) {
        (Some("fifo"), None) => Sort::Fifo,
        (Some("legacy"), None) => Sort::unsaid(),
        (Some("legacy"), Some(node)) => {
            let mut form = Form::new("legacySortOptions", node, form.problems);
            form.only(&["orderFirst", "orderLast"]);
            let words = |texts: Vec<Text>| texts.into_iter().map(|text| text.value).collect();
            Sort::Legacy { first: words(form.texts("orderFirst")), last: words(form.texts("orderLast")) }
        }
        _ => {
            let message = "`order` of `sortOptions` is `fifo`, or `legacy` with or without `legacySortOptions`";
            note(form.problems, &node.span, message.to_owned(), "");
            Sort::Fifo
        }
    }
}
