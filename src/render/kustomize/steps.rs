//! Changing what was gathered, in the original's order: patches, namespace, names, labels, annotations, JSON patches,
//! replicas, images, replacements, then the transformers and validators that are configured in files.

use super::config::Config;
use super::form::Text;
use super::origin::{self, By};
use super::resource::{Resource, long};
use super::spec::Spec;
use super::transform::{self, End, Failure, Namespace};
use super::{Build, FILE_NAMES, Gathered, Place, patch, replacement};
use crate::model::finding::Location;
use crate::render::source::Source;

/// One step: what it is called in annotations, and what it does. False when something went wrong, which is noted.
type Step = (&'static str, fn(&mut Source<'_>, &Place<'_>, &Spec, &Config, &mut Vec<Resource>) -> Result<(), Failure>);

/// The steps in their order; each runs as often as [`times`] says.
const STEPS: &[Step] = &[
    ("PatchStrategicMergeTransformer", |source, place, spec, _, all| {
        patch::strategic(source, place, &spec.strategic, all);
        Ok(())
    }),
    ("PatchTransformer", |source, place, spec, _, all| {
        spec.patches.iter().for_each(|entry| patch::targeted(source, place, entry, false, all));
        Ok(())
    }),
    ("NamespaceTransformer", |_, _, spec, config, all| match &spec.namespace {
        Some(name) => transform::namespace(all, &Namespace::new(name), &config.namespace),
        None => Ok(()),
    }),
    ("PrefixTransformer", |_, _, spec, config, all| match &spec.prefix {
        Some(prefix) => transform::rename(all, prefix, End::Prefix, &config.prefix),
        None => Ok(()),
    }),
    ("SuffixTransformer", |_, _, spec, config, all| match &spec.suffix {
        Some(suffix) => transform::rename(all, suffix, End::Suffix, &config.suffix),
        None => Ok(()),
    }),
    ("LabelTransformer", |_, _, spec, config, all| labels(spec, config, all)),
    ("AnnotationsTransformer", |_, _, spec, config, all| match spec.annotations.as_slice() {
        [] => Ok(()),
        pairs => transform::annotations(all, pairs, &config.annotations),
    }),
    ("PatchJson6902Transformer", |source, place, spec, _, all| {
        spec.json_patches.iter().for_each(|entry| patch::targeted(source, place, entry, true, all));
        Ok(())
    }),
    ("ReplicaCountTransformer", |_, _, spec, config, all| {
        spec.replicas.iter().try_for_each(|entry| transform::replicas(all, entry, &config.replicas))
    }),
    ("ImageTagTransformer", |_, _, spec, config, all| {
        spec.images.iter().try_for_each(|entry| transform::images(all, entry, &config.images))
    }),
    ("ReplacementTransformer", |source, place, spec, _, all| {
        match replacement::with_files(source, place.folder, &spec.replacements) {
            Some(entries) => replacement::apply(source, all, &entries),
            None => Ok(()),
        }
    }),
];

/// How often the original counts a step as done: once an entry, or once a field.
fn times(spec: &Spec, step: &str) -> usize {
    match step {
        "PatchStrategicMergeTransformer" => usize::from(!spec.strategic.is_empty()),
        "PatchTransformer" => spec.patches.len(),
        "NamespaceTransformer" => usize::from(spec.namespace.is_some()),
        "PrefixTransformer" => usize::from(spec.prefix.is_some()),
        "SuffixTransformer" => usize::from(spec.suffix.is_some()),
        // The common labels count as soon as there are any labels.
        "LabelTransformer" if spec.labels.is_empty() && spec.common_labels.is_empty() => 0,
        "LabelTransformer" => spec.labels.len() + 1,
        "AnnotationsTransformer" => usize::from(!spec.annotations.is_empty()),
        "PatchJson6902Transformer" => spec.json_patches.len(),
        "ReplicaCountTransformer" => spec.replicas.len(),
        "ImageTagTransformer" => spec.images.len(),
        "ReplacementTransformer" => usize::from(!spec.replacements.is_empty()),
        _ => 0,
    }
}

fn labels(spec: &Spec, config: &Config, all: &mut [Resource]) -> Result<(), Failure> {
    for entry in spec.labels.iter().filter(|entry| !entry.pairs.is_empty()) {
        let fields = transform::label_fields(entry, config);
        let fields = fields.map_err(|why| Box::new((entry.pairs[0].0.span.clone(), why)))?;
        transform::labels(all, &entry.pairs, &fields)?;
    }
    match spec.common_labels.as_slice() {
        [] => Ok(()),
        pairs => transform::labels(all, pairs, &config.common_labels),
    }
}

impl Build<'_, '_> {
    /// Applies what the kustomization says to what it gathered; false when something is wrong, which is noted.
    pub(super) fn transform(&mut self, place: &Place<'_>, spec: &Spec, gathered: &mut Gathered) -> bool {
        let before = self.source.problems.len();
        if !self.affordable(place, spec, gathered) || !self.known.describes(self.source, &gathered.all) {
            return false;
        }
        let place = &Place { schema: self.known.schema(), ..*place };
        self.known.merged |= !(spec.strategic.is_empty() && spec.patches.is_empty() && spec.transformers.is_empty());
        for (name, run) in STEPS {
            let count = times(spec, name);
            if count == 0 {
                continue;
            }
            if let Err(failure) = run(self.source, place, spec, &gathered.config, &mut gathered.all) {
                self.source.wrong(&failure.0, failure.1, "");
            }
            if self.source.problems.len() > before {
                return false;
            }
            if let Some(file) = self.here(place) {
                let by = By::built_in(file, name);
                (0..count).for_each(|_| origin::mark_changed(&mut gathered.all, &by));
            }
        }
        self.run_transformers(place, &spec.transformers, &mut gathered.all)
            && self.run_validators(place, &spec.validators, &mut gathered.all)
    }

    /// Counts the work before it is done.
    fn affordable(&mut self, place: &Place<'_>, spec: &Spec, gathered: &Gathered) -> bool {
        let cost = |pairs: &[(Text, Text)]| {
            // A text goes to the object, what it selects and its templates.
            let texts = pairs.iter().map(|(name, value)| 4 * (long(&name.value) + long(&value.value)));
            pairs.len() + texts.sum::<usize>()
        };
        let pairs = spec.labels.iter().map(|labels| cost(&labels.pairs) * (1 + labels.fields.len())).sum::<usize>()
            + cost(&spec.common_labels)
            + cost(&spec.annotations);
        let entries = spec.images.len() + spec.replicas.len() + spec.patches.len() + spec.json_patches.len();
        let here = Location { path: place.folder.child(FILE_NAMES[0]), line: 1, column: 0 };
        // Places beyond the built-in ones cost each object something with each entry.
        let each =
            (pairs + entries).saturating_add(gathered.config.extra().saturating_mul(1 + pairs + spec.images.len()));
        self.source.afford(each.saturating_mul(gathered.all.len()), &here)
    }
}
