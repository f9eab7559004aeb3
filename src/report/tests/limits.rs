use proptest::prelude::*;

use super::*;
use crate::model::pipeline::Mode;
use crate::model::plan::CheckOutput;
use crate::report::check::{CheckInput, check};
use crate::report::comment::{CommentInput, comment};
use crate::report::limits::{Section, fit, whole_lines};
use crate::report::promotion::{self, Audience, ChangelogEntry, PromotionInput, PromotionKind};

/// A report of megabytes: 60 environments, each with hundreds of long diffs and findings.
fn huge() -> Evaluation {
    let environments = (0..60).map(|n| {
        let mut env = environment(&format!("env-{n}"));
        env.changes = (0..200)
            .map(|i| Change {
                object: object("Deployment", &format!("d{i}")),
                diff: "+ ü line\n".repeat(400),
                ..env.changes[0].clone()
            })
            .collect();
        env.findings = (0..200)
            .map(|i| finding("IMG-001", Severity::Error, Delta::New, &format!("{n} {i} {}", "long ".repeat(400))))
            .collect();
        env
    });
    Evaluation { environments: environments.collect(), findings: Vec::new(), ..Evaluation::default() }
}

#[test]
fn t37_e53_a_report_of_megabytes_fits() {
    let evaluation = huge();
    let verdict = waiting();
    let text = comment(&CommentInput {
        repo_url: REPO,
        head: oid('a'),
        evaluation: &evaluation,
        verdict: Some(&verdict),
        mode: Mode::Enforce,
        check_url: Some("https://github.com/acme/environments/runs/1"),
        picture: None,
    });
    assert!(text.len() <= 60_000, "{}", text.len());
    // The most important is there: the table, the gates, the first findings, what is missing, the footer.
    for part in [
        "| `env-59` |",
        "#### Gates",
        "#### New findings",
        "findings left out here",
        "[the check has the whole report]",
        "Checked at",
    ] {
        assert!(text.contains(part), "{part}");
    }
    assert_eq!(text.matches("<details>").count(), text.matches("</details>").count());
    let check = check(&CheckInput {
        repo_url: REPO,
        head: oid('a'),
        evaluation: &evaluation,
        verdict: None,
        mode: Mode::Enforce,
        queue: false,
    });
    assert!(check.summary.len() <= 60_000 && check.text.len() <= 60_000 && check.title.chars().count() <= 250);
    assert_eq!(check.annotations.len(), 500);
    // It goes on over further pages, each whole in itself, up to the last one there may be.
    assert_eq!(check.pages.len(), 7);
    assert!(check.pages.iter().all(|page| page.len() <= 60_000 && page.len() > 50_000));
    for page in [&check.text].into_iter().chain(&check.pages) {
        assert_eq!(page.matches("<details>").count(), page.matches("</details>").count());
    }
    assert!(check.text.contains("findings left out here: the check `trunkline (page 2)` goes on"));
    assert!(check.pages[6].contains("`trunkline check` on your own machine shows everything"));
    assert!(check.annotations.iter().all(|a| a.message.len() <= 64_000 && a.title.chars().count() <= 250));
}

#[test]
fn t37_a_changelog_of_years_fits() {
    let entry =
        ChangelogEntry { commit: oid('b'), title: "*".repeat(5_000), author: "@".repeat(500), pull: Some(u64::MAX) };
    let changelog = vec![entry; 5_000];
    let body = promotion::body(&PromotionInput {
        kind: PromotionKind::Promote,
        app: "shop",
        environment: "prod",
        version: "v1.0",
        commit: oid('b'),
        from: Some(("v0.1", Some(oid('c')))),
        source_url: SOURCE,
        audience: Audience::Same,
        cause: "",
        images: &[],
        fields: &[],
        changelog: &changelog,
        changelog_total: 5_000,
    });
    assert!(body.len() <= 60_000);
    assert!(body.contains("commits left out here") || body.contains("- and 4900 more"), "{}", body.len());
}

#[test]
fn what_matters_most_stays() {
    let item = |n: usize| format!("item {n} {}\n", "x".repeat(90));
    let section = |rank, noun, n| Section {
        rank,
        open: format!("[{noun}]\n"),
        items: (0..n).map(item).collect(),
        close: "[/]\n".into(),
        noun,
        ..Section::default()
    };
    let sections = [section(5, "diff", 5), section(1, "finding", 8), Section::whole(0, "footer\n")];
    insta::assert_snapshot!(fit(&sections, 1_500, "look there"), @r#"
    [finding]
    item 0 xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx
    item 1 xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx
    item 2 xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx
    item 3 xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx
    item 4 xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx
    item 5 xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx
    item 6 xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx
    item 7 xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx
    [/]
    footer

    *Left out, because it would not fit: 5 diffs; look there*
    "#);
}

#[test]
fn nothing_is_lost_and_everything_is_told_once_over_pages() {
    let mut evaluation = huge();
    evaluation.environments.truncate(1);
    evaluation.environments[0].findings.truncate(100);
    let check = check(&CheckInput {
        repo_url: REPO,
        head: oid('a'),
        evaluation: &evaluation,
        verdict: None,
        mode: Mode::Enforce,
        queue: false,
    });
    assert_eq!(CheckOutput::pages_of(&check.fingerprint()), check.pages.len());
    let all = check.pages.iter().fold(check.text.clone(), |all, page| all + page);
    for n in 0..100 {
        assert_eq!(all.matches(&format!("<br>0 {n} long ")).count(), 1, "{n}");
    }
    // What matters most comes first.
    let first = |what: &str| [&check.text].into_iter().chain(&check.pages).position(|page| page.contains(what));
    assert_eq!(first("<br>0 0 long "), Some(0));
    assert!(first("Deployment shop/d199").is_none_or(|page| page > 0));
    assert_eq!(CheckOutput::pages_of("v1-0123456789abcdef"), 0);
}

#[test]
fn lines_are_cut_whole() {
    assert_eq!(whole_lines("a\nbb\nccc\n", 5), ("a\nbb\n", 1));
    assert_eq!(whole_lines("äääää", 3), ("", 1));
    assert_eq!(whole_lines("a", 1), ("a", 0));
}

proptest! {
    #[test]
    fn t37_fit_never_exceeds(
        shape in prop::collection::vec((0u8..7, 0usize..900, prop::collection::vec(0usize..900, 0..20), 0usize..50), 0..12),
        limit in 1_000usize..6_000,
    ) {
        let sections: Vec<Section> = shape.iter().map(|(rank, open, items, close)| Section {
            rank: *rank,
            open: "o".repeat(*open),
            items: items.iter().map(|n| "i".repeat(*n)).collect(),
            close: "c".repeat(*close),
            noun: "thing",
                    ..Section::default()
        }).collect();
        prop_assert!(fit(&sections, limit, "elsewhere").len() <= limit);
    }
}
