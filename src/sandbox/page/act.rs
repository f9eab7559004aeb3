//! Buttons and forms: each does what a person does on GitHub, with that person's rights.

use std::time::Duration;

use super::super::Sandbox;
use super::super::acts::pulls::{self, Open};
use super::super::acts::refs::{self, Moved};
use super::super::acts::{queue, reviews, talk};
use super::super::auth::{Actor, Level};
use super::super::cx::Cx;
use super::super::http::encode;
use super::super::refusal::Refusal;
use super::super::{git, limits, rest};
use super::Visit;

/// Does what a form asks; where to go next, and as whom.
pub(super) fn act(sandbox: &Sandbox, visit: &Visit, path: &[&str]) -> Result<(String, String), Refusal> {
    let who = sandbox.read(Actor::Anonymous, false, |cx| visit.who(cx));
    match path {
        ["advance"] => {
            let seconds: u64 = visit.form.get("seconds").and_then(|text| text.parse().ok()).unwrap_or_default();
            // A year at once is as far as any story goes.
            sandbox.clock().advance(Duration::from_secs(seconds.min(366 * 86_400)));
            Ok(("/".into(), who))
        }
        [owner, name, rest @ ..] => {
            let to = sandbox.act(Actor::User(who.clone()), |cx| {
                let id = cx.world.repo_named(owner, name).map(|repo| repo.id).ok_or_else(Refusal::not_found)?;
                let below = in_repo(cx, visit, id, rest)?;
                Ok(format!("/{owner}/{name}/{below}"))
            })?;
            Ok((encode(&to), who))
        }
        _ => Err(Refusal::not_found()),
    }
}

fn in_repo(cx: &mut Cx<'_>, visit: &Visit, repo: u64, path: &[&str]) -> Result<String, Refusal> {
    let field = |name: &str| visit.form.get(name).map(String::as_str).unwrap_or_default();
    // Forms send line ends as CR LF.
    let body = field("body").replace("\r\n", "\n");
    cx.allow(repo, "issues|pull_requests", Level::Write)?;
    match path {
        ["pulls"] => {
            let ask = Open {
                head: field("head"),
                base: field("base"),
                title: field("title"),
                body: Some(&body),
                draft: false,
            };
            Ok(format!("pull/{}", pulls::open(cx, repo, &ask)?))
        }
        ["issues"] => Ok(format!("issues/{}", pulls::open_issue(cx, repo, field("title"), Some(&body))?)),
        ["tags"] => {
            cx.allow(repo, "contents", Level::Write)?;
            tag(cx, repo, field("tag"), (field("sha"), visit.form.contains_key("annotated")))
        }
        [kind @ ("pull" | "issues"), number, verb] => {
            let to = format!("{kind}/{number}");
            let number = number.parse().map_err(|_| Refusal::not_found())?;
            match *verb {
                "comment" => {
                    talk::comment(cx, repo, number, &body)?;
                }
                "review" => {
                    reviews::review(
                        cx,
                        repo,
                        number,
                        if field("state") == "APPROVED" { "APPROVED" } else { "CHANGES_REQUESTED" },
                        &body,
                    )?;
                }
                "label" => {
                    cx.allow(repo, "labels", Level::Write)?;
                    let label = field("label");
                    let issue = cx.repo(repo)?.issues.get(&number).ok_or_else(Refusal::not_found)?;
                    if issue.labels.contains(&label.to_lowercase()) {
                        talk::unlabel(cx, repo, number, label)?;
                    } else {
                        talk::label(cx, repo, number, &[label])?;
                    }
                }
                "merge" => {
                    cx.allow(repo, "contents", Level::Write)?;
                    if queue::rules(cx.repo(repo)?, number) {
                        queue::enqueue(cx, repo, number, None, false)?;
                        return Ok(to);
                    }
                    let settings = &cx.repo(repo)?.settings;
                    let method = if settings.merge_commit {
                        "merge"
                    } else if settings.squash {
                        "squash"
                    } else {
                        "rebase"
                    };
                    pulls::merge(cx, repo, number, (method, None), (None, None))?;
                }
                "close" | "reopen" => {
                    let own = cx.repo(repo)?.issues.get(&number).is_some_and(|issue| issue.author == cx.login());
                    if !own {
                        cx.allow(repo, "triage", Level::Write)?;
                    }
                    if *verb == "close" { pulls::close(cx, repo, number)? } else { pulls::reopen(cx, repo, number)? }
                }
                _ => return Err(Refusal::not_found()),
            }
            Ok(to)
        }
        _ => Err(Refusal::not_found()),
    }
}

fn tag(cx: &mut Cx<'_>, repo: u64, tag: &str, (sha, annotated): (&str, bool)) -> Result<String, Refusal> {
    let name = format!("refs/tags/{tag}");
    limits::ref_name(&name)?;
    if cx.repo(repo)?.refs.contains_key(&name) {
        return Err(Refusal::new(422, format!("There is a tag {tag} already")));
    }
    if !git::is_commit(&*cx.git(repo)?, sha) {
        return Err(Refusal::not_found());
    }
    let target = if annotated { rest::annotate(cx, repo, tag, sha, tag)? } else { sha.to_owned() };
    refs::write(cx, repo, &[Moved { name, new: Some(target) }])?;
    Ok(format!("tree/{tag}"))
}
