//! Pages to look at: home, a repository's files, its lists.

use super::super::cx::Cx;
use super::super::git;
use super::super::http::encode;
use super::super::refusal::Refusal;
use super::super::world::{Deployment, Repo};
use super::Visit;
use super::clean::{escape, markdown};
use super::frame::{Page, as_user, boxed, diff, frame, moment, people};

type Result<T> = std::result::Result<T, Refusal>;

/// Finds the page.
pub(super) fn look(cx: &mut Cx<'_>, visit: &Visit, path: &[&str]) -> Result<String> {
    let page = match path {
        [] => home(cx, visit),
        [owner, name, rest @ ..] => {
            let id = cx.world.repo_named(owner, name).map(|repo| repo.id).ok_or_else(Refusal::not_found)?;
            in_repo(cx, visit, id, rest)?
        }
        _ => return Err(Refusal::not_found()),
    };
    Ok(frame(cx, visit, &page))
}

fn in_repo(cx: &Cx<'_>, visit: &Visit, id: u64, path: &[&str]) -> Result<Page> {
    let repo = cx.repo(id)?;
    let body = match path {
        [] => files(cx, visit, repo, &[repo.default_branch.as_str()])?,
        ["tree" | "blob", rest @ ..] => files(cx, visit, repo, rest)?,
        ["pulls"] => list(cx, visit, repo, true),
        ["issues"] => list(cx, visit, repo, false),
        ["deployments"] => deployments(repo),
        ["pull" | "issues", number] => {
            let number = number.parse().map_err(|_| Refusal::not_found())?;
            super::pull::conversation(cx, visit, repo, number)?
        }
        ["commit", sha] => commit(cx, repo, sha)?,
        ["runs", check] => {
            let check = check.parse().ok().and_then(|id: u64| repo.checks.get(&id)).ok_or_else(Refusal::not_found)?;
            super::pull::check(repo, check)
        }
        _ => return Err(Refusal::not_found()),
    };
    let full = escape(&repo.full_name());
    let tabs = format!(
        "<nav><a href=\"/{full}\">Code</a><a href=\"/{full}/pulls\">Pull requests</a><a href=\"/{full}/issues\">Issues</a>\
         <a href=\"/{full}/deployments\">Deployments</a></nav>"
    );
    let crumbs = format!("<span><a href=\"/{full}\">{full}</a></span>");
    Ok(Page { title: repo.full_name(), crumbs, body: tabs + &body })
}

fn home(cx: &Cx<'_>, visit: &Visit) -> Page {
    let mut repos: Vec<_> = cx.world.repos.values().collect();
    repos.sort_by_key(|repo| repo.full_name());
    let rows: String = repos
        .iter()
        .map(|repo| {
            let full = escape(&repo.full_name());
            let open = repo.pulls.keys().filter(|n| repo.issues.get(n).is_some_and(|issue| issue.open)).count();
            let plural = if open == 1 { "" } else { "s" };
            let clone = escape(&cx.repo_html(repo, ".git"));
            format!(
                "<div class=\"row\"><a href=\"/{full}\"><b>{full}</b></a> <span class=\"dim\">· \
                 <a href=\"/{full}/pulls\">{open} open pull request{plural}</a> · <code>git clone {clone}</code></span></div>"
            )
        })
        .collect();
    let users: Vec<String> = people(cx).iter().map(|login| format!("<code>{}</code>", escape(login))).collect();
    let mut body = format!("<h1>Repositories</h1><div class=\"box\">{rows}</div>");
    body += &format!(
        "<h2>People</h2><p>{}</p><p class=\"dim\">For git, any of these names with any password; for the API, \
         <code>Authorization: token ghp_&lt;name&gt;</code> at <code>{}</code>.</p>",
        users.join(" "),
        escape(&cx.api("")),
    );
    if cx.inner.options.clock.is_movable() {
        let button =
            |label: &str, seconds: u64| format!("<button name=\"seconds\" value=\"{seconds}\">{label}</button>");
        body += &format!(
            "<h2>Time</h2><form class=\"line\" method=\"post\" action=\"/advance\"><span>It is {}. Let pass:</span>{}{}{}</form>",
            escape(&moment(cx.now)),
            button("1 minute", 60),
            button("1 hour", 3_600),
            button("1 day", 86_400),
        );
    }
    let _ = visit;
    Page { title: "Sandbox".into(), crumbs: String::new(), body }
}

/// Splits `branch/with/slashes/and/path` at the longest branch or tag there is.
fn split<'a>(repo: &Repo, parts: &'a [&'a str]) -> Result<(String, String, &'a [&'a str])> {
    for taken in (1..=parts.len()).rev() {
        let name = parts[..taken].join("/");
        let found = ["refs/heads/", "refs/tags/"].iter().find_map(|prefix| repo.refs.get(&format!("{prefix}{name}")));
        if let Some(sha) = found {
            return Ok((name, sha.clone(), &parts[taken..]));
        }
    }
    let sha = parts.first().filter(|sha| sha.len() == 40).ok_or_else(Refusal::not_found)?;
    Ok(((*sha).to_owned(), (*sha).to_owned(), &parts[1..]))
}

fn files(cx: &Cx<'_>, visit: &Visit, repo: &Repo, parts: &[&str]) -> Result<String> {
    if !repo.refs.keys().any(|name| name.starts_with("refs/heads/")) {
        return Ok("<p>This repository is empty: clone it and push something.</p>".into());
    }
    let (name, sha, path) = split(repo, parts)?;
    let git = cx.git(repo.id)?;
    let commit = git::peel(&git, &sha)?;
    let tree = git.find_tree(git::tree_of(&git, commit)?)?;
    let path = path.join("/");
    let full = repo.full_name();
    let link = |path: &str, text: &str| {
        format!("<a href=\"/{}\">{}</a>", escape(&encode(&format!("{full}/tree/{name}/{path}"))), escape(text))
    };
    let refs: String = ["refs/heads/", "refs/tags/"]
        .iter()
        .flat_map(|prefix| repo.refs.keys().filter_map(move |name| name.strip_prefix(prefix)))
        // Two hundred fill any screen.
        .take(200)
        .map(|name| format!("<a href=\"/{}\">{}</a> ", escape(&encode(&format!("{full}/tree/{name}"))), escape(name)))
        .collect();
    let head = format!(
        "<b>{}</b> at <a href=\"/{}/commit/{commit}\"><code>{}</code></a> · {}",
        escape(&name),
        escape(&full),
        &commit.to_string()[..7],
        escape(&path)
    );
    let shown = if path.is_empty() {
        Some(tree)
    } else {
        let entry = tree.get_path(std::path::Path::new(&path))?;
        match git.find_tree(entry.id()) {
            Ok(tree) => Some(tree),
            Err(_) => {
                let blob = git.find_blob(entry.id())?;
                // Half a megabyte of text is as much as anybody reads.
                let text = String::from_utf8_lossy(&blob.content()[..blob.size().min(512 * 1024)]);
                return Ok(boxed(&head, &format!("<div class=\"text\"><pre>{}</pre></div>", escape(&text))));
            }
        }
    };
    let rows: String = shown
        .iter()
        .flat_map(|tree| {
            tree.iter()
                .map(|entry| {
                    let name = entry.name().unwrap_or_default().to_owned();
                    let mark = if entry.kind() == Some(git2::ObjectType::Tree) { "/" } else { "" };
                    let below = if path.is_empty() { name.clone() } else { format!("{path}/{name}") };
                    format!("<div class=\"row\">{}</div>", link(&below, &format!("{name}{mark}")))
                })
                .collect::<Vec<_>>()
        })
        .collect();
    let tag = format!(
        "<h2>New tag</h2><form class=\"line\" method=\"post\" action=\"/{}/tags\"><input name=\"tag\" placeholder=\"v1.0\" required>\
         <span>on {}</span><input type=\"hidden\" name=\"sha\" value=\"{commit}\">\
         <label><input type=\"checkbox\" name=\"annotated\"> annotated</label>{}<button class=\"go\">Create tag</button></form>",
        escape(&full),
        escape(&name),
        as_user(cx, visit),
    );
    Ok(format!("<p class=\"dim\">{refs}</p>{}{tag}", boxed(&head, &rows)))
}

/// Deployments, newest first, each with its newest state.
fn deployments(repo: &Repo) -> String {
    let full = escape(&repo.full_name());
    let link = |url: &str, text: &str| match url {
        "" => String::new(),
        url => format!(" · <a href=\"{}\">{text}</a>", escape(url)),
    };
    let row = |one: &Deployment| {
        let last = one.statuses.last();
        let state = last.map_or("pending", |status| status.state.as_str());
        let class = match state {
            "success" => "open",
            "failure" | "error" => "closed",
            _ => "dim",
        };
        let links = last.map_or(String::new(), |last| {
            link(&last.environment_url, "view") + &link(&last.log_url, "how it came about")
        });
        format!(
            "<div class=\"row\"><span class=\"pill {class}\">{}</span> <b>{}</b> {} \
             <a href=\"/{full}/commit/{}\"><code>{}</code></a>{links} <span class=\"dim\">{}</span></div>",
            escape(state),
            escape(&one.environment),
            escape(one.description.as_deref().unwrap_or_default()),
            one.sha,
            &one.sha[..7],
            escape(last.map_or("", |last| last.description.as_str())),
        )
    };
    let rows: String = repo.deployments.values().rev().map(row).collect();
    let rows = if rows.is_empty() { "<div class=\"row dim\">Nothing here yet.</div>".into() } else { rows };
    format!("<h1>Deployments</h1><div class=\"box\">{rows}</div>")
}

fn list(cx: &Cx<'_>, visit: &Visit, repo: &Repo, pulls: bool) -> String {
    let full = escape(&repo.full_name());
    let kind = if pulls { "pull" } else { "issues" };
    let mut rows: String = repo
        .issues
        .values()
        .rev()
        .filter(|issue| repo.pulls.contains_key(&issue.number) == pulls)
        .map(|issue| {
            let (class, word) = super::pull::state(repo, issue);
            let labels: String =
                issue.labels.iter().map(|label| format!(" <code>{}</code>", escape(label))).collect();
            format!(
                "<div class=\"row\"><span class=\"pill {class}\">{word}</span> <a href=\"/{full}/{kind}/{n}\"><b>{}</b></a>{labels} \
                 <span class=\"dim\">#{n} by {} · {}</span></div>",
                escape(&issue.title),
                escape(&issue.author),
                escape(&moment(issue.updated_at)),
                n = issue.number,
            )
        })
        .collect();
    if rows.is_empty() {
        rows = "<div class=\"row dim\">Nothing here yet.</div>".into();
    }
    let branches: String = repo
        .refs
        .keys()
        .filter_map(|name| name.strip_prefix("refs/heads/"))
        .filter(|name| *name != repo.default_branch)
        .map(|name| format!("<option>{}</option>", escape(name)))
        .collect();
    let form = if pulls {
        format!(
            "<h2>Open a pull request</h2><form method=\"post\" action=\"/{full}/pulls\"><p><input name=\"title\" placeholder=\"Title\" required> \
             from <select name=\"head\">{branches}</select> into <input name=\"base\" value=\"{}\"> {}</p>\
             <textarea name=\"body\" placeholder=\"What and why\"></textarea><p><button class=\"go\">Open pull request</button></p></form>",
            escape(&repo.default_branch),
            as_user(cx, visit),
        )
    } else {
        format!(
            "<h2>Open an issue</h2><form method=\"post\" action=\"/{full}/issues\"><p><input name=\"title\" placeholder=\"Title\" required> {}</p>\
             <textarea name=\"body\"></textarea><p><button class=\"go\">Open issue</button></p></form>",
            as_user(cx, visit),
        )
    };
    format!("<div class=\"box\">{rows}</div>{form}")
}

fn commit(cx: &Cx<'_>, repo: &Repo, sha: &str) -> Result<String> {
    let git = cx.git(repo.id)?;
    let commit = git.find_commit(git::oid(sha)?)?;
    let parent = commit.parent(0).ok().map(|parent| parent.tree_id());
    let files = git::diff(&git, parent, commit.tree_id())?;
    let signed = if repo.signed.contains(sha) { " · <span class=\"success\">Verified</span>" } else { "" };
    let head =
        format!("<code>{}</code> by {}{signed}", escape(sha), escape(commit.author().name().unwrap_or_default()));
    let message = markdown(commit.message().unwrap_or_default());
    Ok(boxed(&head, &format!("<div class=\"text\">{message}</div>")) + &diffs(&files))
}

/// Changed files, each with its diff.
pub(super) fn diffs(files: &[git::FileDiff]) -> String {
    // A hundred files fill any screen.
    let shown = files.iter().take(100).map(|file| {
        let from = file.previous.as_ref().map(|from| format!("{} → ", escape(from))).unwrap_or_default();
        let head = format!(
            "{from}{} <span class=\"success\">+{}</span> <span class=\"failure\">−{}</span>",
            escape(&file.path),
            file.additions,
            file.deletions
        );
        boxed(&head, &file.patch.as_deref().map(diff).unwrap_or_default())
    });
    shown.collect()
}
