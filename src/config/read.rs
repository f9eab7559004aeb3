//! Nodes → model. Total: what the walker refused is read as a default, and never leaves this module's caller.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use jiff::civil::Date;

use crate::manifest::node::Node;
use crate::model::finding::{Blocks, Severity};
use crate::model::path::RepoPath;
use crate::model::pipeline::{
    App, Approvals, CheckOf, Environment, Exclusion, Health, Image, Merge, Mode, NamedCheck, OnNewer, Pipeline,
    Policies, Rights, RuleSeverity, Ships, ShipsMatch, TagPattern, TagTemplate, Takes, Unknown, Via, Window, Windows,
    Write,
};

/// Long enough for any cluster to settle, short enough to notice the same morning.
const HEALTH_TIMEOUT: SignedDuration = SignedDuration::from_mins(20);

pub(super) fn pipeline(root: &Node) -> Pipeline {
    Pipeline {
        mode: if word(root, "mode") == "observe" { Mode::Observe } else { Mode::Enforce },
        apps: named(root, "apps", app),
        environments: named(root, "environments", environment),
        policies: policies(root.get("policies")),
        registries: texts(root, "registries").iter().filter_map(|text| text.parse().ok()).collect(),
    }
}

fn app(name: &str, node: &Node) -> App {
    App {
        name: name.to_owned(),
        source: node.str_at(&["source"]).and_then(|text| text.parse().ok()),
        tags: TagPattern(node.str_at(&["tags"]).unwrap_or("v*").to_owned()),
        images: node.list_at(&["images"]).iter().filter_map(image).collect(),
        charts: node.list_at(&["charts"]).iter().filter_map(chart).collect(),
        writes: node.list_at(&["writes"]).iter().filter_map(write).collect(),
        release_branches: texts(node, "release-branches"),
        paths: texts(node, "paths").iter().filter_map(|text| text.trim_end_matches('/').parse().ok()).collect(),
    }
}

fn image(node: &Node) -> Option<Image> {
    let name = node.as_str().or_else(|| node.str_at(&["name"]))?.to_owned();
    let tag = node.str_at(&["tag"]).map_or(TagTemplate::Default, |text| TagTemplate::Custom(text.to_owned()));
    Some(Image { name, tag })
}

fn chart(node: &Node) -> Option<Image> {
    let name = node.as_str().or_else(|| node.str_at(&["name"]))?.to_owned();
    // A chart version of two numbers would be a range, which Helm reads as "any patch of it".
    let version = node.str_at(&["version"]).unwrap_or("{semver}");
    Some(Image { name, tag: TagTemplate::Custom(version.to_owned()) })
}

fn write(node: &Node) -> Option<Write> {
    let text = |key: &str| node.str_at(&[key]).map(str::to_owned);
    Some(Write {
        file: node.str_at(&["file"])?.parse().ok()?,
        kind: text("kind"),
        name: text("name"),
        field: text("field")?,
        image: text("image"),
        value: text("value").map_or(TagTemplate::Default, TagTemplate::Custom),
    })
}

fn environment(name: &str, node: &Node) -> Environment {
    Environment {
        name: name.to_owned(),
        path: node.str_at(&["path"]).unwrap_or_default().trim_end_matches('/').to_owned(),
        takes: match word(node, "takes") {
            "prereleases" => Takes::Prereleases,
            "releases" => Takes::Releases,
            _ => Takes::Trunk,
        },
        via: if word(node, "via") == "commit" { Via::Commit } else { Via::PullRequest },
        merge: if word(node, "merge") == "auto" { Merge::Auto } else { Merge::Manual },
        on_newer: if word(node, "on-newer") == "queue" { OnNewer::Queue } else { OnNewer::Supersede },
        after: texts(node, "after"),
        ships: node.get("ships").map(|ships| Ships {
            tested_in: ships.str_at(&["tested-in"]).unwrap_or_default().to_owned(),
            matches: if word(ships, "match") == "commit" { ShipsMatch::Commit } else { ShipsMatch::Digest },
        }),
        soak: node.str_at(&["soak"]).and_then(duration),
        approvals: node.get("approvals").map(approvals),
        windows: node.get("windows").map(windows),
        health: node.get("health").map(health),
        checks: node.list_at(&["checks"]).iter().filter_map(check).collect(),
        rights: rights(node.get("rights")),
        url: node.str_at(&["url"]).map(str::to_owned),
        kubernetes: node.str_at(&["kubernetes"]).and_then(kubernetes),
        flux: node.str_at(&["flux"]).and_then(|text| text.strip_prefix("2.")?.parse().ok()),
    }
}

/// The minor that `1.33` names.
pub(super) fn kubernetes(text: &str) -> Option<u32> {
    text.strip_prefix("1.")?.parse().ok()
}

fn approvals(node: &Node) -> Approvals {
    Approvals {
        teams: texts(node, "teams"),
        min: node.get("min").and_then(Node::as_int).and_then(|min| u32::try_from(min).ok()).unwrap_or(1),
        // The bot writes the promotion, so GitHub's own rule against approving one's own change protects nobody.
        four_eyes: node.get("four-eyes").and_then(Node::as_bool).unwrap_or(true),
    }
}

fn windows(node: &Node) -> Windows {
    let window = |node: &Node| {
        Some(Window { cron: node.str_at(&["cron"])?.to_owned(), length: node.str_at(&["for"]).and_then(duration)? })
    };
    let exclusion = |node: &Node| {
        Some(Exclusion {
            from: date(node, "from")?,
            to: date(node, "to")?,
            reason: node.str_at(&["reason"])?.to_owned(),
        })
    };
    Windows {
        timezone: word(node, "timezone").to_owned(),
        allow: node.list_at(&["allow"]).iter().filter_map(window).collect(),
        exclude: node.list_at(&["exclude"]).iter().filter_map(exclusion).collect(),
    }
}

fn health(node: &Node) -> Health {
    Health {
        timeout: node.str_at(&["timeout"]).and_then(duration).unwrap_or(HEALTH_TIMEOUT),
        unknown: match word(node, "unknown") {
            "block" => Unknown::Block,
            "ignore" => Unknown::Ignore,
            _ => Unknown::Wait,
        },
    }
}

fn check(node: &Node) -> Option<NamedCheck> {
    Some(NamedCheck {
        name: node.str_at(&["name"])?.to_owned(),
        of: if word(node, "of") == "promotion" { CheckOf::Promotion } else { CheckOf::Source },
        app: node.str_at(&["app"]).map(str::to_owned),
    })
}

fn rights(node: Option<&Node>) -> Rights {
    let teams = |right| node.map_or(Vec::new(), |node| texts(node, right));
    Rights { promote: teams("promote"), rollback: teams("rollback"), freeze: teams("freeze"), bypass: teams("bypass") }
}

fn policies(node: Option<&Node>) -> Policies {
    let list = |key, default: &str| match node.and_then(|node| node.get(key)) {
        Some(_) => node.map_or(Vec::new(), |node| texts(node, key)),
        None => vec![default.to_owned()],
    };
    Policies {
        packs: list("packs", "recommended"),
        paths: list("paths", "policies").iter().filter_map(|text| text.parse::<RepoPath>().ok()).collect(),
        severities: severities(node),
        blocks: blocks(node.and_then(|node| node.get("blocks"))),
        blocks_in: blocks_in(node.and_then(|node| node.get("blocks"))),
        no_suggestions: node.and_then(|node| node.get("suggest")?.as_bool()) == Some(false),
        images_from: node.map_or(Vec::new(), |node| texts(node, "images-from")),
    }
}

fn blocks(node: Option<&Node>) -> Blocks {
    match node.and_then(Node::as_str) {
        Some("new-warnings") => Blocks::NewWarnings,
        Some("all-errors") => Blocks::AllErrors,
        Some("nothing") => Blocks::Nothing,
        _ => Blocks::NewErrors,
    }
}

fn blocks_in(node: Option<&Node>) -> BTreeMap<String, Blocks> {
    let each = node.and_then(Node::as_map).into_iter().flat_map(|map| map.iter());
    each.map(|(name, value)| (name.text.to_string(), blocks(Some(value)))).collect()
}

/// One entry a rule, or a rule and environment.
fn severities(node: Option<&Node>) -> Vec<RuleSeverity> {
    let rules = node.and_then(|node| node.get("severities")?.as_map()).into_iter().flat_map(|map| map.iter());
    let mut all = Vec::new();
    for (rule, value) in rules {
        let mut add = |environment: Option<&str>, value: &Node| {
            let (rule, environment) = (rule.text.to_string(), environment.map(str::to_owned));
            all.push(RuleSeverity { rule, environment, severity: severity(value) });
        };
        match value.as_map() {
            Some(each) => each.iter().for_each(|(name, value)| add(Some(&name.text), value)),
            None => add(None, value),
        }
    }
    all
}

fn severity(node: &Node) -> Option<Severity> {
    match node.as_str() {
        Some("error") => Some(Severity::Error),
        Some("warning") => Some(Severity::Warning),
        Some("info") => Some(Severity::Info),
        _ => None,
    }
}

/// `24h`, `30m`, `7d`, `1d12h`; `None` when it is no duration, is zero, or is longer than a year.
pub fn duration(text: &str) -> Option<SignedDuration> {
    const MAX_MINUTES: i64 = 366 * 24 * 60;
    let mut minutes: i64 = 0;
    let mut number: Option<i64> = None;
    for c in text.chars() {
        let unit = match c {
            '0'..='9' => {
                let digit = i64::from(c.to_digit(10)?);
                number = Some(number.unwrap_or(0).checked_mul(10)?.checked_add(digit)?);
                continue;
            }
            'd' => 24 * 60,
            'h' => 60,
            'm' => 1,
            _ => return None,
        };
        minutes = minutes.checked_add(number.take()?.checked_mul(unit)?)?;
    }
    (number.is_none() && (1..=MAX_MINUTES).contains(&minutes)).then(|| SignedDuration::from_mins(minutes))
}

/// The date at `key`, when it is one the calendar knows.
pub(super) fn date(node: &Node, key: &str) -> Option<Date> {
    node.str_at(&[key])?.parse().ok()
}

fn named<T>(root: &Node, key: &str, read: impl Fn(&str, &Node) -> T) -> Vec<T> {
    let entries = root.get(key).and_then(Node::as_map).into_iter().flat_map(|map| map.iter());
    entries.map(|(key, node)| read(&key.text, node)).collect()
}

fn texts(node: &Node, key: &str) -> Vec<String> {
    node.list_at(&[key]).iter().filter_map(Node::as_str).map(str::to_owned).collect()
}

fn word<'n>(node: &'n Node, key: &str) -> &'n str {
    node.str_at(&[key]).unwrap_or_default()
}
