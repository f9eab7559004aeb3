use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

const SHA: &str = "0123456789abcdef0123456789abcdef01234567";

fn us() -> Us {
    Us { app_id: 77, login: Some("trunkline[bot]".into()) }
}

/// A body with what every event has, and `more`.
fn body(more: Value) -> Vec<u8> {
    let mut body =
        json!({ "installation": { "id": 5 }, "repository": { "id": 9, "name": "shop" }, "sender": { "login": "ada" } });
    for (key, value) in more.as_object().unwrap() {
        body[key] = value.clone();
    }
    body.to_string().into_bytes()
}

fn told(event: &str, more: Value) -> String {
    match wakes(event, &body(more), &us()) {
        Ok(Mapped::Ignored(why)) => format!("ignored: {why}"),
        Err(error) => error.to_string(),
        Ok(Mapped::Wakes(wakes)) => wakes.iter().fold(String::new(), |mut text, wake| {
            write!(text, "{} ", wake.key).unwrap();
            if let Some(Note::TagPushed { tag, commit_or_object, pusher }) = &wake.note {
                write!(text, "[{tag} {} by {pusher}] ", commit_or_object.short()).unwrap();
            }
            text
        }),
    }
}

#[test]
fn every_event_wakes_what_it_should() {
    let push = |reference: &str, flags: [bool; 3]| {
        let after = if flags[2] { "0".repeat(40) } else { SHA.to_owned() };
        json!({ "ref": reference, "after": after, "created": flags[0], "forced": flags[1], "deleted": flags[2] })
    };
    let pull = |action: &str| json!({ "action": action, "pull_request": { "number": 3, "head": { "sha": SHA } } });
    let review =
        json!({ "action": "submitted", "review": {}, "pull_request": { "number": 3, "head": { "sha": SHA } } });
    let comment = |action: &str, login: &str| json!({ "action": action, "issue": { "number": 3 }, "comment": {}, "sender": { "login": login } });
    let check = |kind: &str, action: &str, app: u64| json!({ "action": action, kind: { "head_sha": SHA, "app": { "id": app } } });
    let repos =
        |action: &str, list: &str| json!({ "action": action, list: [{ "id": 1 }, { "id": 2 }], "repository": null });
    let lines = [
        ("push", push("refs/heads/main", [false, false, false])),
        ("push", push("refs/heads/gone", [false, false, true])),
        ("push", push("refs/tags/v1.0", [true, false, false])),
        ("push", push("refs/tags/v1.0", [false, true, false])),
        ("push", push("refs/tags/v1.0", [false, false, true])),
        ("push", push("refs/notes/commits", [true, false, false])),
        ("push", push(&format!("refs/tags/{}", "x".repeat(300)), [true, false, false])),
        ("create", json!({ "ref": "v1", "ref_type": "tag" })),
        ("pull_request", pull("opened")),
        ("pull_request", pull("closed")),
        ("pull_request_review", review.clone()),
        ("pull_request_review", {
            let mut own = review;
            own["sender"] = json!({ "login": "trunkline[bot]" });
            own
        }),
        ("issue_comment", comment("created", "ada")),
        ("issue_comment", comment("created", "trunkline[bot]")),
        ("issue_comment", comment("edited", "ada")),
        ("check_run", check("check_run", "completed", 1)),
        ("check_run", check("check_run", "completed", 77)),
        ("check_run", check("check_run", "rerequested", 77)),
        ("check_run", check("check_run", "requested_action", 77)),
        ("check_run", check("check_run", "created", 1)),
        ("check_suite", check("check_suite", "completed", 1)),
        ("check_suite", check("check_suite", "completed", 77)),
        ("merge_group", json!({ "action": "checks_requested", "merge_group": { "head_sha": SHA } })),
        ("merge_group", json!({ "action": "destroyed", "reason": "dequeued", "merge_group": { "head_sha": SHA } })),
        ("status", json!({ "sha": SHA, "state": "success" })),
        ("repository", json!({ "action": "renamed" })),
        ("installation", repos("created", "repositories")),
        ("installation", repos("deleted", "repositories")),
        ("installation_repositories", repos("added", "repositories_added")),
        ("ping", json!({ "zen": "Speak like a human." })),
        ("star", json!({ "action": "created" })),
    ];
    let text: String =
        lines.into_iter().map(|(event, more)| format!("{event}: {}\n", told(event, more).trim())).collect();
    insta::assert_snapshot!(text, @"
    push: repo/9
    push: repo/9
    push: repo/9 [v1.0 0123456 by ada]
    push: repo/9 [v1.0 0123456 by ada]
    push: repo/9
    push: ignored: an action without meaning here
    push: repo/9
    create: ignored: an event without meaning here
    pull_request: pull/9/3 head/9/0123456789abcdef0123456789abcdef01234567
    pull_request: pull/9/3 head/9/0123456789abcdef0123456789abcdef01234567 repo/9
    pull_request_review: pull/9/3 head/9/0123456789abcdef0123456789abcdef01234567
    pull_request_review: ignored: an action without meaning here
    issue_comment: pull/9/3
    issue_comment: ignored: an action without meaning here
    issue_comment: ignored: an action without meaning here
    check_run: head/9/0123456789abcdef0123456789abcdef01234567 repo/9
    check_run: ignored: an action without meaning here
    check_run: head/9/0123456789abcdef0123456789abcdef01234567 repo/9
    check_run: head/9/0123456789abcdef0123456789abcdef01234567 repo/9
    check_run: ignored: an action without meaning here
    check_suite: head/9/0123456789abcdef0123456789abcdef01234567 repo/9
    check_suite: ignored: an action without meaning here
    merge_group: head/9/0123456789abcdef0123456789abcdef01234567
    merge_group: head/9/0123456789abcdef0123456789abcdef01234567
    status: head/9/0123456789abcdef0123456789abcdef01234567 repo/9
    repository: repo/9
    installation: repo/1 repo/2
    installation: ignored: an action without meaning here
    installation_repositories: repo/1 repo/2
    ping: ignored: an event without meaning here
    star: ignored: an event without meaning here
    ");
}

#[test]
fn t4_a_body_sent_as_another_event_is_refused() {
    let bodies: BTreeMap<&str, Value> = BTreeMap::from([
        ("push", json!({ "ref": "refs/heads/main", "after": SHA })),
        ("create", json!({ "ref": "v1", "ref_type": "tag" })),
        ("issues", json!({ "action": "opened", "issue": { "number": 3 } })),
        ("issue_comment", json!({ "action": "created", "issue": { "number": 3 }, "comment": {} })),
        ("pull_request", json!({ "action": "opened", "pull_request": { "number": 3, "head": { "sha": SHA } } })),
        (
            "pull_request_review",
            json!({ "action": "submitted", "review": {}, "pull_request": { "number": 3, "head": { "sha": SHA } } }),
        ),
        ("check_run", json!({ "action": "completed", "check_run": { "head_sha": SHA } })),
        ("check_suite", json!({ "action": "completed", "check_suite": { "head_sha": SHA } })),
        ("merge_group", json!({ "action": "checks_requested", "merge_group": { "head_sha": SHA } })),
        ("status", json!({ "sha": SHA })),
        ("installation_repositories", json!({ "action": "added", "repositories_added": [] })),
        ("repository", json!({ "action": "renamed" })),
    ]);
    for event in bodies.keys().filter(|event| EVENTS.iter().any(|(known, _)| known == *event)) {
        for (sent, more) in &bodies {
            let result = wakes(event, &body(more.clone()), &us());
            assert_eq!(result == Err(BadDelivery::Shape), event != sent, "{sent} sent as {event}: {result:?}");
        }
    }
}

#[test]
fn t8_json_bombs_are_refused_or_passed_over() {
    let bombs = [
        format!("{}{}", "[".repeat(100_000), "]".repeat(100_000)),
        "{\"a\":".repeat(100_000),
        format!(r#"{{"ref":{}"x"{}}}"#, "[".repeat(100_000), "]".repeat(100_000)),
        format!(r#"{{"repository":{{"id":{}}}}}"#, "9".repeat(100_000)),
        r#"{"repository":{"id":1},"repository":{"id":2}}"#.to_owned(),
        r#"{"repository":{"id":-1}}"#.to_owned(),
        r#"{"repository":{"id":1e400}}"#.to_owned(),
        "\u{feff}{}".to_owned(),
        String::new(),
        "null".to_owned(),
    ];
    for bomb in bombs {
        let result = wakes("push", bomb.as_bytes(), &us());
        assert!(matches!(result, Err(BadDelivery::Json { .. })), "{:.40}: {result:?}", bomb);
    }
    assert!(wakes("push", b"{\"ref\":\"\xff\"}", &us()).is_err());
    let many: String = (0..200_000).map(|n| format!(r#""k{n}":{n},"#)).collect();
    assert_eq!(wakes("push", format!("{{{many}\"z\":0}}").as_bytes(), &us()), Err(BadDelivery::Shape));
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(wakes("push", format!(r#"{{"unread":{deep}}}"#).as_bytes(), &us()), Err(BadDelivery::Shape));
}

#[test]
fn a_huge_installation_is_bounded() {
    let list: Vec<Value> = (0..5000).map(|id| json!({ "id": id })).collect();
    let Ok(Mapped::Wakes(wakes)) =
        wakes("installation", &body(json!({ "action": "created", "repositories": list })), &us())
    else {
        panic!("no wakes");
    };
    assert_eq!(wakes.len(), MAX_WAKES);
}

/// GitHub's own examples, when npm has brought them: `npm install --prefix .tools @octokit/webhooks-examples`.
#[test]
fn githubs_examples_are_understood() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join(".tools/node_modules/@octokit/webhooks-examples/api.github.com/index.json");
    let Ok(text) = std::fs::read(&path) else {
        eprintln!("skipped: `npm install --prefix .tools @octokit/webhooks-examples` brings the examples");
        return;
    };
    let events: Vec<Value> = serde_json::from_slice(&text).unwrap();
    let mut seen = 0;
    let mut waking: BTreeMap<&str, usize> = BTreeMap::new();
    for event in &events {
        let name = event["name"].as_str().unwrap();
        for example in event["examples"].as_array().unwrap() {
            seen += 1;
            // Most examples were sent to a repository's own hook; an App's differ by the installation.
            let mut ours = example.clone();
            ours["installation"] = json!({ "id": 5 });
            for body in [example, &ours] {
                let mapped = wakes(name, body.to_string().as_bytes(), &us());
                let mapped = mapped.unwrap_or_else(|error| panic!("{name}: {error}\n{body:.400}"));
                *waking.entry(name).or_default() += usize::from(matches!(mapped, Mapped::Wakes(_)));
            }
        }
    }
    assert!(seen >= 300, "only {seen} examples");
    for event in ["push", "pull_request", "issue_comment", "check_run", "status", "installation", "repository"] {
        assert!(waking[event] > 0, "{event} woke nothing: {waking:?}");
    }
}

proptest! {
    #[test]
    fn t8_no_bytes_break_it(event in "(push|pull_request|status|installation)", bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _any_answer_will_do = wakes(&event, &bytes, &us());
    }
}
