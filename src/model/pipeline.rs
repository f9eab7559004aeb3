//! The validated configuration: which applications travel through which environments, and on what conditions.
//!
//! `config` turns `.github/trunkline.yaml` into this; nothing else builds one outside tests.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::finding::{Blocks, Severity};
use super::id::{Oid, RepoName};
use super::image::RegistryHost;
use super::path::RepoPath;
use super::version::Version;

/// Whether Trunkline acts or only says what it would do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Mode {
    /// Checks can fail, promotions are written.
    Enforce,
    /// Neutral checks and plans; no promotion is written.
    Observe,
}

/// A repository's whole configuration, valid by construction.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Pipeline {
    /// Act, or only say.
    pub mode: Mode,
    /// The applications, in the order written.
    pub apps: Vec<App>,
    /// The environments, in the order written.
    pub environments: Vec<Environment>,
    /// Which policies apply.
    pub policies: Policies,
    /// The registries in which images are looked up.
    pub registries: Vec<RegistryHost>,
}

/// One application: where its versions come from and which images carry them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct App {
    /// Its name in the configuration.
    pub name: String,
    /// The repository with trunk and tags; `None`: this repository.
    pub source: Option<RepoName>,
    /// The tag pattern: a fixed part, then `*` for the version.
    pub tags: TagPattern,
    /// The images that carry the version.
    pub images: Vec<Image>,
    /// The Helm charts that carry it, by the name a HelmRelease uses; their `tag` is a chart version.
    pub charts: Vec<Image>,
    /// Fields that carry it and that no look at the files would find.
    pub writes: Vec<Write>,
    /// Branches besides trunk from which tags may come, such as `release/*`.
    pub release_branches: Vec<String>,
    /// Where in its source it lives; trunk commits that change nothing there start nothing. Empty: everywhere.
    pub paths: Vec<RepoPath>,
}

/// `shop/v*`: what stands before the star is fixed, what follows is the version; a `v` directly before the star belongs to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TagPattern(pub String);

impl TagPattern {
    /// The tag whose version is written like this: the pattern's fixed part before it.
    pub fn tag(&self, version: &str) -> String {
        let fixed = self.0.strip_suffix('*').unwrap_or_default();
        let rest = fixed.strip_suffix('v').filter(|rest| rest.is_empty() || rest.ends_with(['/', '-', '_']));
        format!("{}{version}", rest.unwrap_or(fixed))
    }

    /// The version a tag names under this pattern.
    pub fn version(&self, tag: &str) -> Option<Version> {
        let fixed = self.0.strip_suffix('*')?;
        let fixed = match fixed.strip_suffix('v') {
            Some(rest) if rest.is_empty() || rest.ends_with(['/', '-', '_']) => {
                tag.strip_prefix(rest)?.strip_prefix('v')?;
                rest
            }
            _ => fixed,
        };
        Version::parse(tag.strip_prefix(fixed)?)
    }
}

/// One image of an application.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Image {
    /// Its name without tag, as Kustomize `images[].name` or the pod spec writes it.
    pub name: String,
    /// How a version becomes an image tag.
    pub tag: TagTemplate,
}

/// The default `{tag}`, with `{short-sha}` on trunk; or a template such as `{version}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum TagTemplate {
    /// `{tag}` for tags, `{short-sha}` for trunk.
    Default,
    /// Text with `{tag}`, `{version}`, `{semver}`, `{short-sha}` and `{sha}`.
    Custom(String),
}

/// A field of an environment's file that carries the version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Write {
    /// The file, within the environment's folder.
    pub file: RepoPath,
    /// The kind of the document it stands in; `None`: any.
    pub kind: Option<String>,
    /// That document's `metadata.name`; `None`: any.
    pub name: Option<String>,
    /// The way to it, such as `spec.values.image.tag`.
    pub field: String,
    /// The image whose tag it holds; `None`: `value` says what it holds.
    pub image: Option<String>,
    /// What it holds when it belongs to no image.
    pub value: TagTemplate,
}

impl Write {
    /// What it carries, by name: its image, or itself.
    pub fn key(&self) -> String {
        self.image.clone().unwrap_or_else(|| format!("{} {}", self.file, self.field))
    }
}

/// What stands before a chart's name where images, charts and fields are told apart by one text.
pub const CHART: &str = "chart ";
/// The same for the tag of a source repository that Flux fetches.
pub const TAG_OF: &str = "tag of ";
/// The same for the commit of a source repository that Flux fetches.
pub const COMMIT_OF: &str = "commit of ";

impl App {
    /// An application that says nothing but its images, each with the default tag.
    pub fn of_images(name: &str, images: &[&str]) -> Self {
        let image = |name: &&str| Image { name: (*name).to_owned(), tag: TagTemplate::Default };
        App {
            name: name.to_owned(),
            source: None,
            tags: TagPattern("v*".to_owned()),
            images: images.iter().map(image).collect(),
            charts: Vec::new(),
            writes: Vec::new(),
            release_branches: Vec::new(),
            paths: Vec::new(),
        }
    }

    /// What each carrier of the version holds for one: image tags, chart versions, configured fields, the source's tag and commit.
    /// `version` is what the git tag names; `None` on trunk, where there is no tag to fetch.
    pub fn values(&self, version: Option<&str>, commit: &Oid) -> Vec<(String, String)> {
        let images = self.images.iter().map(|image| image.name.clone());
        let charts = self.charts.iter().map(|chart| format!("{CHART}{}", chart.name));
        let writes = self.writes.iter().filter(|write| write.image.is_none()).map(Write::key);
        let source = self.source.iter().flat_map(|name| [TAG_OF, COMMIT_OF].map(|what| format!("{what}{name}")));
        let keys = images.chain(charts).chain(writes).chain(source);
        keys.filter_map(|key| self.value(&key, version, commit).map(|value| (key, value))).collect()
    }

    /// What one carrier, named as [`App::values`] does, holds for a version.
    pub fn value(&self, key: &str, version: Option<&str>, commit: &Oid) -> Option<String> {
        if let Some(image) = self.images.iter().find(|image| image.name == key) {
            return Some(image.tag_for(version, commit));
        }
        let is_source = |name: &str| self.source.as_ref().is_some_and(|source| source.to_string() == name);
        if let Some(chart) = key.strip_prefix(CHART).and_then(|key| self.charts.iter().find(|chart| chart.name == key))
        {
            return Some(chart.tag_for(version, commit));
        }
        if key.strip_prefix(TAG_OF).is_some_and(is_source) {
            return version.map(|version| self.tags.tag(version));
        }
        if key.strip_prefix(COMMIT_OF).is_some_and(is_source) {
            return Some(commit.to_string());
        }
        let write = self.writes.iter().find(|write| write.image.is_none() && write.key() == key)?;
        Some(write.value.fill(version, commit))
    }
}

impl Image {
    /// The image tag that carries a version: `version` is what the git tag names, `v` included; `None` on trunk.
    pub fn tag_for(&self, version: Option<&str>, commit: &Oid) -> String {
        self.tag.fill(version, commit)
    }
}

impl TagTemplate {
    /// The text for a version: `version` is what the git tag names, `v` included; `None` on trunk.
    pub fn fill(&self, version: Option<&str>, commit: &Oid) -> String {
        let short = commit.short();
        let tag = version.unwrap_or(&short);
        match self {
            TagTemplate::Default => tag.to_owned(),
            TagTemplate::Custom(template) => template
                .replace("{tag}", tag)
                .replace("{version}", tag.strip_prefix(['v', 'V']).filter(|_| version.is_some()).unwrap_or(tag))
                .replace("{semver}", &semver(version, &short))
                .replace("{short-sha}", &short)
                .replace("{sha}", &commit.to_string()),
        }
    }
}

/// Three numbers, which charts insist on: `v1.0-rc.1` is `1.0.0-rc.1`, and what has no tag sorts before everything.
fn semver(version: Option<&str>, short: &str) -> String {
    match version {
        Some(text) => Version::parse(text).map_or_else(|| text.to_owned(), |version| version.semver()),
        None => format!("0.0.0-{short}"),
    }
}

/// What an environment takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Takes {
    /// Every commit on the source's default branch.
    Trunk,
    /// Tags with a pre-release part.
    Prereleases,
    /// Tags without one.
    Releases,
}

/// How a promotion enters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Via {
    /// Through a pull request.
    PullRequest,
    /// Straight to the branch.
    Commit,
}

/// Who presses merge once every gate is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Merge {
    /// Trunkline.
    Auto,
    /// A person.
    Manual,
}

/// What a newer version does to an open promotion.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum OnNewer {
    /// It takes its place.
    Supersede,
    /// It waits until that one is merged or closed.
    Queue,
}

/// The oldest Kubernetes minor whose schemas are at hand.
pub const OLDEST_KUBERNETES: u32 = 30;
/// The newest, and what holds where an environment names none.
pub const NEWEST_KUBERNETES: u32 = 37;

/// One environment and the gates in front of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Environment {
    /// Its name.
    pub name: String,
    /// Its folder; may hold `{app}`.
    pub path: String,
    /// Which versions it takes.
    pub takes: Takes,
    /// How they enter.
    pub via: Via,
    /// Who merges.
    pub merge: Merge,
    /// What a newer version does to an open promotion.
    pub on_newer: OnNewer,
    /// Environments a version must have passed first.
    pub after: Vec<String>,
    /// Ship what was tested.
    pub ships: Option<Ships>,
    /// How long it must have been upstream.
    pub soak: Option<SignedDuration>,
    /// Who must approve.
    pub approvals: Option<Approvals>,
    /// When it may enter.
    pub windows: Option<Windows>,
    /// What upstream health means.
    pub health: Option<Health>,
    /// Named checks that must be green.
    pub checks: Vec<NamedCheck>,
    /// Who may do what here.
    pub rights: Rights,
    /// Where people see it; may hold `{app}`.
    pub url: Option<String>,
    /// The minor of its Kubernetes: 33 is 1.33; `None`: the newest.
    #[serde(default)]
    pub kubernetes: Option<u32>,
    /// The minor of its Flux 2: 8 is 2.8.
    #[serde(default)]
    pub flux: Option<u32>,
}

impl Environment {
    /// The folder of `app` in this environment; `None` when the configured text is not a path, which `config` rules out.
    pub fn folder(&self, app: &str) -> Option<RepoPath> {
        self.path.replace("{app}", app).parse().ok()
    }

    /// Where people see `app` in this environment.
    pub fn url_of(&self, app: &str) -> Option<String> {
        self.url.as_ref().map(|url| url.replace("{app}", app))
    }

    /// Every folder this environment has for the pipeline's applications, without repeats.
    pub fn folders<'a>(&'a self, apps: &'a [App]) -> Vec<RepoPath> {
        let mut known = std::collections::HashSet::new();
        let mut folders: Vec<RepoPath> = apps.iter().filter_map(|app| self.folder(&app.name)).collect();
        folders.retain(|folder| known.insert(folder.clone()));
        if apps.is_empty() {
            folders.extend(self.path.parse::<RepoPath>().ok());
        }
        folders
    }
}

/// The version that enters is the one that was tested upstream.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ships {
    /// The upstream environment.
    pub tested_in: String,
    /// Whether the very image or a rebuild of the same commit counts.
    pub matches: ShipsMatch,
}

/// What counts as the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ShipsMatch {
    /// The very image.
    Digest,
    /// A rebuild of the same commit.
    Commit,
}

/// Approvals a promotion needs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Approvals {
    /// Teams as `org/slug`; empty: anybody who may write.
    pub teams: Vec<String>,
    /// How many.
    pub min: u32,
    /// Whether tagger, authors and whoever asked are excluded.
    pub four_eyes: bool,
}

/// When promotions may enter.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Windows {
    /// IANA time zone.
    pub timezone: String,
    /// Openings; empty: always.
    pub allow: Vec<Window>,
    /// Closures, which beat openings.
    pub exclude: Vec<Exclusion>,
}

/// An opening: a cron expression and how long it stays open.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Window {
    /// Five-field cron.
    pub cron: String,
    /// How long.
    pub length: SignedDuration,
}

/// A closure by date.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Exclusion {
    /// First day.
    pub from: Date,
    /// Last day, included.
    pub to: Date,
    /// Why.
    pub reason: String,
}

/// How upstream health counts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Health {
    /// How long an environment may take.
    pub timeout: SignedDuration,
    /// What unknown means.
    pub unknown: Unknown,
}

/// What unknown health does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Unknown {
    /// Wait for it.
    Wait,
    /// Stop.
    Block,
    /// Go on.
    Ignore,
}

/// A check that must be green.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamedCheck {
    /// Its name.
    pub name: String,
    /// On the source commit, or on the promotion's head.
    pub of: CheckOf,
    /// The App that must have posted it.
    pub app: Option<String>,
}

/// Where a named check is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum CheckOf {
    /// The source commit.
    Source,
    /// The promotion's head.
    Promotion,
}

/// Teams per right; an empty list leaves the right to the default floor.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rights {
    /// `/promote`.
    pub promote: Vec<String>,
    /// `/rollback`.
    pub rollback: Vec<String>,
    /// `/freeze`.
    pub freeze: Vec<String>,
    /// `--force`, `/skip-soak` and `/override`.
    pub bypass: Vec<String>,
}

/// Which policies apply.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policies {
    /// Shipped packs: `minimal`, `recommended`, `strict`, `optional`.
    pub packs: Vec<String>,
    /// Folders with the repository's own policies.
    pub paths: Vec<RepoPath>,
    /// Where people want other severities than the packs give, in the order written.
    #[serde(default)]
    pub severities: Vec<RuleSeverity>,
    /// Which findings fail a check, where nothing else is said.
    #[serde(default)]
    pub blocks: Blocks,
    /// Which findings fail a check in single environments, by name.
    #[serde(default)]
    pub blocks_in: BTreeMap<String, Blocks>,
    /// Whether suggested changes are left out.
    #[serde(default)]
    pub no_suggestions: bool,
    /// Where images may come from: registries, or parts of them. None: from everywhere.
    #[serde(default)]
    pub images_from: Vec<String>,
}

impl Policies {
    /// Which findings fail a check in the environment of this name.
    pub fn blocks_in(&self, environment: &str) -> Blocks {
        self.blocks_in.get(environment).copied().unwrap_or(self.blocks)
    }
}

/// How much one rule matters to these people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleSeverity {
    /// The rule's id.
    pub rule: String,
    /// The environment it is said of; `None`: all of them.
    pub environment: Option<String>,
    /// The severity; `None`: the rule is off.
    pub severity: Option<Severity>,
}

impl Pipeline {
    /// No environments and no applications: what is followed where no valid configuration is.
    pub fn nothing() -> Self {
        let policies = Policies::default();
        Self { mode: Mode::Observe, apps: Vec::new(), environments: Vec::new(), policies, registries: Vec::new() }
    }

    /// The application of this name.
    pub fn app(&self, name: &str) -> Option<&App> {
        self.apps.iter().find(|app| app.name == name)
    }

    /// The environment of this name.
    pub fn environment(&self, name: &str) -> Option<&Environment> {
        self.environments.iter().find(|env| env.name == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn image_tags_follow_their_template() {
        let commit: Oid = "0123456789abcdef0123456789abcdef01234567".parse().unwrap();
        let tag = |template: TagTemplate, version| Image { name: "x".into(), tag: template }.tag_for(version, &commit);
        assert_eq!(tag(TagTemplate::Default, Some("v1.0")), "v1.0");
        assert_eq!(tag(TagTemplate::Default, None), "0123456");
        assert_eq!(tag(TagTemplate::Custom("{version}-{short-sha}".into()), Some("v1.0-rc.1")), "1.0-rc.1-0123456");
        assert_eq!(tag(TagTemplate::Custom("{semver}".into()), Some("v1.0-rc.1")), "1.0.0-rc.1");
        assert_eq!(tag(TagTemplate::Custom("{semver}".into()), None), "0.0.0-0123456");
    }

    #[test]
    fn tag_patterns_cut_the_fixed_part() {
        let version = |pattern: &str, tag: &str| TagPattern(pattern.into()).version(tag).map(|v| v.to_string());
        assert_eq!(version("v*", "v1.0").as_deref(), Some("v1.0"));
        assert_eq!(version("v*", "1.0"), None);
        assert_eq!(version("*", "v1.0").as_deref(), Some("v1.0"));
        assert_eq!(version("shop/v*", "shop/v1.0-rc.1").as_deref(), Some("v1.0-rc.1"));
        assert_eq!(version("shop/v*", "other/v1.0"), None);
        assert_eq!(version("release-*", "release-2.1").as_deref(), Some("2.1"));
        for (pattern, tag) in
            [("v*", "v1.0"), ("*", "v1.0"), ("shop/v*", "shop/v1.0-rc.1"), ("release-*", "release-2.1")]
        {
            assert_eq!(TagPattern(pattern.into()).tag(&version(pattern, tag).unwrap()), tag, "{pattern}");
        }
    }
}
