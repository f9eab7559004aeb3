//! Which keys the file may hold, and what each holds: read by the walker and by the JSON Schema.

use crate::model::pack::RULE_IDS;

/// What a value may be.
#[derive(Debug)]
pub(super) enum Kind {
    /// The number 1, the only version of the format.
    One,
    /// `true` or `false`.
    Truth,
    /// A whole number within bounds.
    Number { min: i64, max: i64 },
    /// Text of a format.
    Text(&'static Format),
    /// One of a few words.
    Word(&'static [Word]),
    /// A list of values of one kind.
    List { of: &'static Kind, max: usize },
    /// A mapping with known keys.
    Record(&'static [Key]),
    /// A mapping whose keys are names people choose.
    Named { of: &'static [Key], min: usize, max: usize },
    /// The short form as text, or the long one as a mapping.
    TextOrRecord(&'static Format, &'static [Key]),
    /// A mapping whose keys are among those listed.
    Listed { what: &'static str, keys: &'static [&'static str], of: &'static Kind },
    /// A mapping whose keys are the names of environments.
    PerEnvironment(&'static Kind),
    /// A plain value, or else a mapping.
    Either(&'static Kind, &'static Kind),
}

/// A key of a mapping.
#[derive(Debug)]
pub(super) struct Key {
    /// The key as written.
    pub(super) name: &'static str,
    /// Whether it must be there.
    pub(super) required: bool,
    /// What it holds.
    pub(super) kind: Kind,
    /// What it is for, in one sentence; editors show it.
    pub(super) about: &'static str,
}

/// A word to choose, and what choosing it means.
#[derive(Debug)]
pub(super) struct Word {
    /// The word as written.
    pub(super) word: &'static str,
    /// What it means.
    pub(super) about: &'static str,
}

/// What text must look like.
#[derive(Debug)]
pub(super) struct Format {
    /// What it is, after "should be".
    pub(super) what: &'static str,
    /// A pattern that both Rust's regex and ECMA 262 read alike.
    pub(super) pattern: &'static str,
    /// Most characters.
    pub(super) max: usize,
    /// One that is right.
    pub(super) example: &'static str,
}

/// Names become branch names (`trunkline/<env>/<app>/<version>-<sha7>`, at most 250 bytes) and command words.
pub(super) const NAME: Format = Format {
    what: "a name of lower-case letters, digits and dashes, at most 40",
    pattern: "^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$",
    max: 40,
    example: "stage",
};
const REPOSITORY: Format = Format {
    what: "a repository as owner/name",
    pattern: "^[A-Za-z0-9_.-]{1,100}/[A-Za-z0-9_.-]{1,100}$",
    max: 201,
    example: "acme/shop",
};
const TAGS: Format = Format {
    what: "a tag pattern with one `*`, at its end",
    pattern: r"^[^*?\[\]{}~^:\\\s]*\*$",
    max: 100,
    example: "v*",
};
pub(super) const IMAGE: Format = Format {
    what: "an image name without tag or digest",
    pattern: "^[a-z0-9]+([._-]+[a-z0-9]+)*((:[0-9]{1,5})?(/[a-z0-9]+([._-]+[a-z0-9]+)*)+)?$",
    max: 255,
    example: "ghcr.io/acme/shop",
};
const REGISTRY: Format = Format {
    what: "a registry as host or host:port",
    pattern: "^[a-z0-9]([a-z0-9-]*[a-z0-9])?([.][a-z0-9]([a-z0-9-]*[a-z0-9])?)*(:[1-9][0-9]{0,4})?$",
    max: 255,
    example: "ghcr.io",
};
const TAG_TEMPLATE: Format = Format {
    what: "an image tag with `{tag}`, `{version}`, `{semver}`, `{short-sha}` or `{sha}` in it",
    pattern: r"^[A-Za-z0-9_.-]*\{(tag|version|semver|short-sha|sha)\}([A-Za-z0-9_.-]|\{(tag|version|semver|short-sha|sha)\})*$",
    max: 128,
    example: "{version}",
};
pub(super) const CHART: Format = Format {
    what: "a chart's name, as `spec.chart.spec.chart` of a HelmRelease has it",
    pattern: "^[A-Za-z0-9][A-Za-z0-9._/-]*$",
    max: 250,
    example: "shop",
};
const FILE_INSIDE: Format = Format {
    what: "a file inside the environment's folder, relative to it",
    pattern: r"^[^/\\:%{}\u0000-\u001f][^\\:%{}\u0000-\u001f]*$",
    max: 1000,
    example: "release.yaml",
};
const FIELD: Format = Format {
    what: "the way to a field: keys with dots between, `[name=web]` for an item of a list",
    pattern: r#"^([A-Za-z0-9_/$-]+|\["[^"\]]+"\])(\.[A-Za-z0-9_/$-]+|\[[A-Za-z0-9_.-]+=[^"\]=]+\]|\[[0-9]{1,4}\]|\["[^"\]]+"\])*$"#,
    max: 500,
    example: "spec.values.image.tag",
};
const FIELD_VALUE: Format = Format {
    what: "text with `{tag}`, `{version}`, `{semver}`, `{short-sha}` or `{sha}` in it",
    pattern: r"^[A-Za-z0-9_.:/@+-]*\{(tag|version|semver|short-sha|sha)\}([A-Za-z0-9_.:/@+-]|\{(tag|version|semver|short-sha|sha)\})*$",
    max: 500,
    example: "{version}",
};
const KIND: Format =
    Format { what: "the kind of an object", pattern: "^[A-Z][A-Za-z0-9]*$", max: 63, example: "HelmRelease" };
const OBJECT: Format =
    Format { what: "the name of an object", pattern: "^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$", max: 253, example: "shop" };
const BRANCH: Format = Format {
    what: "a branch name, with at most one `*` at its end",
    pattern: r"^[^*?\[\]{}~^:\\\s-][^*?\[\]{}~^:\\\s]*\*?$",
    max: 200,
    example: "release/*",
};
pub(super) const FOLDER: Format = Format {
    what: "a folder inside this repository, relative to its root",
    pattern: r"^[^/\\:%{}\u0000-\u001f]([^\\:%{}\u0000-\u001f]|\{app\})*$|^\{app\}([^\\:%{}\u0000-\u001f]|\{app\})*$",
    max: 1000,
    example: "environments/dev",
};
const PLAIN_FOLDER: Format = Format {
    what: "a folder inside this repository, relative to its root",
    pattern: r"^[^/\\:%{}\u0000-\u001f][^\\:%{}\u0000-\u001f]*$",
    max: 1000,
    example: "policies",
};
const PLACE: Format = Format {
    what: "a folder or file of the source, relative to its root",
    pattern: r"^[^/\\:%{}\u0000-\u001f][^\\:%{}\u0000-\u001f]*$",
    max: 1000,
    example: "services/shop",
};
const TEAM: Format = Format {
    what: "a team as org/slug",
    pattern: "^[A-Za-z0-9]([A-Za-z0-9-]{0,38})/[a-z0-9_-]{1,100}$",
    max: 141,
    example: "acme/sre",
};
/// Bounded by digits here, by a year in `read.rs`.
pub(super) const DURATION: Format = Format {
    what: "a duration in days, hours and minutes",
    pattern: "^([0-9]{1,3}d)?([0-9]{1,4}h)?([0-9]{1,5}m)?$",
    max: 15,
    example: "24h",
};
const TIME_ZONE: Format = Format {
    what: "a time zone of the IANA database",
    pattern: "^[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+){0,2}$",
    max: 60,
    example: "Europe/Berlin",
};
const CRON: Format = Format {
    what: "a cron expression of five fields: minute, hour, day of month, month, day of week",
    pattern: r"^[^\s]+( +[^\s]+){4}$",
    max: 100,
    example: "0 9 * * 1-4",
};
const DATE: Format = Format { what: "a date", pattern: "^[0-9]{4}-[0-9]{2}-[0-9]{2}$", max: 10, example: "2026-12-20" };
const SENTENCE: Format =
    Format { what: "one line of text", pattern: r"^[^\u0000-\u001f]+$", max: 200, example: "holidays" };
const CHECK: Format =
    Format { what: "the name of a check run or status", pattern: r"^[^\u0000-\u001f]+$", max: 255, example: "e2e" };
const APP_SLUG: Format = Format {
    what: "the slug of a GitHub App",
    pattern: "^[a-z0-9]([a-z0-9-]{0,98}[a-z0-9])?$",
    max: 100,
    example: "github-actions",
};

const WEB: Format = Format {
    what: "an address that starts with http:// or https://",
    pattern: r#"^https?://([^\s{}<>"@\\]|\{app\})+$"#,
    max: 500,
    example: "https://shop.example.com",
};

const IMAGE_SOURCE: Format = Format {
    what: "a registry, or a part of one such as host/owner",
    pattern: "^[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:[1-9][0-9]{0,4})?(/[a-z0-9]+([._-]+[a-z0-9]+)*)*$",
    max: 255,
    example: "ghcr.io/acme",
};
const FLUX: Format =
    Format { what: "a minor version of Flux 2 in quotes", pattern: r"^2\.[0-9]{1,2}$", max: 4, example: "2.8" };

const KUBERNETES: Format =
    Format { what: "a minor version of Kubernetes in quotes", pattern: r"^1\.[0-9]{1,3}$", max: 5, example: "1.33" };

const fn key(name: &'static str, kind: Kind, about: &'static str) -> Key {
    Key { name, required: false, kind, about }
}

const fn must(name: &'static str, kind: Kind, about: &'static str) -> Key {
    Key { name, required: true, kind, about }
}

const fn word(word: &'static str, about: &'static str) -> Word {
    Word { word, about }
}

const TEAMS: Kind = Kind::List { of: &Kind::Text(&TEAM), max: 50 };

/// Flat monorepos of 300 are real. Reading and evaluating stay fast beyond this (`docs/benchmarks.md`); what ends first is GitHub's
/// hourly budget: a sweep looks at each application once, four times an hour, which with 1,000 is 4,000 of at least 5,000 points.
pub(super) const MAX_APPS: usize = 1_000;
/// A dozen regions with a handful of stages each are below a hundred.
pub(super) const MAX_ENVIRONMENTS: usize = 200;

/// The whole file.
pub(super) const FILE: &[Key] = &[
    must("version", Kind::One, "The version of this file's format."),
    key(
        "mode",
        Kind::Word(&[
            word("enforce", "checks can fail, promotions are written; the default"),
            word("observe", "neutral checks and plans, no promotion is written"),
        ]),
        "Whether Trunkline acts or only says what it would do.",
    ),
    key("apps", Kind::Named { of: APP, min: 0, max: MAX_APPS }, "The applications whose versions travel, by name."),
    must(
        "environments",
        Kind::Named { of: ENVIRONMENT, min: 1, max: MAX_ENVIRONMENTS },
        "The environments, by name, in the order people think of them.",
    ),
    key(
        "policies",
        Kind::Record(POLICIES),
        "Which policies hold; default: the recommended pack, and the folder `policies`.",
    ),
    key(
        "registries",
        Kind::List { of: &Kind::Text(&REGISTRY), max: 20 },
        "The registries in which images are looked up: a promotion waits for its images and pins their digests. Default: none.",
    ),
];

const APP: &[Key] = &[
    key("source", Kind::Text(&REPOSITORY), "The repository with trunk and the tags; default: this one."),
    key(
        "tags",
        Kind::Text(&TAGS),
        "Which tags are versions of this application: a fixed part, then `*`; in a monorepo `shop/v*`. Default `v*`.",
    ),
    key(
        "images",
        Kind::List { of: &Kind::TextOrRecord(&IMAGE, IMAGE_KEYS), max: 50 },
        "The images that carry the version, as Kustomize, the pod spec, Helm values or an OCIRepository name them.",
    ),
    key(
        "charts",
        Kind::List { of: &Kind::TextOrRecord(&CHART, CHART_KEYS), max: 50 },
        "The Helm charts whose version is the application's, as a HelmRelease names them.",
    ),
    key(
        "writes",
        Kind::List { of: &Kind::Record(WRITE), max: 50 },
        "Fields that carry the version and that are not found by themselves.",
    ),
    key(
        "release-branches",
        Kind::List { of: &Kind::Text(&BRANCH), max: 50 },
        "Branches besides trunk from which tags may come.",
    ),
    key(
        "paths",
        Kind::List { of: &Kind::Text(&PLACE), max: 50 },
        "Where in its source it lives, in a monorepo: trunk commits that change nothing there start nothing. Default: everywhere.",
    ),
];

const IMAGE_KEYS: &[Key] = &[
    must("name", Kind::Text(&IMAGE), "The image's name, without tag and digest."),
    key(
        "tag",
        Kind::Text(&TAG_TEMPLATE),
        "How a version becomes an image tag; default `{tag}`, and `{short-sha}` for what comes from trunk.",
    ),
];

const CHART_KEYS: &[Key] = &[
    must("name", Kind::Text(&CHART), "The chart's name."),
    key(
        "version",
        Kind::Text(&TAG_TEMPLATE),
        "How a version becomes a chart version; default `{semver}`: three numbers, and `0.0.0-<short-sha>` on trunk.",
    ),
];

const WRITE: &[Key] = &[
    must("file", Kind::Text(&FILE_INSIDE), "The file, inside every environment's folder."),
    must("field", Kind::Text(&FIELD), "The way to the field."),
    key("kind", Kind::Text(&KIND), "The kind of the object it stands in, where the file holds several."),
    key("name", Kind::Text(&OBJECT), "That object's name."),
    key("image", Kind::Text(&IMAGE), "The image of `images` whose tag, or whole name with tag, it holds."),
    key("value", Kind::Text(&FIELD_VALUE), "What it holds, when it belongs to no image; default `{tag}`."),
];

const ENVIRONMENT: &[Key] = &[
    must("path", Kind::Text(&FOLDER), "Its folder; may hold `{app}`."),
    must(
        "takes",
        Kind::Word(&[
            word("trunk", "every commit on the source's default branch"),
            word("prereleases", "tags with a pre-release part, such as `v1.0-rc.1`"),
            word("releases", "tags without one, such as `v1.0`"),
        ]),
        "Which versions enter by themselves.",
    ),
    key(
        "via",
        Kind::Word(&[
            word("pull-request", "through a pull request; the default"),
            word("commit", "straight to the branch, for quiet low environments"),
        ]),
        "How a promotion enters.",
    ),
    key(
        "merge",
        Kind::Word(&[
            word("auto", "Trunkline, as soon as every gate is open"),
            word("manual", "a person, once every gate is open; the default"),
        ]),
        "Who presses merge.",
    ),
    key(
        "on-newer",
        Kind::Word(&[
            word("supersede", "the newer version takes the place of the open promotion; the default"),
            word("queue", "the newer version waits until the open promotion is merged or closed"),
        ]),
        "What a newer version does to an open promotion.",
    ),
    key("after", Kind::List { of: &Kind::Text(&NAME), max: 50 }, "Environments a version must have passed first."),
    key("ships", Kind::Record(SHIPS), "Only what was tested enters."),
    key("soak", Kind::Text(&DURATION), "How long a version must have been in the environments before this one."),
    key("approvals", Kind::Record(APPROVALS), "Who must approve."),
    key("windows", Kind::Record(WINDOWS), "When promotions may enter."),
    key("health", Kind::Record(HEALTH), "What the health of the environments before this one means."),
    key("checks", Kind::List { of: &Kind::Record(CHECK_KEYS), max: 50 }, "Named checks that must be green."),
    key("rights", Kind::Record(RIGHTS), "Which teams may do what here."),
    key(
        "kubernetes",
        Kind::Text(&KUBERNETES),
        "The minor version of its Kubernetes, 1.30 or newer: objects are held to its schemas. Default: the newest known.",
    ),
    key(
        "flux",
        Kind::Text(&FLUX),
        "The minor version of its Flux: objects of versions that it does not serve are told. Default: what its own manifests say.",
    ),
    key("url", Kind::Text(&WEB), "Where people see it; may hold `{app}`. GitHub links it from its deployments."),
];

const SHIPS: &[Key] = &[
    must("tested-in", Kind::Text(&NAME), "The environment it was tested in."),
    key(
        "match",
        Kind::Word(&[
            word("digest", "that environment's very image; the default"),
            word("commit", "also a rebuild of the same commit"),
        ]),
        "What counts as the same.",
    ),
];

const APPROVALS: &[Key] = &[
    key("teams", TEAMS, "Teams whose members may approve; default: whoever may write."),
    key("min", Kind::Number { min: 1, max: 10 }, "How many approvals; default 1."),
    key("four-eyes", Kind::Truth, "Whether tagger, authors and whoever asked cannot be the approver; default true."),
];

const WINDOWS: &[Key] = &[
    must("timezone", Kind::Text(&TIME_ZONE), "The time zone of the times and dates below."),
    key("allow", Kind::List { of: &Kind::Record(WINDOW), max: 50 }, "When it is open; default: always."),
    key("exclude", Kind::List { of: &Kind::Record(EXCLUSION), max: 200 }, "When it is closed; this beats `allow`."),
];

const WINDOW: &[Key] =
    &[must("cron", Kind::Text(&CRON), "When it opens."), must("for", Kind::Text(&DURATION), "How long it stays open.")];

const EXCLUSION: &[Key] = &[
    must("from", Kind::Text(&DATE), "The first day."),
    must("to", Kind::Text(&DATE), "The last day, included."),
    must("reason", Kind::Text(&SENTENCE), "Why; people who wait are shown it."),
];

const HEALTH: &[Key] = &[
    key("timeout", Kind::Text(&DURATION), "How long an environment may take to become healthy; default 20m."),
    key(
        "unknown",
        Kind::Word(&[
            word("wait", "wait until it is known; the default"),
            word("block", "stop until a person looks"),
            word("ignore", "go on"),
        ]),
        "What unknown health does.",
    ),
];

const CHECK_KEYS: &[Key] = &[
    must("name", Kind::Text(&CHECK), "The check's name."),
    key(
        "of",
        Kind::Word(&[
            word("source", "on the source commit; the default"),
            word("promotion", "on the promotion's head"),
        ]),
        "Where it is looked for.",
    ),
    key("app", Kind::Text(&APP_SLUG), "The App that must have posted it; default: any."),
];

const RIGHTS: &[Key] = &[
    key("promote", TEAMS, "Who may `/promote`; default: whoever may write."),
    key("rollback", TEAMS, "Who may `/rollback`."),
    key("freeze", TEAMS, "Who may `/freeze` and `/unfreeze`."),
    key("bypass", TEAMS, "Who may `--force` a promotion, `/skip-soak` and `/override`."),
];

const POLICIES: &[Key] = &[
    key(
        "packs",
        Kind::List {
            of: &Kind::Word(&[
                word("minimal", "only what is surely wrong"),
                word("recommended", "what a careful team wants; the default"),
                word("strict", "the same, with stage as grave as prod"),
                word("optional", "the rules that not everybody wants"),
            ]),
            max: 4,
        },
        "The shipped packs of rules.",
    ),
    key("paths", Kind::List { of: &Kind::Text(&PLAIN_FOLDER), max: 20 }, "Folders with the repository's own policies."),
    key(
        "severities",
        Kind::Listed {
            what: "rule",
            keys: RULE_IDS,
            of: &Kind::Either(&Kind::Word(SEVERITIES), &Kind::PerEnvironment(&Kind::Word(SEVERITIES))),
        },
        "Other severities than the packs give, by rule: for all environments, or for each.",
    ),
    key(
        "blocks",
        Kind::Either(&Kind::Word(BLOCKS), &Kind::PerEnvironment(&Kind::Word(BLOCKS))),
        "Which findings fail the check of a pull request: for all environments, or for each.",
    ),
    key(
        "suggest",
        Kind::Truth,
        "Whether new findings that are mended mechanically get suggested changes on the pull request; default true.",
    ),
    key(
        "images-from",
        Kind::List { of: &Kind::Text(&IMAGE_SOURCE), max: 100 },
        "Where images may come from (rule IMG-002): registries, or parts of them such as `ghcr.io/acme`. Default: everywhere.",
    ),
];

const SEVERITIES: &[Word] = &[
    word("error", "surely wrong; blocks what brings a new one, unless `blocks` says otherwise"),
    word("warning", "worth fixing; blocks nothing, unless `blocks` says otherwise"),
    word("info", "is worth knowing"),
    word("off", "the rule says nothing"),
];

const BLOCKS: &[Word] = &[
    word("new-errors", "errors that it introduces; the default"),
    word("new-warnings", "errors and warnings that it introduces"),
    word("all-errors", "every error in an environment that it touches, also one that was there before"),
    word("nothing", "none: findings are shown; only what cannot be checked still blocks"),
];
