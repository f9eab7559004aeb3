use comrak::nodes::NodeValue;
use proptest::prelude::*;

use super::*;

/// What a comment asks for, one line each.
fn told(body: &str) -> String {
    let lines = parse(body).into_iter().map(|parsed| {
        let what = match parsed.outcome {
            Outcome::Run(Request { command, app, sha }) => {
                let extra = [("app", app), ("sha", sha)]
                    .into_iter()
                    .filter_map(|(name, value)| Some(format!(" {name}={}", value?)));
                format!("{command:?}{}", extra.collect::<String>())
            }
            Outcome::Unknown { verb, suggestion } => format!("unknown {verb:?}, perhaps {suggestion:?}"),
            Outcome::Wrong { problem, usage, .. } => format!("wrong: {problem} (usage: {usage})"),
            Outcome::TooMany => "too many".to_owned(),
        };
        format!("{}: {what}", parsed.line)
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn verbs_as_people_write_them() {
    insta::assert_snapshot!(told(r#"Looks good to me, let us go.

/trunkline promote prod v1.0
/trunkline STATUS
/Trunkline status stage --app shop
/promote prod
  /rollback prod v0.9 --sha ABCDEF1234567
/trunkline hold prod the cache is *cold*, see https://example.com/1 and `X-1`
/trunkline promote prod --force “database is down”
/trunkline
/trunkline help promote
/trunkline retry
"#), @r#"
    3: Promote { environment: "prod", version: Some("v1.0"), force: None }
    4: Status { environment: None }
    5: Status { environment: Some("stage") } app=shop
    6: Promote { environment: "prod", version: None, force: None }
    7: Rollback { environment: "prod", version: Some("v0.9") } sha=abcdef1234567
    8: Hold { environment: "prod", reason: Some("the cache is cold, see https://example.com/1 and X-1") }
    9: Promote { environment: "prod", version: None, force: Some("database is down") }
    10: Help { verb: None }
    11: Help { verb: Some(Promote) }
    12: Retry
    "#);
}

#[test]
fn what_is_written_wrongly_says_how() {
    insta::assert_snapshot!(told(r#"
/trunkline promte prod
/trunkline approve
/trunkline promote
/trunkline promote prod v1.0 now
/promote PROD
/promote prod ../../etc
/trunkline status --ap shop
/trunkline promote prod --force
/trunkline promote prod --force "reason
/rollback prod --force "x"
"#), @r#"
    2: unknown "promte", perhaps Some("promote")
    3: unknown "approve", perhaps None
    4: wrong: the environment is missing (usage: promote <env> [version] [--app name] [--sha commit] [--force "reason"])
    5: wrong: `now` is one word too many (usage: promote <env> [version] [--app name] [--sha commit] [--force "reason"])
    6: wrong: `PROD` cannot be an environment (usage: promote <env> [version] [--app name] [--sha commit] [--force "reason"])
    7: wrong: `../../etc` cannot be a version (usage: promote <env> [version] [--app name] [--sha commit] [--force "reason"])
    8: wrong: there is no option `--ap`; did you mean `--app`? (usage: status [env] [--app name])
    9: wrong: `--force` needs a value (usage: promote <env> [version] [--app name] [--sha commit] [--force "reason"])
    10: wrong: a quote is not closed (usage: promote <env> [version] [--app name] [--sha commit] [--force "reason"])
    11: wrong: `rollback` takes no `--force` (usage: rollback <env> [version] [--app name] [--sha commit])
    "#);
    insta::assert_snapshot!(told("/promote prod --app=shop --app=blog\n/promote prod --sha 12\n/trunkline help me"), @r#"
    1: wrong: `--app` stands twice (usage: promote <env> [version] [--app name] [--sha commit] [--force "reason"])
    2: wrong: `12` is no commit; write 7 to 40 hex digits (usage: promote <env> [version] [--app name] [--sha commit] [--force "reason"])
    3: wrong: there is no command `me` (usage: help [verb])
    "#);
}

/// What each line asks for by itself.
fn each(lines: &str) -> String {
    lines.trim().lines().map(|line| told(line).replacen("1: ", "", 1)).collect::<Vec<_>>().join("\n")
}

#[test]
fn e51_freezes_say_how_long_why_and_what_passes() {
    insta::assert_snapshot!(each(r#"
/freeze prod "db is down"
/freeze all for 4h the fair is on
/trunkline freeze prod until 2026-12-01T08:00 “the fair” --except label=hotfix
/freeze prod until 2026-12-01 x
/freeze prod until 2026-12-01T08:00:30+01:00 x --except "label=needs care"
/freeze prod "for ever and a day"
/unfreeze all
/unfreeze prod
/trunkline skip-soak prod "tested by hand" --app shop
/trunkline override img-001 "the vendor has no other tag" --sha ABCDEF1234567
/trunkline override main.deny_root x
/trunkline override cancel IMG-001
"#), @r#"
    Freeze(Freezing { environment: Some("prod"), end: None, reason: "db is down", except: None })
    Freeze(Freezing { environment: None, end: Some(For(4h)), reason: "the fair is on", except: None })
    Freeze(Freezing { environment: Some("prod"), end: Some(Until(2026-12-01T08:00:00Z)), reason: "the fair", except: Some("hotfix") })
    Freeze(Freezing { environment: Some("prod"), end: Some(Until(2026-12-01T00:00:00Z)), reason: "x", except: None })
    Freeze(Freezing { environment: Some("prod"), end: Some(Until(2026-12-01T07:00:30Z)), reason: "x", except: Some("needs care") })
    Freeze(Freezing { environment: Some("prod"), end: None, reason: "for ever and a day", except: None })
    Unfreeze { environment: None }
    Unfreeze { environment: Some("prod") }
    SkipSoak { environment: "prod", reason: "tested by hand" } app=shop
    Override { rule: "img-001", reason: "the vendor has no other tag" } sha=abcdef1234567
    Override { rule: "main.deny_root", reason: "x" }
    CancelOverride { rule: "IMG-001" }
    "#);
}

#[test]
fn what_is_frozen_or_overridden_wrongly_says_how() {
    let lines = each(
        r#"
/freeze
/freeze prod
/freeze prod for 4h
/freeze prod for the migration
/freeze prod for
/freeze prod until tomorrow "x"
/freeze prod until 2026-13-01 "x"
/freeze prod until 2026-12-01T08:00[Europe/Berlin] "x"
/freeze prod for 91d "x"
/freeze prod for 0h "x"
/freeze prod x --except hotfix
/freeze prod x --except label=
/promote prod --except label=x
/unfreeze
/unfreeze prod now
/trunkline skip-soak prod
/trunkline override
/trunkline override IMG-001
/trunkline override cancel
/trunkline override <b> x
/trunkline unfreze prod
"#,
    );
    let problems: Vec<&str> = lines.lines().map(|line| line.split(" (usage").next().unwrap_or_default()).collect();
    insta::assert_snapshot!(problems.join("\n"), @r#"
    wrong: the environment is missing
    wrong: the reason is missing; say why, in quotes
    wrong: the reason is missing; say why, in quotes
    wrong: `the` is no duration; write 30m, 4h or 2d, and put a reason that begins with `for` in quotes
    wrong: `for` needs a duration such as 30m, 4h or 2d
    wrong: `tomorrow` is no time; write it in UTC as 2026-12-01 or 2026-12-01T08:00, or with its offset
    wrong: `2026-13-01` is no time; write it in UTC as 2026-12-01 or 2026-12-01T08:00, or with its offset
    wrong: `2026-12-01T08:00[Europe/Berlin]` is no time; write it in UTC as 2026-12-01 or 2026-12-01T08:00, or with its offset
    wrong: a freeze lasts 90 days at most; close an environment for longer with `windows.exclude` in the configuration
    wrong: `0h` is no duration; write 30m, 4h or 2d, and put a reason that begins with `for` in quotes
    wrong: `--except` takes a label: `--except label=hotfix`
    wrong: `--except` takes a label: `--except label=hotfix`
    wrong: `promote` takes no `--except`
    wrong: the environment is missing
    wrong: `now` is one word too many
    wrong: the reason is missing; say why, in quotes
    wrong: the rule is missing; a finding names it, such as `IMG-001`
    wrong: the reason is missing; say why, in quotes
    wrong: the rule is missing; a finding names it, such as `IMG-001`
    wrong: the reason is missing; say why, in quotes
    unknown "unfreze", perhaps Some("unfreeze")
    "#);
}

#[test]
fn questions_and_what_ends_a_promotion() {
    insta::assert_snapshot!(told(r#"
/trunkline plan prod v1.2
/trunkline diff stage prod --app shop
/trunkline cancel
/trunkline cancel prod
/trunkline resync
/trunkline validate
/trunkline history
/trunkline history prod --app=shop
"#), @r#"
    2: Plan { environment: Some("prod"), version: Some("v1.2") }
    3: Diff { from: "stage", to: "prod" } app=shop
    4: Cancel { environment: None }
    5: Cancel { environment: Some("prod") }
    6: Resync
    7: Validate
    8: History { environment: None }
    9: History { environment: Some("prod") } app=shop
    "#);
    insta::assert_snapshot!(told(r#"
/trunkline plan prod v1.2 now
/trunkline diff stage
/trunkline diff
/trunkline validate prod
/trunkline cancel prod because
/trunkline cancle
/trunkline histroy
/trunkline resynch
/cancel
"#), @r#"
    2: wrong: `now` is one word too many (usage: plan [env] [version] [--app name])
    3: wrong: the second environment is missing (usage: diff <env> <env> [--app name])
    4: wrong: the environment is missing (usage: diff <env> <env> [--app name])
    5: wrong: `prod` is one word too many (usage: validate)
    6: wrong: `because` is one word too many (usage: cancel [env] [--app name])
    7: unknown "cancle", perhaps Some("cancel")
    8: unknown "histroy", perhaps Some("history")
    9: unknown "resynch", perhaps Some("resync")
    "#);
}

#[test]
fn other_peoples_slashes_are_nothing() {
    for body in [
        "",
        "/hold",
        "/override IMG-001 x",
        "/status",
        "/lgtm",
        "/etc/hosts",
        "/promote/x",
        "/trunklines status",
        "hello /promote prod",
        "//trunkline status",
        "/ trunkline status",
        "@trunkline promote prod",
        "no slash",
    ] {
        assert_eq!(parse(body), [], "{body}");
    }
}

#[test]
fn t27_e62_what_is_not_said_to_the_bot_never_runs() {
    for body in [
        "```\n/promote prod\n```",
        "~~~sh\n/promote prod",
        "    /promote prod",
        "text\n\n\t/promote prod",
        "`/promote prod`",
        "a `code span\n/promote prod\nover lines` b",
        "> /promote prod",
        "> quoted\n/promote prod",
        "> [!NOTE]\n> /promote prod",
        "<!-- /promote prod -->",
        "<!--\n/promote prod\n-->",
        "<!--\n\n/promote prod",
        "a <!-- b\n/promote prod\n--> c",
        "<div>\n/promote prod\n</div>",
        "<pre>\n\n/promote prod\n\n</pre>",
        "<b title='\n/promote prod\n'>x</b>",
        "- /promote prod",
        "1. one\n/promote prod",
        "- [ ] /promote prod",
        "# /promote prod",
        "/promote prod\n---",
        "| a |\n|---|\n| /promote prod |",
        "[/promote prod](https://example.com)",
        "[a\n/promote prod\nb](https://example.com)",
        "![a\n/promote prod\nb](https://example.com)",
        "**a\n/promote prod\nb**",
        "\\/promote prod",
        "&#47;promote prod",
        "[x]: https://example.com \"\n/promote prod\n\"",
        "[^1]: note\n/promote prod\n\n[^1]",
    ] {
        assert_eq!(parse(body), [], "{body}");
    }
}

#[test]
fn lines_keep_their_numbers_after_swallowed_ones() {
    assert_eq!(told("a `b\nc` d\r\n/trunkline retry\n\n\n<!-- x -->\n\n/trunkline retry"), "3: Retry\n8: Retry");
}

#[test]
fn hidden_text_is_no_argument() {
    assert_eq!(
        told("/trunkline hold prod <!-- not this --> really"),
        "1: Hold { environment: \"prod\", reason: Some(\"really\") }"
    );
}

#[test]
fn at_most_ten_commands_a_comment() {
    let parsed = parse(&"/trunkline retry\n".repeat(500));
    assert_eq!(parsed.len(), 11);
    assert_eq!(parsed[10].outcome, Outcome::TooMany);
    assert_eq!(parse(&"/trunkline retry\n".repeat(100_000)), []);
}

#[test]
fn the_table_stands_in_the_order_of_the_verbs() {
    for (index, info) in VERBS.iter().enumerate() {
        assert_eq!(info.verb as usize, index);
        assert_eq!(info.verb.info(), info);
        assert!(info.usage.starts_with(info.name));
    }
    let rows = help(None, |right| if right <= Right::Promote { You::Yes } else { You::No });
    assert_eq!(rows.iter().filter(|row| row.you == You::Yes).count(), 10);
    assert_eq!(help(Some(Verb::Hold), |_| You::Yes).len(), 1);
}

#[test]
fn force_needs_more_than_promote() {
    let right = |body: &str| match &parse(body)[0].outcome {
        Outcome::Run(request) => request.command.right(),
        other => panic!("{other:?}"),
    };
    assert_eq!(right("/promote prod"), Right::Promote);
    assert_eq!(right("/promote prod --force x"), Right::Bypass);
}

#[test]
fn e62_hostile_bodies_are_read_in_bounded_time() {
    let most = 65_536;
    for piece in [
        "> ",
        "- ",
        "[",
        "![",
        "`",
        "*a ",
        "**",
        "_a",
        "<",
        "<!--",
        "[a](",
        "|a",
        "\n|-",
        "~",
        "\\",
        "&#",
        "[^a]",
        "[a]: b\n",
        "/promote prod `",
        "1. ",
    ] {
        let body = piece.repeat(most / piece.len());
        parse(&body);
        parse(&format!("{body}\n\n/promote prod"));
    }
}

const PIECES: &[&str] = &[
    "/promote prod",
    "/trunkline retry",
    "```",
    "`",
    "``",
    "> ",
    "- ",
    "    ",
    "<!--",
    "-->",
    "<pre>",
    "</pre>",
    "<div>",
    "\n",
    "\n\n",
    "text",
    "*",
    "[",
    "](x)",
    "# ",
    "---",
    "|",
    "\\",
    "~~~",
    "\t",
    "\"",
    "\r\n",
    "é",
    "/",
];

/// The plain-text paragraphs of a comment, found another way: by rendering it and keeping what stands in no element but `<p>`.
fn seen_in_plain_paragraphs(body: &str) -> String {
    let arena = comrak::Arena::new();
    let mut options = comrak::Options::default();
    options.extension.table = true;
    options.extension.strikethrough = true;
    options.extension.tasklist = true;
    options.extension.footnotes = true;
    let root = comrak::parse_document(&arena, body, &options);
    let mut seen = String::new();
    for node in root.descendants() {
        if let NodeValue::Text(text) = &node.data.borrow().value {
            let plain = node
                .ancestors()
                .skip(1)
                .all(|above| matches!(above.data.borrow().value, NodeValue::Paragraph | NodeValue::Document));
            if plain {
                seen.push_str(text);
                seen.push('\n');
            }
        }
    }
    seen
}

proptest! {
    #[test]
    fn no_comment_breaks_the_parser(body in any::<String>()) {
        parse(&body);
    }

    #[test]
    fn t27_only_visible_plain_lines_run(pieces in prop::collection::vec(prop::sample::select(PIECES), 0..24)) {
        let body = pieces.concat();
        let seen = seen_in_plain_paragraphs(&body);
        let lines: Vec<&str> = body.split('\n').collect();
        for parsed in parse(&body) {
            let start: String = parsed.text.split_whitespace().take(1).collect();
            prop_assert!(seen.lines().any(|line| line.starts_with(&start)), "{:?} ran in {body:?}", parsed);
            let raw = lines[parsed.line as usize - 1];
            prop_assert!(raw.trim_start().starts_with(&start), "{:?} is not line {} of {body:?}", parsed, parsed.line);
        }
    }

    #[test]
    fn t27_fences_hide_everything(inner in "[a-z/ \n]{0,60}") {
        let clean = inner.replace("\n/", "\n/promote /");
        prop_assert_eq!(parse(&format!("````\n{clean}\n/promote prod\n````\n")), []);
        prop_assert_eq!(parse(&format!("<!--\n{clean}\n/promote prod\n-->\n")), []);
    }
}
