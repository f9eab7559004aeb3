//! The whole visible world as stable text, for snapshots and for comparing the ends of two stories.
//!
//! Object ids are replaced by what they hold (message, parents and changes, without times), so that the same story told
//! at other times, or with a retry in between, reads the same. Numbers GitHub counts up by itself are left out.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

use super::Sandbox;
use super::auth::Actor;
use super::cx::Cx;
use super::git;
use super::world::Repo;

/// The branch whose files are shown in full.
const LEDGER: &str = "refs/heads/trunkline-ledger";
/// Commits looked at in one repository; no story here comes near.
const COMMITS: usize = 5_000;

impl Sandbox {
    /// Everything a person could see, as text that depends on nothing but what happened.
    pub fn dump(&self) -> String {
        self.read(Actor::Anonymous, false, |cx| {
            let names: Names = cx.world.repos.values().flat_map(|repo| names(cx, repo)).collect();
            let mut repos: Vec<&Repo> = cx.world.repos.values().map(AsRef::as_ref).collect();
            repos.sort_by_key(|repo| repo.full_name());
            let mut out = String::new();
            for repo in repos {
                one(cx, repo, &names, &mut out);
            }
            out
        })
    }
}

/// Real object ids to the ones that are shown.
type Names = BTreeMap<String, String>;

fn hex(bytes: &[u8]) -> String {
    bytes.iter().take(20).map(|byte| format!("{byte:02x}")).collect()
}

/// What each commit of a repository is called, oldest first, so that texts that name commits can be renamed too.
fn names(cx: &Cx<'_>, repo: &Repo) -> Names {
    let mut names = Names::new();
    let Ok(git) = cx.git(repo.id) else { return names };
    let tips = repo.refs.values().chain(repo.pulls.values().map(|pull| &pull.head_sha));
    let Ok(mut walk) = git.revwalk() else { return names };
    let sorted = walk.set_sorting(git2::Sort::TOPOLOGICAL | git2::Sort::REVERSE);
    for tip in tips {
        if let Ok(tip) = git::peel(&git, tip) {
            let pushed = walk.push(tip);
            debug_assert!(pushed.is_ok() && sorted.is_ok());
        }
    }
    for oid in walk.flatten().take(COMMITS) {
        let Ok(commit) = git.find_commit(oid) else { continue };
        let mut hash = Sha256::new();
        hash.update(rename(commit.message().unwrap_or_default(), &names));
        hash.update(commit.author().name().unwrap_or_default());
        for parent in commit.parent_ids() {
            let parent = parent.to_string();
            hash.update(names.get(&parent).unwrap_or(&parent));
        }
        for (kind, path) in git::touched(&git, oid).unwrap_or_default() {
            let text = content(&commit, &git, &path).unwrap_or_default();
            hash.update(format!("{kind}{path}\n{}", rename(&text, &names)));
        }
        names.insert(oid.to_string(), hex(&hash.finalize()));
    }
    for (name, sha) in &repo.refs {
        if let Ok(oid) = git::oid(sha)
            && let Ok(tag) = git.find_tag(oid)
        {
            let target = tag.target_id().to_string();
            let target = names.get(&target).cloned().unwrap_or(target);
            names.insert(sha.clone(), hex(&Sha256::digest(format!("{name} {target}"))));
        }
    }
    names
}

fn content(commit: &git2::Commit<'_>, git: &git2::Repository, path: &str) -> Option<String> {
    let entry = commit.tree().ok()?.get_path(std::path::Path::new(path)).ok()?;
    let blob = git.find_blob(entry.id()).ok()?;
    Some(String::from_utf8_lossy(blob.content()).into_owned())
}

/// Replaces every object id, whole or cut to seven digits and more, and every moment.
fn rename(text: &str, names: &Names) -> String {
    let mut out = String::with_capacity(text.len());
    let mut word = String::new();
    let flush = |word: &mut String, out: &mut String| {
        let known = (7..=40).contains(&word.len()) && word.bytes().all(|byte| byte.is_ascii_hexdigit());
        let found = known.then(|| names.range(word.clone()..).next()).flatten();
        match found.filter(|(sha, _)| sha.starts_with(word.as_str())) {
            Some((_, shown)) => out.push_str(&shown[..word.len()]),
            None => out.push_str(word),
        }
        word.clear();
    };
    for c in text.chars() {
        if c.is_ascii_alphanumeric() {
            word.push(c);
        } else {
            flush(&mut word, &mut out);
            out.push(c);
        }
    }
    flush(&mut word, &mut out);
    moments(&out)
}

/// `2026-01-02T03:04:05Z` and its kin become `<time>`.
fn moments(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('T') {
        // The date is the ten bytes before the T, the time runs to the Z.
        let shape = |text: &str, form: &str| {
            text.len() == form.len()
                && text.bytes().zip(form.bytes()).all(|(a, b)| if b == b'0' { a.is_ascii_digit() } else { a == b })
        };
        let date =
            at.checked_sub(10).filter(|from| rest.is_char_boundary(*from) && shape(&rest[*from..at], "0000-00-00"));
        let time = rest.get(at + 1..at + 9).is_some_and(|time| shape(time, "00:00:00"));
        let end = rest[at..].find('Z').filter(|end| *end <= 20);
        match (date, time, end) {
            (Some(from), true, Some(end)) => {
                out.push_str(&rest[..from]);
                out.push_str("<time>");
                rest = &rest[at + end + 1..];
            }
            _ => {
                out.push_str(&rest[..=at]);
                rest = &rest[at + 1..];
            }
        }
    }
    out.push_str(rest);
    out
}

fn indented(text: &str, out: &mut String) {
    for line in text.lines() {
        // Writing into a string cannot fail.
        let _ = writeln!(out, "      {line}");
    }
}

fn one(cx: &Cx<'_>, repo: &Repo, names: &Names, out: &mut String) {
    let short = |sha: &str| names.get(sha).map_or_else(|| sha.to_owned(), Clone::clone)[..10].to_owned();
    let visibility = if repo.private { " (private)" } else { "" };
    let _ = writeln!(out, "{}{visibility}", repo.full_name());
    for (name, sha) in repo.refs.iter().filter(|(name, _)| !name.starts_with("refs/pull/")) {
        let signed = if repo.signed.contains(sha) { " signed" } else { "" };
        let _ = writeln!(out, "  {} {}{signed}", rename(name, names), short(sha));
    }
    ledger(cx, repo, names, out);
    for issue in repo.issues.values() {
        conversation(repo, issue, names, out);
    }
    let mut checks: Vec<String> = Vec::new();
    let mut latest = BTreeMap::new();
    // What a merge queue built and threw away nobody sees any more, nor what was said of it.
    let queued = repo.pulls.values().any(|pull| !pull.queueings.is_empty());
    let seen = |sha: &String| !queued || names.contains_key(sha);
    for check in repo.checks.values().filter(|check| seen(&check.head_sha)) {
        let slot = latest.entry((&check.head_sha, &check.app, &check.name)).or_insert((check, 0));
        *slot = (check, slot.1 + 1);
    }
    for (check, runs) in latest.values() {
        let state = check.conclusion.as_deref().unwrap_or(&check.status);
        let title = check.title.as_deref().map(|title| format!(" \"{}\"", rename(title, names))).unwrap_or_default();
        let notes = check.annotations.len();
        let notes = if notes > 0 { format!(", {notes} annotations") } else { String::new() };
        let again = if *runs > 1 { format!(", {runs} runs") } else { String::new() };
        let sha = short(&check.head_sha);
        checks.push(format!("  check {sha} {}/{}: {state}{title}{notes}{again}\n", check.app, check.name));
    }
    for status in &repo.statuses {
        checks.push(format!("  status {} {}: {}\n", short(&status.sha), status.context, status.state));
    }
    for one in repo.deployments.values() {
        let state = one.statuses.last().map_or("none", |status| status.state.as_str());
        checks.push(format!("  deployment {} to {}: {state}\n", short(&one.sha), one.environment));
    }
    checks.sort();
    checks.iter().for_each(|line| out.push_str(line));
}

fn conversation(repo: &Repo, issue: &super::world::Issue, names: &Names, out: &mut String) {
    let number = issue.number;
    let pull = repo.pulls.get(&number);
    let kind = if pull.is_some() { "pull" } else { "issue" };
    let state = match (issue.open, pull) {
        (true, _) => "open",
        (false, Some(pull)) if pull.merged.is_some() => "merged",
        _ => "closed",
    };
    let _ = writeln!(out, "  {kind} #{number} {state}: \"{}\", by {}", rename(&issue.title, names), issue.author);
    if let Some(pull) = pull {
        let _ = writeln!(out, "    {} <- {}", pull.base, rename(&pull.head, names));
        if let Some(merged) = &pull.merged {
            let _ = writeln!(out, "    merged by {}", merged.by);
        }
        if let Some(queued) = repo.queue.iter().find(|one| one.number == number) {
            let _ = writeln!(out, "    in the merge queue by {}", queued.by);
        }
        for review in &pull.reviews {
            let _ = writeln!(out, "    review by {}: {}", review.author, review.state);
            if !review.remarks.is_empty() {
                review.body.lines().for_each(|line| out.push_str(&format!("      {}\n", rename(line, names))));
            }
            for remark in &review.remarks {
                let _ = writeln!(out, "      on {}:{}", remark.path, remark.line);
                remark.body.lines().for_each(|line| out.push_str(&format!("        {}\n", rename(line, names))));
            }
        }
        let asked: Vec<&str> = pull.asked_users.iter().chain(&pull.asked_teams).map(String::as_str).collect();
        if !asked.is_empty() {
            let _ = writeln!(out, "    asked: {}", asked.join(", "));
        }
    }
    if !issue.labels.is_empty() {
        let labels: Vec<&str> = issue.labels.iter().map(String::as_str).collect();
        let _ = writeln!(out, "    labels: {}", labels.join(", "));
    }
    if let Some(body) = issue.body.as_deref().filter(|body| !body.is_empty()) {
        let _ = writeln!(out, "    body:");
        indented(&rename(body, names), out);
    }
    for comment in repo.comments.values().filter(|comment| comment.number == number) {
        let hidden = comment.minimized.as_deref().map(|why| format!(" minimized {why}")).unwrap_or_default();
        let mut reactions: Vec<String> =
            comment.reactions.iter().map(|one| format!(" {}:{}", one.content, one.author)).collect();
        reactions.sort();
        let _ = writeln!(out, "    comment by {}{hidden}{}", comment.author, reactions.concat());
        indented(&rename(&comment.body, names), out);
    }
}

fn ledger(cx: &Cx<'_>, repo: &Repo, names: &Names, out: &mut String) {
    let Some(tip) = repo.refs.get(LEDGER) else { return };
    let Ok(git) = cx.git(repo.id) else { return };
    let Ok(tree) = git::oid(tip).and_then(|tip| git::tree_of(&git, tip)).and_then(|tree| Ok(git.find_tree(tree)?))
    else {
        return;
    };
    let mut files = Vec::new();
    let walked = tree.walk(git2::TreeWalkMode::PreOrder, |root, entry| {
        if let Ok(blob) = git.find_blob(entry.id()) {
            let path = format!("{root}{}", entry.name().unwrap_or_default());
            files.push((path, String::from_utf8_lossy(blob.content()).into_owned()));
        }
        git2::TreeWalkResult::Ok
    });
    debug_assert!(walked.is_ok());
    for (path, text) in files {
        let _ = writeln!(out, "  ledger {path}");
        indented(&rename(&text, names), out);
    }
}
