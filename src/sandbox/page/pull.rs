//! One pull request or issue: checks, annotations, conversation, changes, buttons.

use super::super::acts::{pulls, queue};
use super::super::cx::Cx;
use super::super::refusal::Refusal;
use super::super::world::{Check, Issue, Pull, Repo};
use super::Visit;
use super::clean::{escape, markdown};
use super::frame::{as_user, boxed, moment};
use super::look::diffs;

/// The class and the word for a state.
pub(super) fn state(repo: &Repo, issue: &Issue) -> (&'static str, &'static str) {
    match (issue.open, repo.pulls.get(&issue.number)) {
        (true, _) => ("open", "Open"),
        (false, Some(pull)) if pull.merged.is_some() => ("merged", "Merged"),
        _ => ("closed", "Closed"),
    }
}

/// The whole page of one pull request or issue.
pub(super) fn conversation(cx: &Cx<'_>, visit: &Visit, repo: &Repo, number: u64) -> Result<String, Refusal> {
    let issue = repo.issues.get(&number).ok_or_else(Refusal::not_found)?;
    let pull = repo.pulls.get(&number);
    let (class, word) = state(repo, issue);
    let mut body = format!("<h1>{} <span class=\"dim\">#{number}</span></h1>", escape(&issue.title));
    let route = pull.map(|pull| {
        let from =
            pull.head_repo.and_then(|id| cx.world.repos.get(&id)).map_or("unknown repository", |repo| &repo.owner);
        format!(
            " wants to merge <code>{}:{}</code> into <code>{}</code>",
            escape(from),
            escape(&pull.head),
            escape(&pull.base)
        )
    });
    let labels: String = issue.labels.iter().map(|label| format!(" <code>{}</code>", escape(label))).collect();
    body += &format!(
        "<p><span class=\"pill {class}\">{word}</span> <b>{}</b>{}{labels}</p>",
        escape(&issue.author),
        route.unwrap_or_default()
    );
    let text = issue.body.clone().filter(|text| !text.is_empty()).unwrap_or_else(|| "*No description.*".into());
    body += &spoken(&issue.author, &moment(issue.created_at), &text);
    let mut said: Vec<(jiff::Timestamp, u64, String)> = Vec::new();
    for comment in repo.comments.values().filter(|comment| comment.number == number) {
        let mut head = moment(comment.created_at);
        if comment.edited_at.is_some() {
            head += " · edited";
        }
        for reaction in &comment.reactions {
            head += &format!(" {}", emoji(&reaction.content));
        }
        let mut whole = spoken(&comment.author, &head, &comment.body);
        if let Some(why) = &comment.minimized {
            let why = escape(&why.to_lowercase());
            whole = format!("<details><summary class=\"dim\">Hidden as {why}</summary>{whole}</details>");
        }
        said.push((comment.created_at, comment.id, whole));
    }
    for review in pull.iter().flat_map(|pull| &pull.reviews) {
        let words = review.state.to_lowercase().replace('_', " ");
        let line = format!(
            "<p><b>{}</b> <span class=\"{}\">{}</span> <span class=\"dim\">{} at {}</span></p>",
            escape(&review.author),
            escape(&review.state),
            escape(&words),
            escape(&moment(review.at)),
            &review.commit[..7]
        );
        let remarks = review.remarks.iter().map(|remark| {
            let lines = remark.start.map_or(remark.line.to_string(), |start| format!("{start}-{}", remark.line));
            spoken(&review.author, &format!("on {}:{lines}", remark.path), &remark.body)
        });
        said.push((review.at, review.id, line + &markdown(&review.body) + &remarks.collect::<String>()));
    }
    for (one, number) in issue.labelings.iter().zip(0..) {
        let did = if one.set { "set" } else { "took off" };
        let (by, label, at) = (escape(&one.by), escape(&one.label), escape(&moment(one.at)));
        let line = format!("<p><b>{by}</b> {did} <code>{label}</code> <span class=\"dim\">{at}</span></p>");
        said.push((one.at, number, line));
    }
    said.sort();
    body.extend(said.into_iter().map(|(_, _, whole)| whole));
    if let Some(pull) = pull {
        body += &checks(repo, pull);
    }
    body += &buttons(cx, visit, repo, issue, pull)?;
    if let Some(pull) = pull {
        body += "<h2>Changes</h2>";
        body += &diffs(&cx.pull_files(repo, pull)?);
    }
    Ok(body)
}

fn spoken(author: &str, when: &str, text: &str) -> String {
    boxed(
        &format!("<b>{}</b> · {}", escape(author), escape(when)),
        &format!("<div class=\"text\">{}</div>", markdown(text)),
    )
}

fn emoji(content: &str) -> &'static str {
    match content {
        "+1" => "👍",
        "-1" => "👎",
        "laugh" => "😄",
        "hooray" => "🎉",
        "confused" => "😕",
        "heart" => "❤️",
        "rocket" => "🚀",
        _ => "👀",
    }
}

fn checks(repo: &Repo, pull: &Pull) -> String {
    let mut latest = std::collections::BTreeMap::new();
    for check in repo.checks.values().filter(|check| check.head_sha == pull.head_sha) {
        latest.insert((&check.app, &check.name), check);
    }
    let mut rows: String = latest.values().map(|one| check(repo, one)).collect();
    let mut statuses = std::collections::BTreeMap::new();
    for status in repo.statuses.iter().filter(|status| status.sha == pull.head_sha) {
        statuses.insert(&status.context, status);
    }
    for status in statuses.values() {
        rows += &format!(
            "<div class=\"box\"><div class=\"row\"><b class=\"{state}\">{state}</b> {} <span class=\"dim\">{}</span></div></div>",
            escape(&status.context),
            escape(status.description.as_deref().unwrap_or_default()),
            state = escape(&status.state),
        );
    }
    if rows.is_empty() {
        rows = "<p class=\"dim\">No check has reported on this commit.</p>".into();
    }
    format!("<h2>Checks on <code>{}</code></h2>{rows}", &pull.head_sha[..7])
}

/// One check with its annotations and summary.
pub(super) fn check(repo: &Repo, check: &Check) -> String {
    let state = check.conclusion.as_deref().unwrap_or(&check.status);
    let full = escape(&repo.full_name());
    let head = format!(
        "<b class=\"{state}\">{state}</b> <a href=\"/{full}/runs/{}\"><b>{}</b></a> <span class=\"dim\">by {}</span> {}",
        check.id,
        escape(&check.name),
        escape(&check.app),
        escape(check.title.as_deref().unwrap_or_default()),
        state = escape(state),
    );
    let notes: String = check
        .annotations
        .iter()
        .map(|one| {
            let field = |name: &str| escape(one[name].as_str().unwrap_or_default());
            let (path, line) = (one["path"].as_str().unwrap_or_default(), one["start_line"].as_u64().unwrap_or_default());
            let link = escape(&super::super::http::encode(&format!("/{}/blob/{}/{path}", repo.full_name(), check.head_sha)));
            format!(
                "<div class=\"row\"><span class=\"{level}\">{level}</span> <a href=\"{link}\"><code>{}:{line}</code></a> <b>{}</b><br>{}</div>",
                escape(path),
                field("title"),
                field("message").replace('\n', "<br>"),
                level = field("annotation_level"),
            )
        })
        .collect();
    let text: String = [("Summary", &check.summary), ("More", &check.text)]
        .into_iter()
        .filter_map(|(name, text)| Some((name, text.as_ref()?)))
        .map(|(name, text)| format!("<details><summary>{name}</summary>{}</details>", markdown(text)))
        .collect();
    let text = if text.is_empty() { text } else { format!("<div class=\"text\">{text}</div>") };
    boxed(&head, &(notes + &text))
}

fn buttons(cx: &Cx<'_>, visit: &Visit, repo: &Repo, issue: &Issue, pull: Option<&Pull>) -> Result<String, Refusal> {
    let kind = if pull.is_some() { "pull" } else { "issues" };
    let action = escape(&format!("/{}/{kind}/{}", repo.full_name(), issue.number));
    let who = as_user(cx, visit);
    let mut out = format!(
        "<h2>Say something</h2><form method=\"post\" action=\"{action}/comment\"><textarea name=\"body\" placeholder=\"Markdown, or a command such as /trunkline help\" required></textarea>\
         <p>{who} <button class=\"go\">Comment</button></p></form>"
    );
    let button = |path: &str, label: &str, class: &str| {
        format!(
            "<form class=\"line\" method=\"post\" action=\"{action}/{path}\">{who}<button class=\"{class}\">{label}</button></form>"
        )
    };
    let merged = pull.is_some_and(|pull| pull.merged.is_some());
    if let Some(pull) = pull.filter(|_| issue.open) {
        out += &format!(
            "<form class=\"line\" method=\"post\" action=\"{action}/review\">{who}<select name=\"state\"><option value=\"APPROVED\">Approve</option>\
             <option value=\"CHANGES_REQUESTED\">Request changes</option></select><input name=\"body\" placeholder=\"why\"><button>Review</button></form>"
        );
        match pulls::obstacle(cx, repo.id, pull.number)? {
            Some(why) => out += &format!("<p class=\"flash\">{}</p>", escape(&why)),
            None if queue::rules(repo, pull.number) => out += &button("merge", "Merge when ready", "go"),
            None => out += &button("merge", "Merge pull request", "go"),
        }
    }
    out += &format!(
        "<form class=\"line\" method=\"post\" action=\"{action}/label\">{who}<input name=\"label\" placeholder=\"label\" required>\
         <button>Set or take off</button></form>"
    );
    if issue.open {
        out += &button("close", "Close", "");
    } else if !merged {
        out += &button("reopen", "Reopen", "");
    }
    Ok(out)
}
