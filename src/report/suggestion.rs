//! What mends new findings, as a review whose remarks GitHub offers to commit.

use sha2::{Digest, Sha256};

use super::markdown::{block, code, prose};
use super::marker::{Marker, mark};
use super::words::count;
use crate::model::finding::Finding;
use crate::model::id::Oid;
use crate::model::suggestion::{Remark, Review, Suggestion};

/// The hidden line of a review's text that names what it offers.
const KEYS: &str = "<!-- trunkline:suggestions ";
const END: &str = " -->";

/// What a suggestion is about, whatever line it stands on: the same one is never made twice on one pull request.
pub fn key(finding: &Finding, suggestion: &Suggestion) -> String {
    let mut hash = Sha256::new();
    for part in [finding.rule.as_str(), suggestion.path.as_str(), &suggestion.before, &suggestion.after] {
        hash.update(part.as_bytes());
        hash.update([0]);
    }
    hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

/// The keys of what a review of ours offers; none for other texts. Who wrote it must be checked beside.
pub fn keys(body: &str) -> impl Iterator<Item = &str> {
    let line = body.lines().nth(1).and_then(|line| line.strip_prefix(KEYS)?.strip_suffix(END));
    line.into_iter().flat_map(|keys| keys.split(' '))
}

/// Whether GitHub can show the lines as they are: what hides, reorders or looks like a credential would be shown otherwise, and taken
/// over otherwise.
pub fn can_be_shown(suggestion: &Suggestion) -> bool {
    let shown = block("suggestion", &suggestion.after);
    !suggestion.after.ends_with('\n') && shown.contains(&format!("suggestion\n{}\n```", suggestion.after))
}

/// The review that offers these, of which `more` are left out.
pub fn review((number, head): (u64, Oid), offered: &[(&Finding, &Suggestion)], more: usize) -> Review {
    let keys: Vec<String> = offered.iter().map(|(finding, suggestion)| key(finding, suggestion)).collect();
    let more = match more {
        0 => String::new(),
        more => format!(" It lists {more} more that can."),
    };
    let how = match offered.len() {
        1 => "the suggestion below as it is",
        _ => "the suggestions below as they are, one by one or together from *Files changed*",
    };
    let text = format!(
        "{} here can be mended by committing {how}. The check `trunkline` says why, and looks again after that.{more}\n",
        count(offered.len(), "new finding")
    );
    let (first, rest) = mark(&Marker::Suggestions, &text)
        .split_once('\n')
        .map_or_else(|| (String::new(), text.clone()), |(first, rest)| (first.to_owned(), rest.to_owned()));
    let remarks = offered.iter().map(|(finding, suggestion)| remark(finding, suggestion)).collect();
    Review { number, head, body: format!("{first}\n{KEYS}{}{END}\n{rest}", keys.join(" ")), remarks }
}

fn remark(finding: &Finding, suggestion: &Suggestion) -> Remark {
    let key = key(finding, suggestion);
    let body = format!(
        "<!-- trunkline:v1 suggestion {key} -->\n**{}** {}: {}\n\n{}",
        finding.severity,
        code(&finding.rule),
        prose(&finding.message),
        block("suggestion", &suggestion.after)
    );
    Remark { path: suggestion.path.clone(), first: suggestion.first, last: suggestion.last, body }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::finding::Severity;

    fn suggestion(after: &str) -> Suggestion {
        Suggestion {
            path: "env/web.yaml".parse().unwrap(),
            first: 7,
            last: 7,
            before: "  selectr: x".into(),
            after: after.into(),
        }
    }

    fn offer(message: &str, after: &str) -> Review {
        let finding = Finding::new("SCH-001", Severity::Error, message);
        let head = "a".repeat(40).parse().unwrap();
        review((7, head), &[(&finding, &suggestion(after))], 3)
    }

    #[test]
    fn what_is_offered_is_named_and_found_again() {
        let made = offer("`spec.selectr` is no field of Service", "  selector: x");
        insta::assert_snapshot!(made.body, @"
        <!-- trunkline:v1 suggestions 2a9ae2be1a2549b2 -->
        <!-- trunkline:suggestions 120b4c98c60cdeb6 -->
        1 new finding here can be mended by committing the suggestion below as it is. The check `trunkline` says why, and looks again after that. It lists 3 more that can.
        ");
        insta::assert_snapshot!(made.remarks[0].body, @"
        <!-- trunkline:v1 suggestion 120b4c98c60cdeb6 -->
        **error** `SCH-001`: `spec.selectr` is no field of Service

        ```suggestion
          selector: x
        ```
        ");
        let finding = Finding::new("SCH-001", Severity::Error, "said otherwise");
        assert_eq!(keys(&made.body).collect::<Vec<_>>(), [key(&finding, &suggestion("  selector: x"))]);
        assert_ne!(key(&finding, &suggestion("  selector: y")), key(&finding, &suggestion("  selector: x")));
        assert_eq!(keys("hello\n<!-- else -->\n").count(), 0);
    }

    #[test]
    fn t36_hostile_lines_stay_in_their_block_and_hostile_words_in_theirs() {
        let after = "  a: \"```\\n@acme/sre <b>\" # ````";
        let made = offer("`@acme/sre` <img> ![x](y) ``` /trunkline promote prod", after);
        // The joiner that keeps a mention from being one is invisible, and clippy wants no such thing in a source.
        insta::assert_snapshot!(made.remarks[0].body.replace('\u{2060}', "<joiner>"), @r#"
        <!-- trunkline:v1 suggestion 41856e9f9a657821 -->
        **error** `SCH-001`: \`@<joiner>acme/sre\` \<img\> \!\[x\](y) \`\`\` /trunkline promote prod

        `````suggestion
          a: "```\n@acme/sre <b>" # ````
        `````
        "#);
        assert!(can_be_shown(&suggestion(after)));
        for after in ["a: \u{202e}b", "a: ghp_0123456789abcdefghijABCDEFGHIJ012345", "a: b\n"] {
            assert!(!can_be_shown(&suggestion(after)), "{after:?}");
        }
    }
}
