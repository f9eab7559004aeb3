//! What was found wrong, and what a change does to the environments it touches.

use std::collections::BTreeMap;
use std::fmt;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::path::RepoPath;
use super::pipeline::Pipeline;
use super::suggestion::{Edit, Suggestion};

/// How much a finding matters in its environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// Worth fixing.
    Warning,
    /// Surely wrong.
    Error,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Severity::Info => "info",
            Severity::Warning => "warning",
            Severity::Error => "error",
        })
    }
}

/// A place in a file of the repository.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Location {
    /// The file.
    pub path: RepoPath,
    /// The line, from 1; 0 when the whole file or folder is meant.
    pub line: u32,
    /// The column, from 1, in characters; 0 when only the line is known.
    pub column: u32,
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.path)?;
        if self.line == 0 {
            return Ok(());
        }
        write!(f, ":{}", self.line)?;
        if self.column > 0 { write!(f, ":{}", self.column) } else { Ok(()) }
    }
}

/// An author's mistake in configuration or a command: data, shown at its place, all at once.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Problem {
    /// Where, when it has a place.
    pub location: Option<Location>,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
}

/// Which Kubernetes object: the identity that diffs and waivers go by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ObjectName {
    /// The API group without version; empty for the core group.
    pub group: String,
    /// The kind.
    pub kind: String,
    /// The namespace; empty when none is written.
    pub namespace: String,
    /// The name.
    pub name: String,
}

impl fmt::Display for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.kind)?;
        if !self.namespace.is_empty() {
            write!(f, "{}/", self.namespace)?;
        }
        f.write_str(&self.name)
    }
}

/// Whether the change brought a finding, met it, or removed it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Delta {
    /// The change introduces it.
    New,
    /// The base already has it.
    Existing,
    /// The base had it; the change removes it.
    Fixed,
}

/// Which findings fail the check of a change.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Blocks {
    /// Errors that the change introduces.
    #[default]
    NewErrors,
    /// Errors and warnings that the change introduces.
    NewWarnings,
    /// Every error, also one that was there before.
    AllErrors,
    /// None: findings are shown.
    Nothing,
}

impl Blocks {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// A rule broken at a file and line.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Finding {
    /// The rule's id, such as `IMG-001`, or the policy's package and rule, such as `main.deny`.
    pub rule: String,
    /// How much it matters here.
    pub severity: Severity,
    /// The object it is about, when it is about one.
    pub object: Option<ObjectName>,
    /// What is wrong, naming the thing.
    pub message: String,
    /// Why it matters; empty when the rule does not say.
    pub why: String,
    /// How to fix it; empty when the rule does not say.
    pub fix: String,
    /// The line a person must change.
    pub location: Option<Location>,
    /// Whether this change introduces it.
    pub delta: Delta,
    /// What blocks in its environment. It stands with the finding, so that whoever holds one knows what it means.
    #[serde(default, skip_serializing_if = "Blocks::is_default")]
    pub blocks: Blocks,
    /// The edit that would mend it, until it is written out.
    #[serde(skip)]
    pub edit: Option<Edit>,
    /// The lines that mend it, where that is certain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suggestion: Option<Suggestion>,
    /// Who accepted it and why, when somebody did: on this head by an override, or by a waiver and until when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted: Option<String>,
}

impl Finding {
    /// A new finding that belongs to no object and no line: what is known beyond that is filled in.
    pub fn new(rule: impl Into<String>, severity: Severity, message: impl Into<String>) -> Self {
        Self {
            rule: rule.into(),
            severity,
            object: None,
            message: message.into(),
            why: String::new(),
            fix: String::new(),
            location: None,
            delta: Delta::New,
            blocks: Blocks::default(),
            edit: None,
            suggestion: None,
            accepted: None,
        }
    }

    /// What makes two findings the same one across base and head: not the line, which moves, nor the severity.
    pub fn identity(&self) -> (&str, Option<&ObjectName>, &str) {
        (&self.rule, self.object.as_ref(), &self.message)
    }

    /// Whether this finding fails the check.
    pub fn blocks(&self) -> bool {
        self.accepted.is_none() && self.would_block()
    }

    /// Whether it fails the check unless somebody accepts it.
    pub fn would_block(&self) -> bool {
        match self.blocks {
            Blocks::NewErrors => self.delta == Delta::New && self.severity == Severity::Error,
            Blocks::NewWarnings => self.delta == Delta::New && self.severity >= Severity::Warning,
            Blocks::AllErrors => self.delta != Delta::Fixed && self.severity == Severity::Error,
            Blocks::Nothing => false,
        }
    }

    /// Whether it is a new error that nobody accepted, and blocks nothing all the same.
    pub fn is_let_through(&self) -> bool {
        self.delta == Delta::New
            && self.severity == Severity::Error
            && self.accepted.is_none()
            && self.blocks == Blocks::Nothing
    }
}

/// What happens to an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ChangeKind {
    /// It appears.
    Added,
    /// It stays, with other content.
    Changed,
    /// It stays as it is under another name.
    Renamed,
    /// It disappears.
    Removed,
}

/// What a change does to one rendered object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// The object.
    pub object: ObjectName,
    /// What happens to it.
    pub kind: ChangeKind,
    /// Who it was before, when it had another name or namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub was: Option<ObjectName>,
    /// Generated objects whose new names it follows; those names are left out of the diff.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub follows: Vec<String>,
    /// The difference as a unified YAML diff, secrets already masked.
    pub diff: String,
    /// Lines added and removed in the whole diff, also when its text was cut.
    pub lines: (u32, u32),
    /// The source file of the object, at head (or base when removed).
    pub location: Option<Location>,
}

/// An image that changes, summed up for the eye.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ImageChange {
    /// The image without tag and digest.
    pub name: String,
    /// Tag or digest before; empty when the image is new.
    pub from: String,
    /// Tag or digest after; empty when the image goes away.
    pub to: String,
}

/// A replica count, a request or a limit that changes, summed up for the eye.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct AmountChange {
    /// What is counted: `replicas`, `memory limit`.
    pub what: String,
    /// Of what: `web`, or `web/app` for a container.
    pub of: String,
    /// The amount before; empty when none was set.
    pub from: String,
    /// The amount after; empty when none is set any more.
    pub to: String,
}

/// What an environment asks its cluster for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cost {
    /// Requested processors, in thousandths.
    pub cpu: u64,
    /// Requested memory, in bytes.
    pub memory: u64,
    /// Claimed volumes, in bytes.
    pub volumes: u64,
}

/// What an environment asks for before and after a change; the same twice where nothing is compared.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CostChange {
    /// Before.
    pub from: Cost,
    /// After.
    pub to: Cost,
}

/// A change to the fields that carry an application's version.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct VersionChange {
    /// The application.
    pub app: String,
    /// The new tag (or digest) by image, for all of its images that have one.
    pub tags: BTreeMap<String, String>,
    /// The new digest by image, for those that are pinned to one.
    #[serde(default)]
    pub digests: BTreeMap<String, String>,
}

/// One environment, before and after a change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnvironmentEvaluation {
    /// Its name in the configuration.
    pub environment: String,
    /// Which Flux Kustomization applies it, where several do it in different ways; else empty.
    #[serde(default)]
    pub applier: String,
    /// Its folder.
    pub path: RepoPath,
    /// What changes, sorted by object.
    pub changes: Vec<Change>,
    /// Images that change.
    pub images: Vec<ImageChange>,
    /// Replica counts and resources that change.
    #[serde(default)]
    pub amounts: Vec<AmountChange>,
    /// What it asks its cluster for.
    #[serde(default)]
    pub cost: CostChange,
    /// Applications whose version changes.
    #[serde(default)]
    pub versions: Vec<VersionChange>,
    /// What is wrong, new ones first.
    pub findings: Vec<Finding>,
    /// Objects rendered at head.
    pub objects: u32,
    /// Whether head rendered at all; when not, a finding says why.
    pub rendered: bool,
    /// What tells two renderings apart: the same for the same objects, whatever commit or file they come from. Empty when head did not
    /// render. Not for showing, because secret values are in it.
    #[serde(default)]
    pub digest: String,
}

/// What a change does: the costly, pure result of `evaluate`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// The environments the change touches, in the configuration's order.
    pub environments: Vec<EnvironmentEvaluation>,
    /// Findings that belong to no environment: configuration, policies, limits.
    pub findings: Vec<Finding>,
    /// Whether the change touches Trunkline's own configuration or policies.
    #[serde(default)]
    pub touches_rules: bool,
    /// The last day, in UTC, of the first waiver to expire among those that keep errors from counting: from the next day on this may be
    /// judged otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waived_until: Option<Date>,
    /// The configuration the change brings, when it changes it to a valid one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proposed: Option<Pipeline>,
    /// What the change's own policies and configuration would find, when it alters them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preview: Option<Preview>,
}

/// What other policies or another configuration would make of every environment.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Preview {
    /// The environments with what would be found and is not (new), and what is found and would not be (fixed).
    pub evaluation: Box<Evaluation>,
    /// How many environments were looked at.
    pub looked_at: u32,
    /// How many were not, because there are too many.
    pub left_out: u32,
}

impl EnvironmentEvaluation {
    /// An environment in which nothing changes and nothing is found: what is known beyond that is filled in.
    pub fn of(environment: &str, path: RepoPath) -> Self {
        Self {
            environment: environment.to_owned(),
            applier: String::new(),
            path,
            changes: Vec::new(),
            images: Vec::new(),
            amounts: Vec::new(),
            cost: CostChange::default(),
            versions: Vec::new(),
            findings: Vec::new(),
            objects: 0,
            rendered: true,
            digest: String::new(),
        }
    }

    /// What people are shown as its name: the environment, and who applies it where that makes a difference.
    pub fn label(&self) -> String {
        if self.applier.is_empty() {
            self.environment.clone()
        } else {
            format!("{} ({})", self.environment, self.applier)
        }
    }
}

impl Evaluation {
    /// Every finding with the environment it belongs to, if any.
    pub fn all_findings(&self) -> impl Iterator<Item = (Option<&EnvironmentEvaluation>, &Finding)> {
        let own = self.findings.iter().map(|finding| (None, finding));
        own.chain(self.environments.iter().flat_map(|env| env.findings.iter().map(move |finding| (Some(env), finding))))
    }

    /// Whether a finding fails the check.
    pub fn blocks(&self) -> bool {
        self.all_findings().any(|(_, finding)| finding.blocks())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_blocks_is_what_people_said() {
        use Blocks::{AllErrors, NewErrors, NewWarnings, Nothing};
        let blocking = |blocks| {
            let mut all = String::new();
            for delta in [Delta::New, Delta::Existing, Delta::Fixed] {
                for severity in [Severity::Error, Severity::Warning, Severity::Info] {
                    let one = Finding { delta, blocks, ..Finding::new("R", severity, "") };
                    let accepted = Finding { accepted: Some("by sue".into()), ..one.clone() };
                    assert!(!accepted.blocks() && accepted.would_block() == one.blocks());
                    all.push_str(if one.blocks() { "x" } else { "." });
                }
                all.push(' ');
            }
            all
        };
        assert_eq!(blocking(NewErrors), "x.. ... ... ");
        assert_eq!(blocking(NewWarnings), "xx. ... ... ");
        assert_eq!(blocking(AllErrors), "x.. x.. ... ");
        assert_eq!(blocking(Nothing), "... ... ... ");
    }
}
