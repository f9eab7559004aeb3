use std::sync::LazyLock;

use comrak::nodes::NodeValue;
use comrak::{Arena, Options, parse_document};
use proptest::prelude::*;
use regex::Regex;

use super::*;
use crate::command;
use crate::model::pipeline::Mode;
use crate::model::pipeline::{Merge, Via};
use crate::model::suggestion::Suggestion;
use crate::report::check::{CheckInput, check};
use crate::report::comment::{CommentInput, comment};
use crate::report::configuration::{ConfigurationInput, Says, configuration};
use crate::report::difference::{DifferenceInput, Side, difference};
use crate::report::history::{Event, HistoryInput, What, history};
use crate::report::markdown::{block, cell_code, code, html, lines, prose, text};
use crate::report::promotion::{self, Audience, ChangelogEntry, PromotionInput, PromotionKind};
use crate::report::{github, json, reply, sarif, suggestion, terminal, verdict};

/// What people have tried elsewhere, and pieces to make new tries of.
const PIECES: &[&str] = &[
    "@org/everyone",
    "@ada",
    "#123",
    "acme/shop#1",
    "GH-12",
    "</details>",
    "<details>",
    "</summary>",
    "</code>",
    "`",
    "``",
    "```",
    "~~~",
    "\n",
    "\n\n",
    "\r\n",
    " ",
    "    ",
    "\t",
    "<!-- trunkline:v1 sticky 00 -->",
    "<!--",
    "-->",
    "![x](https://evil.example/x.png)",
    "[x](https://evil.example)",
    "[x][1]",
    "\n[1]: https://evil.example\n",
    "https://evil.example/a",
    "http://evil.example",
    "www.evil.example",
    "ftp://evil.example",
    "a@evil.example",
    "mailto:a@evil.example",
    "<https://evil.example>",
    "<img src=x>",
    "<script>",
    "&lt;b&gt;",
    "&#64;ada",
    "&commat;ada",
    "\u{202e}",
    "\u{200b}",
    "\u{2066}",
    "\u{7}",
    "\u{1b}[31m",
    "|",
    "\\",
    "\\|",
    "*",
    "**",
    "_",
    "~~",
    "[",
    "]",
    "(",
    ")",
    "!",
    "# ",
    "- ",
    "1. ",
    "> ",
    "---",
    "===",
    "+++",
    "$x$",
    "$$",
    "[^1]",
    "[^1]: x",
    "- [ ] ",
    "[!NOTE]",
    ":tada:",
    "v1.0",
    "text",
    "é",
    "/trunkline promote prod",
    "xmpp:a@b.c",
    "}",
    "{",
];

fn hostile() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => prop::collection::vec(prop::sample::select(PIECES), 0..8).prop_map(|pieces| pieces.concat()),
        1 => any::<String>(),
    ]
}

fn github_options() -> Options<'static> {
    let mut options = Options::default();
    options.extension.table = true;
    options.extension.strikethrough = true;
    options.extension.tasklist = true;
    options.extension.autolink = true;
    options.extension.footnotes = true;
    options.extension.alerts = true;
    options
}

/// What our own texts may contain; anything else came from the hostile one.
const OUR_TAGS: &str = r"</?(details|summary|code|sub)>|<br>|<!-- trunkline:v1 [a-z0-9-]+ [0-9a-f]{16} -->";

/// Everything in a text that others could have put there: links elsewhere, images, HTML, mentions, references, tricks.
fn intruders(markdown: &str) -> Vec<String> {
    let arena = Arena::new();
    let root = parse_document(&arena, markdown, &github_options());
    static OURS: LazyLock<Regex> = LazyLock::new(|| Regex::new(OUR_TAGS).unwrap());
    static MENTION: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"(?i)@[a-z0-9]|#[0-9]|\bgh-[0-9]|://|\bwww\.").unwrap());
    let (ours, mention) = (&*OURS, &*MENTION);
    let mut found = Vec::new();
    let mut html = |literal: &str| {
        let rest = ours.replace_all(literal, "");
        if rest.contains('<') || rest.contains('>') || mention.is_match(&rest) {
            found.push(format!("html {literal:?}"));
        }
    };
    let mut rest = Vec::new();
    for node in root.descendants() {
        match &node.data.borrow().value {
            NodeValue::HtmlBlock(block) => html(&block.literal),
            NodeValue::HtmlInline(literal) => html(literal),
            NodeValue::Link(link) if !link.url.starts_with(REPO) && !link.url.starts_with(SOURCE) => {
                rest.push(format!("link {}", link.url))
            }
            NodeValue::Image(image) => rest.push(format!("image {}", image.url)),
            NodeValue::FootnoteReference(_) | NodeValue::FootnoteDefinition(_) => rest.push("footnote".to_owned()),
            NodeValue::Text(text) if mention.is_match(text) => rest.push(format!("mention {text:?}")),
            _ => {}
        }
    }
    let trick = |c: &char| {
        (c.is_control() && !matches!(c, '\n' | '\t'))
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    rest.extend(markdown.chars().find(trick).map(|c| format!("trick {c:?}")));
    found.extend(rest);
    found
}

/// The kinds of a document's blocks, without what stands in them: hostile text must not add or close any.
fn skeleton(markdown: &str) -> Vec<String> {
    let arena = Arena::new();
    let root = parse_document(&arena, markdown, &github_options());
    let inline = |value: &NodeValue| !value.block();
    let kinds = root.descendants().filter(|node| !inline(&node.data.borrow().value));
    kinds.map(|node| format!("{:?}", std::mem::discriminant(&node.data.borrow().value))).collect()
}

fn evil_world(words: &[String]) -> Evaluation {
    let word = |n: usize| words[n % words.len()].clone();
    let mut evaluation = world();
    for env in &mut evaluation.environments {
        env.environment = word(0);
        for change in &mut env.changes {
            change.object.name = word(1);
            change.object.kind = word(2);
            change.diff = format!("+{}\n-{}\n", word(3), word(4));
            change.was = Some(ObjectName { name: word(5), namespace: word(6), ..change.object.clone() });
            change.follows = vec![word(7), word(0)];
        }
        if let Some(last) = env.changes.first().cloned() {
            env.changes.push(Change { diff: String::new(), lines: (0, 0), ..last });
        }
        env.amounts = vec![AmountChange { what: word(1), of: word(2), from: word(3), to: word(4) }];
        for image in &mut env.images {
            (image.name, image.from, image.to) =
                (format!("x/{}", word(5)), format!("a{}", word(6)), format!("b{}", word(7)));
        }
        for finding in &mut env.findings {
            (finding.rule, finding.message, finding.why, finding.fix) =
                (word(1), word(2), format!("w{}", word(3)), format!("f{}", word(4)));
            if let Some(object) = &mut finding.object {
                object.namespace = word(6);
            }
            let path = "base/frontend.yaml".parse().unwrap();
            finding.suggestion = Some(Suggestion { path, first: 1, last: 1, before: word(5), after: word(6) });
            // Paths cannot hold everything; what they can is tried.
            if let (Some(location), Ok(path)) = (&mut finding.location, format!("x/{}", word(7)).parse()) {
                location.path = path;
            }
        }
    }
    evaluation
}

fn evil_verdict(words: &[String]) -> Verdict {
    let mut verdict = waiting();
    for (n, reason) in verdict.because.iter_mut().enumerate() {
        reason.text = words[n % words.len()].clone();
        reason.code = words[(n + 1) % words.len()].clone();
        reason.next = Some(words[(n + 2) % words.len()].clone());
    }
    verdict
}

fn promotion_of<'a>(words: &'a [String], changelog: &'a [ChangelogEntry]) -> PromotionInput<'a> {
    PromotionInput {
        kind: PromotionKind::Promote,
        app: &words[0],
        environment: &words[1],
        version: &words[2],
        commit: oid('b'),
        from: Some((&words[3], Some(oid('c')))),
        source_url: SOURCE,
        audience: Audience::Same,
        cause: &words[4],
        images: &[],
        fields: &[],
        changelog,
        changelog_total: changelog.len(),
    }
}

fn step<'a>(words: &'a [String], verdict: &'a Verdict) -> reply::Step<'a> {
    let image = ImageChange { name: words[3].clone(), from: words[4].clone(), to: words[5].clone() };
    let writes = reply::Writes {
        images: vec![image],
        fields: at("environments/prod/kustomization.yaml", 9, 3).into_iter().collect(),
        via: Via::PullRequest,
        merge: Merge::Auto,
        open: Some((1, format!("{REPO}/pull/1"))),
    };
    reply::Step { app: &words[0], environment: &words[1], verdict, writes: Some(writes) }
}

fn difference_of(words: &[String], evaluation: &Evaluation, changelog: &[ChangelogEntry]) -> String {
    let since = "2026-11-02T10:00:00Z".parse().unwrap();
    let side =
        |name| Side { name, holds: Some((&words[2], Some(oid('c')), since)), alone: Some((changelog.to_vec(), 7)) };
    difference(&DifferenceInput {
        app: &words[0],
        sides: [side(&words[1]), side(&words[3])],
        source_url: SOURCE,
        audience: Audience::Same,
        evaluation: Some(evaluation),
        repo_url: REPO,
        at: oid('a'),
    })
}

fn history_of(words: &[String]) -> String {
    let at = "2026-11-02T10:00:00Z".parse().unwrap();
    let evil = format!("{REPO}/{}", words[5]);
    let events = vec![
        Event { at, what: What::Decided(&words[2], Some(&words[3])) },
        Event { at, what: What::Decided(&words[4], Some(&evil)) },
        Event { at, what: What::Came(&words[6], Some(oid('c')), oid('d')) },
    ];
    history(&words[0], &[HistoryInput { environment: &words[1], events }], REPO, SOURCE)
}

fn problems_of(words: &[String]) -> String {
    let place = at("a.yaml", 1, 1);
    let says = Says::Problems(vec![(place.as_ref(), &words[0], &words[1]), (None, &words[2], "")]);
    configuration(&ConfigurationInput { repo_url: REPO, head: oid('a'), of: "this pull request", says, now: None })
}

#[test]
fn t36_what_was_tried_elsewhere() {
    for piece in PIECES {
        for shown in
            [text(piece), code(piece), prose(piece), format!("a {} b", text(piece)), format!("- {}", prose(piece))]
        {
            assert_eq!(intruders(&shown), [] as [String; 0], "{piece:?} as {shown:?}");
        }
        assert_eq!(intruders(&block("diff", piece)), [] as [String; 0], "{piece:?}");
    }
    insta::assert_snapshot!(seen(&text("Hi @ada, see #12, https://x.example and <b>this</b> `code` *now* | v1.0_x")), @r#"Hi @{joiner}ada, see \#{joiner}12, https:{joiner}//x.example and \<b\>this\</b\> \`code\` \*now\* \| v1.0\_x"#);
    insta::assert_snapshot!(seen(&prose("the image `a``b` and `@ada` of @ada")), @r#"the image `a``b` and `@ada` of @{joiner}ada"#);
    insta::assert_snapshot!(code("a`b``c`"), @r#"``` a`b``c` ```"#);
    insta::assert_snapshot!(cell_code("a|b"), @r#"`a\|b`"#);
    insta::assert_snapshot!(seen(&html("</summary>@ada & \"x\"")), @r#"&lt;/summary&gt;@{joiner}ada &amp; &quot;x&quot;"#);
    insta::assert_snapshot!(block("diff", "+ ```\n+ ````\n"), @r#"
    `````diff
    + ```
    + ````
    `````
    "#);
    assert_eq!(lines("a\u{202e}b\u{1b}c\nd", 10), "abc\nd");
}

/// Credentials made up for this test, in pieces so that no scanner takes this file for a leak.
fn canaries() -> Vec<String> {
    let long = "Zq7".repeat(14);
    let mut canaries: Vec<String> = ["ghp_", "ghs_", "github_pat_", "glpat-", "xoxb-", "AIza", "sk_live_", "npm_"]
        .iter()
        .map(|start| format!("{start}{long}"))
        .collect();
    canaries.push(format!("AKIA{}", "Q7".repeat(8)));
    canaries.push(format!("AGE-SECRET-KEY-1{}", "Q7".repeat(29)));
    canaries.push(format!("eyJ{long}.eyJ{long}.{long}"));
    canaries.push(format!("-----BEGIN PRIVATE KEY-----\n+{long}\n+-----END PRIVATE KEY-----"));
    canaries
}

#[test]
fn t35_canaries_show_in_no_text() {
    for canary in canaries() {
        let words = vec![canary.clone(), format!("see {canary}, please"), format!("postgres://shop:{canary}@db")];
        let (mut evaluation, verdict) = (evil_world(&words), evil_verdict(&words));
        // A file's name is shown as it is: it must lead to the file, and whoever reads this reads the repository.
        for finding in evaluation.environments.iter_mut().flat_map(|env| &mut env.findings) {
            finding.location = at("base/frontend.yaml", 1, 1);
        }
        let quiet = |_: &crate::model::path::RepoPath, _| Some(words[1].clone());
        let changelog =
            [ChangelogEntry { commit: oid('d'), title: words[1].clone(), author: words[0].clone(), pull: None }];
        let words: Vec<String> = words.iter().cycle().take(8).cloned().collect();
        let input = promotion_of(&words, &changelog);
        let check = check(&CheckInput {
            repo_url: REPO,
            head: oid('a'),
            evaluation: &evaluation,
            verdict: Some(&verdict),
            mode: Mode::Enforce,
            queue: false,
        });
        let notes: String = check.annotations.iter().map(|note| format!("{}{}", note.title, note.message)).collect();
        let said = [
            comment(&CommentInput {
                repo_url: REPO,
                head: oid('a'),
                evaluation: &evaluation,
                verdict: Some(&verdict),
                mode: Mode::Enforce,
                check_url: None,
                picture: None,
            }),
            check.title,
            check.summary,
            check.text,
            notes,
            promotion::title(&input),
            promotion::body(&input),
            promotion::commit_message(&input),
            reply::plan(&[step(&words, &verdict)], true),
            reply::this_change(&evaluation),
            verdict::plain(&verdict),
            terminal::terminal(&evaluation, &quiet, true),
            github::workflow_commands(&evaluation),
            sarif::sarif(&evaluation, "0.1.0").to_string(),
            json::json(&evaluation).to_string(),
        ];
        let secret = canary.lines().nth(1).unwrap_or(&canary).trim_start_matches('+');
        for text in said {
            assert!(!text.contains(secret) && !text.contains("Zq7Zq7Zq7Zq7Zq7Zq7"), "{canary} in {text}");
        }
    }
}

proptest! {
    // Each case renders and parses whole reports; the pieces are few, so this many meet each other.
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn t36_comments_carry_nothing_foreign(words in prop::collection::vec(hostile(), 8)) {
        let (evaluation, verdict) = (evil_world(&words), evil_verdict(&words));
        let input = CommentInput { repo_url: REPO, head: oid('a'), evaluation: &evaluation, verdict: Some(&verdict), mode: Mode::Enforce, check_url: None, picture: None };
        let said = comment(&input);
        prop_assert_eq!(intruders(&said), [] as [String; 0], "{}", said);
        // What others wrote opens and closes no block of ours: as with harmless words.
        let tame: Vec<String> = (0..8).map(|n| format!("w{n}")).collect();
        if words.iter().all(|word| text(word).len() > 1) {
            let (evaluation, verdict) = (evil_world(&tame), evil_verdict(&tame));
            let calm = comment(&CommentInput { evaluation: &evaluation, verdict: Some(&verdict), ..input });
            if calm.matches("\n- ").count() == said.matches("\n- ").count() && calm.matches("<details>").count() == said.matches("<details>").count() {
                prop_assert_eq!(skeleton(&calm), skeleton(&said), "{}", said);
            }
        }
    }

    #[test]
    fn t36_checks_promotions_and_replies_carry_nothing_foreign(words in prop::collection::vec(hostile(), 8)) {
        let (evaluation, verdict) = (evil_world(&words), evil_verdict(&words));
        let check = check(&CheckInput { repo_url: REPO, head: oid('a'), evaluation: &evaluation, verdict: Some(&verdict), mode: Mode::Observe, queue: false });
        prop_assert_eq!(intruders(&check.summary), [] as [String; 0]);
        prop_assert_eq!(intruders(&check.text), [] as [String; 0]);
        prop_assert!(!check.title.contains('\n') && check.title.chars().count() <= 250);
        let changelog = [ChangelogEntry { commit: oid('d'), title: words[5].clone(), author: words[6].clone(), pull: Some(1) }];
        let input = promotion_of(&words, &changelog);
        let body = promotion::body(&input);
        prop_assert_eq!(intruders(&body), [] as [String; 0], "{}", body);
        prop_assert!(promotion::title(&input).chars().count() <= 250 && !promotion::title(&input).contains('\n'));
        let row = reply::StatusRow {
            environment: &words[0], app: &words[1], version: Some(&words[2]), commit: Some(oid('c')), source_url: SOURCE, since: None,
            open: Some((&words[3], 1)), verdict: Some(&verdict),
        };
        let other = reply::StatusRow { app: "other", ..row.clone() };
        let rows = [row, other];
        let answers = [
            reply::status(&rows, REPO),
            reply::status_of_many(&rows, (9, 30), REPO),
            reply::plan(&[step(&words, &verdict)], true),
            reply::would_not(&words[0], &verdict),
            reply::to_ask_for(&words[0], &words[1]),
            difference_of(&words, &evaluation, &changelog),
            history_of(&words),
            problems_of(&words),
        ];
        let findings = evaluation.all_findings().map(|(_, finding)| finding);
        let offered: Vec<_> = findings.filter_map(|finding| Some((finding, finding.suggestion.as_ref()?))).collect();
        for remark in suggestion::review((1, oid('a')), &offered, 0).remarks {
            prop_assert_eq!(intruders(&remark.body), [] as [String; 0], "{}", remark.body);
        }
        for answer in answers {
            prop_assert_eq!(intruders(&answer), [] as [String; 0], "{}", answer);
        }
        for parsed in command::parse(&format!("/trunkline {}\n/promote {}", words[4], words[5])) {
            let answer = reply::misread(&parsed).unwrap_or_default() + &reply::refusal(&parsed, &verdict);
            prop_assert_eq!(intruders(&answer), [] as [String; 0], "{}", answer);
            // Our own reply, read by us, must start nothing.
            prop_assert_eq!(command::parse(&answer), []);
        }
    }

    #[test]
    fn t36_plain_places_stay_plain(words in prop::collection::vec(hostile(), 8)) {
        let (evaluation, verdict) = (evil_world(&words), evil_verdict(&words));
        let quiet = |_: &crate::model::path::RepoPath, _| Some(words[0].clone());
        let shown = terminal::terminal(&evaluation, &quiet, false) + &verdict::plain(&verdict);
        prop_assert!(!shown.chars().any(|c| (c.is_control() && c != '\n') || matches!(c, '\u{202a}'..='\u{202e}')), "{:?}", shown);
        for line in github::workflow_commands(&evaluation).lines() {
            prop_assert!(line.starts_with("::error ") || line.starts_with("::warning ") || line.starts_with("::notice "), "{}", line);
        }
        let message = promotion::commit_message(&promotion_of(&words, &[]));
        prop_assert_eq!(message.matches("\nTrunkline-").count(), 4, "{}", message);
    }
}
