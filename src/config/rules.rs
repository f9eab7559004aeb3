//! What no schema can say: graphs, folders, time zones, calendars, and pieces that contradict each other.

use std::collections::{HashMap, HashSet};

use super::shape::{listed, shown};
use super::{nearest, problem, read};
use crate::manifest::node::Node;
use crate::model::finding::Problem;
use crate::model::id::RepoName;
use crate::model::pack::UNCHANGEABLE;
use crate::model::path::{RepoPath, is_ref_name};
use crate::model::pipeline::{Environment, NEWEST_KUBERNETES, OLDEST_KUBERNETES, Pipeline};

/// Folders of all applications in all environments. Each is looked for in every evaluation; 1,000 applications in a dozen
/// environments are less.
const MAX_FOLDERS: usize = 20_000;

/// Adds a problem for everything that is well written and still cannot be meant.
pub(super) fn check(root: &Node, pipeline: &Pipeline, problems: &mut Vec<Problem>) {
    if let Some(apps) = root.get("apps").and_then(Node::as_map) {
        let mut images = HashMap::new();
        for (key, node) in apps.iter() {
            app(&key.text, node, &mut images, problems);
        }
    }
    for (environment, node) in nodes(root, pipeline) {
        order(environment, node, pipeline, problems);
        contradictions(environment, node, problems);
        durations(environment, node, problems);
        kubernetes(environment, node, problems);
        windows(environment, node, problems);
        repeats(&format!("environments.{}.after", environment.name), node.list_at(&["after"]), problems);
    }
    cycles(root, pipeline, problems);
    folders(root, pipeline, problems);
    repeats("registries", root.list_at(&["registries"]), problems);
    severities(root, pipeline, problems);
    if let Some(blocks) = root.at(&["policies", "blocks"]) {
        environments_named("policies.blocks", blocks, pipeline, problems);
    }
    for node in root.list_at(&["policies", "paths"]) {
        if let Some(text) = node.as_str() {
            path_text("policies.paths", text, node, problems);
        }
    }
}

/// A Kubernetes whose schemas are not at hand would be checked against those of another.
fn kubernetes(environment: &Environment, node: &Node, problems: &mut Vec<Problem>) {
    let (Some(at), Some(minor)) = (node.get("kubernetes"), environment.kubernetes) else { return };
    if (OLDEST_KUBERNETES..=NEWEST_KUBERNETES).contains(&minor) {
        return;
    }
    let message = format!("`environments.{}.kubernetes` is 1.{minor}, whose schemas are not at hand", environment.name);
    let help =
        format!("choose one from 1.{OLDEST_KUBERNETES} to 1.{NEWEST_KUBERNETES}, the nearest to what runs there");
    problems.push(problem(at.span.location(), message, help));
}

/// A severity for an environment that is not there would hold nowhere; what does not build stays an error, or silence would look like
/// health.
fn severities(root: &Node, pipeline: &Pipeline, problems: &mut Vec<Problem>) {
    let rules = root.at(&["policies", "severities"]).and_then(Node::as_map).into_iter().flat_map(|map| map.iter());
    for (rule, value) in rules {
        let at = format!("policies.severities.{}", shown(&rule.text));
        if rule.text == UNCHANGEABLE {
            let message = format!("`{at}` would change what cannot be changed");
            let help = "what does not build cannot be checked, so it stays an error; remove the line";
            problems.push(problem(rule.span.location(), message, help));
        }
        environments_named(&at, value, pipeline, problems);
    }
}

/// The keys of a mapping are environments.
fn environments_named(at: &str, value: &Node, pipeline: &Pipeline, problems: &mut Vec<Problem>) {
    for (key, _) in value.as_map().into_iter().flat_map(|map| map.iter()) {
        if pipeline.environment(&key.text).is_some() {
            continue;
        }
        let names = || pipeline.environments.iter().map(|environment| environment.name.as_str());
        let help = match nearest(&key.text, names()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("the environments are {}", listed(names(), "and")),
        };
        let message = format!("`{at}` names `{}`, which is no environment here", shown(&key.text));
        problems.push(problem(key.span.location(), message, help));
    }
}

/// Each environment with what was written for it.
fn nodes<'a>(root: &'a Node, pipeline: &'a Pipeline) -> impl Iterator<Item = (&'a Environment, &'a Node)> {
    pipeline.environments.iter().filter_map(|env| Some((env, root.at(&["environments", &env.name])?)))
}

fn app<'n>(name: &str, node: &'n Node, images: &mut HashMap<&'n str, String>, problems: &mut Vec<Problem>) {
    if let Some(source) = node.get("source")
        && let Some(text) = source.as_str()
        && text.matches('/').count() == 1
        && text.parse::<RepoName>().is_err()
    {
        let message = format!("`apps.{name}.source` is no repository GitHub could hold");
        problems.push(problem(source.span.location(), message, "write it as owner/name"));
    }
    for image in node.list_at(&["images"]) {
        let Some(text) = image.as_str().or_else(|| image.str_at(&["name"])) else { continue };
        if let Some(first) = images.insert(text, name.to_owned()) {
            let message = format!("the image `{}` stands twice: in `apps.{first}` and in `apps.{name}`", shown(text));
            let help = "an image carries the version of one application; remove one of the two";
            problems.push(problem(image.span.location(), message, help));
        }
    }
    carriers(name, node, problems);
    for place in node.list_at(&["paths"]) {
        if let Some(text) = place.as_str() {
            path_text(&format!("apps.{name}.paths"), text, place, problems);
        }
    }
    for branch in node.list_at(&["release-branches"]) {
        let Some(text) = branch.as_str() else { continue };
        let fixed = text.strip_suffix('*').map_or(text.to_owned(), |start| format!("{start}x"));
        if !is_ref_name(&fixed) {
            let message = format!("`{}` in `apps.{name}.release-branches` is no branch name", shown(text));
            problems.push(problem(
                branch.span.location(),
                message,
                "git would refuse it; write for example `release/*`",
            ));
        }
    }
}

/// An application's version is carried by something, and each field by one thing.
fn carriers(name: &str, node: &Node, problems: &mut Vec<Problem>) {
    let at = format!("apps.{name}");
    if node.as_map().is_some() && ["images", "charts", "writes"].iter().all(|key| node.get(key).is_none()) {
        let message = format!("`{at}` has no `images`");
        let help = "add `images: [ghcr.io/acme/shop]`. The images that carry the version, as Kustomize or the pod spec names \
                    them; where a chart or another field carries it, add `charts` or `writes`";
        problems.push(problem(node.span.location(), message, help));
    }
    let charts = node.list_at(&["charts"]);
    for (index, chart) in charts.iter().enumerate() {
        let text = |node: &Node| node.as_str().or_else(|| node.str_at(&["name"])).map(str::to_owned);
        if let Some(named) = text(chart)
            && charts[..index].iter().any(|other| text(other).as_ref() == Some(&named))
        {
            let message = format!("`{at}.charts` names `{}` twice", shown(&named));
            problems.push(problem(chart.span.location(), message, "once is enough"));
        }
    }
    let writes = node.list_at(&["writes"]);
    for (index, write) in writes.iter().enumerate() {
        let here = format!("{at}.writes[{index}]");
        if let Some(file) = write.get("file")
            && let Some(text) = file.as_str()
        {
            path_text(&format!("{here}.file"), text, file, problems);
        }
        if let (Some(image), Some(text)) = (write.get("image"), write.str_at(&["image"])) {
            let known =
                || node.list_at(&["images"]).iter().filter_map(|one| one.as_str().or_else(|| one.str_at(&["name"])));
            if !known().any(|name| name == text) {
                let help = match nearest(text, known()) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("add it to `{at}.images`"),
                };
                let message = format!("`{here}.image` names `{}`, which is no image of `{name}`", shown(text));
                problems.push(problem(image.span.location(), message, help));
            }
            if let Some(value) = write.get("value") {
                let message = format!("`{here}` has an `image` and a `value`");
                let help = "an image says itself what its tag is, with `tag` in `images`; remove one of the two";
                problems.push(problem(value.span.location(), message, help));
            }
        }
        let same = |other: &&Node| ["file", "kind", "name", "field"].iter().all(|key| other.get(key) == write.get(key));
        if write.get("field").is_some() && writes[..index].iter().any(|other| same(&other)) {
            let message = format!("`{here}` is the same field as one above it");
            problems.push(problem(write.span.location(), message, "a field holds one value; remove one of the two"));
        }
    }
}

fn order(environment: &Environment, node: &Node, pipeline: &Pipeline, problems: &mut Vec<Problem>) {
    let at = format!("environments.{}", environment.name);
    let names = || pipeline.environments.iter().map(|env| env.name.as_str()).filter(|name| *name != environment.name);
    let tested = node.at(&["ships", "tested-in"]);
    let entries = node.list_at(&["after"]).iter().map(|node| ("after", node));
    for (key, entry) in entries.chain(tested.map(|node| ("ships.tested-in", node))) {
        let Some(text) = entry.as_str() else { continue };
        if text == environment.name {
            let message = format!("`{at}.{key}` names the environment itself");
            problems.push(problem(entry.span.location(), message, "name the environment a version passes before it"));
        } else if !names().any(|name| name == text) {
            let help = match nearest(text, names()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("the others are {}", listed(names(), "and")),
            };
            let message = format!("`{at}.{key}` names `{}`, which is no environment here", shown(text));
            problems.push(problem(entry.span.location(), message, help));
        } else if key != "after" && !upstream(pipeline, environment).contains(&text) {
            let message =
                format!("`{at}.{key}` names `{text}`, but nothing leads from there to `{}`", environment.name);
            let help = format!("add it: `after: [{text}]`");
            problems.push(problem(entry.span.location(), message, help));
        }
    }
    if let Some(soak) = node.get("soak")
        && node.get("after").is_none()
        && tested.is_none()
    {
        let message = format!("`{at}.soak` has nothing to soak in");
        problems.push(problem(soak.span.location(), message, "say where with `after: [...]`"));
    }
}

/// Every environment from which `after` leads here, however far.
fn upstream<'p>(pipeline: &'p Pipeline, environment: &'p Environment) -> Vec<&'p str> {
    let mut seen: Vec<&str> = Vec::new();
    let mut known: HashSet<&str> = HashSet::new();
    let mut open: Vec<&Environment> = vec![environment];
    // Each environment enters `seen` once, so the walk ends also on a ring.
    while let Some(next) = open.pop() {
        for name in &next.after {
            if known.insert(name) {
                seen.push(name);
                open.extend(pipeline.environment(name));
            }
        }
    }
    seen
}

fn cycles(root: &Node, pipeline: &Pipeline, problems: &mut Vec<Problem>) {
    // One problem a ring: the first environment on it speaks for the rest.
    let mut told: Vec<&str> = Vec::new();
    for (environment, node) in nodes(root, pipeline) {
        let own = environment.name.as_str();
        let above = upstream(pipeline, environment);
        if told.contains(&own) || !above.contains(&own) || environment.after.iter().any(|name| name == own) {
            continue;
        }
        let leads_back =
            |name: &&str| pipeline.environment(name).is_some_and(|env| upstream(pipeline, env).contains(&own));
        let ring: Vec<&str> = above.into_iter().filter(leads_back).collect();
        let message =
            format!("{} wait for each other, so nothing would ever enter", listed(ring.iter().copied(), "and"));
        let place = node.get("after").unwrap_or(node).span.location();
        problems.push(problem(place, message, "take one `after` out of the ring"));
        told.extend(ring);
    }
}

fn contradictions(environment: &Environment, node: &Node, problems: &mut Vec<Problem>) {
    if environment.via != crate::model::pipeline::Via::Commit {
        return;
    }
    let at = format!("environments.{}", environment.name);
    if let Some(approvals) = node.get("approvals") {
        let message = format!("`{at}.approvals` asks people, but `via: commit` shows them nothing to approve");
        problems.push(problem(approvals.span.location(), message, "use `via: pull-request`, or drop the approvals"));
    }
    if let Some(merge) = node.get("merge").filter(|merge| merge.as_str() == Some("manual")) {
        let message = format!("`{at}.merge` is `manual`, but `via: commit` leaves nothing to merge");
        problems.push(problem(merge.span.location(), message, "use `via: pull-request`, or drop `merge`"));
    }
    for of in node.list_at(&["checks"]).iter().filter_map(|check| check.get("of")) {
        if of.as_str() == Some("promotion") {
            let message = format!("`{at}.checks` waits for one on the promotion, but `via: commit` opens none");
            problems.push(problem(of.span.location(), message, "use `of: source`, or `via: pull-request`"));
        }
    }
}

fn durations(environment: &Environment, node: &Node, problems: &mut Vec<Problem>) {
    let windows =
        node.list_at(&["windows", "allow"]).iter().filter_map(|window| Some(("windows.allow", window.get("for")?)));
    let single = [("soak", node.get("soak")), ("health.timeout", node.at(&["health", "timeout"]))];
    let single = single.into_iter().filter_map(|(key, node)| Some((key, node?)));
    for (key, value) in single.chain(windows) {
        let Some(text) = value.as_str() else { continue };
        if matches_shape(text) && read::duration(text).is_none() {
            let message = format!("`environments.{}.{key}` is `{}`", environment.name, shown(text));
            problems.push(problem(
                value.span.location(),
                message,
                "a duration is at least a minute and at most a year",
            ));
        }
    }
}

/// Whether the walker let this text pass as a duration; it has spoken about all others.
fn matches_shape(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_digit() || "dhm".contains(c)) && text.ends_with(['d', 'h', 'm'])
}

fn windows(environment: &Environment, node: &Node, problems: &mut Vec<Problem>) {
    let Some(windows) = node.get("windows") else { return };
    let at = format!("environments.{}.windows", environment.name);
    if let Some(zone) = windows.get("timezone")
        && let Some(text) = zone.as_str()
        && jiff::tz::TimeZone::get(text).is_err()
    {
        let known: Vec<String> = jiff::tz::db().available().map(|name| name.as_str().to_owned()).collect();
        let help = nearest(text, known.iter().map(String::as_str)).map_or_else(
            || "use a name of the IANA database, such as `Europe/Berlin`".to_owned(),
            |near| format!("did you mean `{near}`?"),
        );
        let message = format!("`{at}.timezone` is `{}`, which is no time zone", shown(text));
        problems.push(problem(zone.span.location(), message, help));
    }
    for window in windows.list_at(&["allow"]) {
        let Some((cron, text)) = window.get("cron").and_then(|cron| Some((cron, cron.as_str()?))) else { continue };
        if text.split_whitespace().count() == 5 && croner::parser::CronParser::new().parse(text).is_err() {
            let message = format!("`{at}.allow` opens at `{}`, which is no cron expression", shown(text));
            let help = "minute 0-59, hour 0-23, day 1-31, month 1-12, day of week 0-7; for example `0 9 * * 1-4`";
            problems.push(problem(cron.span.location(), message, help));
        }
    }
    for exclusion in windows.list_at(&["exclude"]) {
        exclusion_dates(&at, exclusion, problems);
    }
}

fn exclusion_dates(at: &str, exclusion: &Node, problems: &mut Vec<Problem>) {
    for key in ["from", "to"] {
        let Some(node) = exclusion.get(key) else { continue };
        let Some(text) = node.as_str().filter(|text| text.len() == 10) else { continue };
        if read::date(exclusion, key).is_none() {
            let message = format!("`{at}.exclude` names `{}`, a day no calendar has", shown(text));
            problems.push(problem(node.span.location(), message, "write it as year-month-day, such as `2026-12-20`"));
        }
    }
    if let (Some(from), Some(to)) = (read::date(exclusion, "from"), read::date(exclusion, "to"))
        && from > to
    {
        let message = format!("`{at}.exclude` ends on {to}, before it begins on {from}");
        problems.push(problem(exclusion.span.location(), message, "swap `from` and `to`"));
    }
}

fn repeats(at: &str, list: &[Node], problems: &mut Vec<Problem>) {
    for (index, item) in list.iter().enumerate() {
        if item.as_str().is_some() && list[..index].contains(item) {
            let message = format!("`{at}` names `{}` twice", shown(item.as_str().unwrap_or_default()));
            problems.push(problem(item.span.location(), message, "once is enough"));
        }
    }
}

fn folders(root: &Node, pipeline: &Pipeline, problems: &mut Vec<Problem>) {
    let mut all: Vec<(&Environment, RepoPath)> = Vec::new();
    let mut taken = Taken::default();
    let mut count = 0;
    for (environment, node) in nodes(root, pipeline) {
        let Some(path) = node.get("path") else { continue };
        let Some(text) = path.as_str() else { continue };
        let at = format!("environments.{}.path", environment.name);
        if !path_text(&at, text, path, problems) {
            continue;
        }
        if text.contains("{app}") && pipeline.apps.is_empty() {
            let message = format!("`{at}` holds `{{app}}`, but there are no `apps`");
            problems.push(problem(path.span.location(), message, "write the folder's name, or add `apps:`"));
            continue;
        }
        count += if text.contains("{app}") { pipeline.apps.len() } else { 1 };
        if count > MAX_FOLDERS {
            let message =
                format!("with `{at}` there are more than {MAX_FOLDERS} folders of applications in environments");
            problems.push(problem(path.span.location(), message, "split the repository, or list fewer of them"));
            return;
        }
        let own = environment.folders(&pipeline.apps);
        // Comparing each with each is only for telling which: thousands of applications are read in every pass.
        let clashes = own.iter().any(|folder| taken.meets(folder));
        let clash = all.iter().filter(|_| clashes).find_map(|(other, theirs)| {
            let ours = own.iter().find(|ours| ours.is_within(theirs) || theirs.is_within(ours))?;
            Some((other, theirs, ours))
        });
        if let Some((other, theirs, ours)) = clash {
            let message = match ours == theirs {
                true => format!("`{at}` is the folder of `{}` as well", other.name),
                false => format!("`{at}` and the folder of `{}` lie inside each other", other.name),
            };
            let help = "give each environment a folder of its own: a change must belong to one environment";
            problems.push(problem(path.span.location(), message, help));
        }
        own.iter().for_each(|folder| taken.add(folder));
        all.extend(own.into_iter().map(|folder| (environment, folder)));
    }
}

/// Folders, and the folders above them.
#[derive(Default)]
struct Taken {
    folders: HashSet<RepoPath>,
    above: HashSet<RepoPath>,
}

impl Taken {
    fn add(&mut self, folder: &RepoPath) {
        self.folders.insert(folder.clone());
        self.above.extend(above(folder));
    }

    /// Whether one of the folders is this one, holds it or lies in it.
    fn meets(&self, folder: &RepoPath) -> bool {
        self.folders.contains(folder)
            || self.above.contains(folder)
            || above(folder).any(|above| self.folders.contains(&above))
    }
}

/// The folders a folder lies in, the root among them.
fn above(folder: &RepoPath) -> impl Iterator<Item = RepoPath> {
    let up = |folder: &RepoPath| (!folder.is_root()).then(|| folder.parent());
    std::iter::successors(up(folder), move |folder| up(folder))
}

/// Whether a name is one that some file system folds into `.git`, or that hides what it is from the eye.
fn hides_git(part: &str) -> bool {
    let invisible =
        |c: char| matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
    let plain = part.trim_end_matches([' ', '.']).to_ascii_lowercase();
    part.trim() != part || part.chars().any(invisible) || plain.starts_with(".git") || plain.starts_with("git~")
}

/// Whether a path may be used: inside the repository, and nowhere git or GitHub keep their own.
fn path_text(at: &str, text: &str, node: &Node, problems: &mut Vec<Problem>) -> bool {
    let mut refuse = |message: String, help: &str| {
        problems.push(problem(node.span.location(), message, help));
        false
    };
    let Ok(path) = text.parse::<RepoPath>() else {
        return refuse(
            format!("`{at}` is `{}`, which leads out of the repository", shown(text)),
            "write a folder relative to the repository's root, without `..`",
        );
    };
    if path.is_root() {
        return refuse(format!("`{at}` is the whole repository"), "give it a folder of its own");
    }
    if path.parts().any(hides_git) {
        return refuse(
            format!("`{at}` is `{}`, where git and GitHub keep their own files", shown(text)),
            "Trunkline never reads or writes there; use another folder",
        );
    }
    true
}
