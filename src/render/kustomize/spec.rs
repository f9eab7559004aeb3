//! `kustomization.yaml`, read: every field with its place, what is not supported refused by name and line.

use super::form::{Form, Text, note};
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
    /// `labels`, then `commonLabels` as the last of them.
    pub(super) labels: Vec<Labels>,
    pub(super) annotations: Vec<(Text, Text)>,
    pub(super) strategic: Vec<Text>,
    pub(super) patches: Vec<Patch>,
    pub(super) json_patches: Vec<Patch>,
    pub(super) config_maps: Vec<Generator>,
    pub(super) secrets: Vec<Generator>,
    pub(super) images: Vec<Image>,
    pub(super) replicas: Vec<Replicas>,
    pub(super) sort: Sort,
}

/// Labels and how far they go.
#[derive(Debug)]
pub(super) struct Labels {
    pub(super) pairs: Vec<(Text, Text)>,
    pub(super) selectors: bool,
    pub(super) templates: bool,
    pub(super) claims: bool,
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
#[derive(Debug, Default)]
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
    (
        "generators",
        "Programs are never run. Use `configMapGenerator` or `secretGenerator`, or commit what it generates.",
    ),
    (
        "transformers",
        "Programs are never run, and built-in transformers in files are not read yet. Use the field of the same purpose, such as `labels` or `images`.",
    ),
    ("validators", "Programs are never run. Write the rule as a policy instead."),
    ("replacements", "Replacements are not rendered yet. A patch in the overlay does the same for one value."),
    ("vars", "Vars are not rendered yet, and Kustomize is giving them up. A patch does the same for one value."),
    ("crds", "Extra schemas are not read yet. Without this field, fields of custom kinds are replaced whole."),
    ("openapi", "Extra schemas are not read yet. Without this field, fields of custom kinds are replaced whole."),
    ("configurations", "Transformer configurations are not read yet. Patch the extra fields instead."),
    ("buildMetadata", "Build metadata is not written yet. Leave it out, or add the label with `labels`."),
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
    let (namespace, prefix, suffix) = (form.text("namespace"), form.text("namePrefix"), form.text("nameSuffix"));
    let annotations = form.pairs("commonAnnotations");
    let mut labels: Vec<Labels> = each(&mut form, "labels", read_labels);
    let common = form.pairs("commonLabels");
    labels.push(Labels { pairs: common, selectors: true, templates: true, claims: true });
    let shared = match form.get("generatorOptions") {
        Some(node) => options(&mut Form::new("generatorOptions", node, form.problems)),
        None => Options::default(),
    };
    let generators = |form: &mut Form<'_>, name| -> Vec<Generator> {
        let mut all: Vec<Generator> = each(form, name, read_generator);
        all.iter_mut().for_each(|generator| generator.options.add_shared(&shared));
        all
    };
    let (config_maps, secrets) =
        (generators(&mut form, "configMapGenerator"), generators(&mut form, "secretGenerator"));
    let mut images: Vec<Image> = each(&mut form, "images", read_image).into_iter().flatten().collect();
    images.extend(each(&mut form, "imageTags", read_image).into_iter().flatten());
    let patches = each(&mut form, "patches", read_patch);
    let json_patches = each(&mut form, "patchesJson6902", read_patch);
    let replicas = each(&mut form, "replicas", read_replicas).into_iter().flatten().collect();
    let sort = sort(&mut form);
    Spec {
        component,
        resources,
        components,
        namespace,
        prefix,
        suffix,
        labels,
        annotations,
        strategic,
        patches,
        json_patches,
        config_maps,
        secrets,
        images,
        replicas,
        sort,
    }
}

impl Spec {
    /// The kustomization that Flux makes up for a folder without one.
    pub(super) fn nothing(folder: &Node) -> Self {
        read(folder, &mut Vec::new())
    }
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
    if let Some(fields) = form.get("fields") {
        let help = "Labels go to the places Kustomize knows. Patch the other fields instead.";
        note(form.problems, &fields.span, "`fields` of `labels` is not supported".to_owned(), help);
    }
    let selectors = form.flag("includeSelectors");
    let (templates, claims) = (form.flag("includeTemplates"), form.flag("includeVolumeClaimTemplates"));
    Labels { pairs: form.pairs("pairs"), selectors, templates: templates || selectors, claims: claims || selectors }
}

pub(super) fn read_patch(form: &mut Form<'_>, node: &Node) -> Patch {
    form.only(&["path", "patch", "target", "options"]);
    let (path, inline) = (form.text("path"), form.text("patch"));
    if path.is_some() == inline.is_some() {
        let message = format!("`{}` needs either `path` or `patch`", form.what);
        note(form.problems, &node.span, message, "");
    }
    let target = form.get("target").map(|target| {
        let mut form = Form::new("target", target, form.problems);
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
    });
    let (mut rename, mut change_kind) = (false, false);
    if let Some(options) = form.get("options") {
        let mut form = Form::new("options", options, form.problems);
        form.only(&["allowNameChange", "allowKindChange"]);
        (rename, change_kind) = (form.flag("allowNameChange"), form.flag("allowKindChange"));
    }
    Patch { path, inline, target, rename, change_kind, span: node.span.clone() }
}

fn read_generator(form: &mut Form<'_>, node: &Node) -> Generator {
    form.only(&["name", "namespace", "behavior", "type", "literals", "files", "envs", "env", "options"]);
    let name = form.text("name");
    if name.is_none() {
        note(form.problems, &node.span, format!("`{}` needs a `name`", form.what), "");
    }
    // A word that is none of `create`, `merge`, `replace` means `create`, as for the original.
    let behavior = form.text("behavior");
    let mut envs = form.texts("envs");
    envs.extend(form.text("env"));
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

pub(super) fn read_image(form: &mut Form<'_>, node: &Node) -> Option<Image> {
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
        new_name: form.text("newName"),
        new_tag: form.text("newTag"),
        tag_suffix: form.text("tagSuffix"),
        digest: form.text("digest"),
        span: node.span.clone(),
    })
}

fn read_replicas(form: &mut Form<'_>, node: &Node) -> Option<Replicas> {
    form.only(&["name", "count"]);
    let name = form.text("name");
    let count = form.get("count").and_then(|node| Some((node.as_int()?, node.span.clone())));
    if name.is_none() || count.is_none() {
        note(form.problems, &node.span, format!("`{}` needs a `name` and a number as `count`", form.what), "");
    }
    Some(Replicas { name: name?, count: count? })
}

/// Kinds that others need, in the order Kustomize has always put them first.
const FIRST: &[&str] = &[
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
const LAST: &[&str] = &["MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"];

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
