//! A tree of reasons, as a nested list and as plain text.

use jiff::Timestamp;

use super::markdown::{code, line, prose};
use super::words::time;
use crate::model::verdict::{Answer, Verdict};

/// Deeper or longer trees explain nothing any more.
const MAX_DEPTH: usize = 6;
const MAX_LINES: usize = 100;

/// The mark of an answer in Markdown.
pub fn mark(answer: Answer) -> &'static str {
    match answer {
        Answer::Yes => "✅",
        Answer::Wait => "⏳",
        Answer::No => "⛔",
    }
}

fn word(answer: Answer) -> &'static str {
    match answer {
        Answer::Yes => "ok",
        Answer::Wait => "wait",
        Answer::No => "no",
    }
}

/// When a wait is expected to end; how long a yes lasts stands in its own words.
fn awaited(verdict: &Verdict) -> Option<Timestamp> {
    verdict.until.filter(|_| verdict.answer != Answer::Yes)
}

/// The tree as a nested Markdown list, the reason code behind each sentence that is not a yes.
pub fn markdown(verdict: &Verdict) -> String {
    let mut lines = Vec::new();
    walk(verdict, 0, &mut lines, &|verdict| {
        let mut text = format!("{} {}", mark(verdict.answer), prose(&verdict.text));
        if verdict.answer != Answer::Yes {
            text.push_str(&format!(" ({})", code(&verdict.code)));
        }
        if let Some(until) = awaited(verdict) {
            text.push_str(&format!(", until {}", time(until)));
        }
        if let Some(next) = &verdict.next {
            text.push_str(&format!(". **Next:** {}", prose(next)));
        }
        format!("- {text}")
    });
    join(lines)
}

/// The tree as plain text, for terminals, logs and titles' tooltips.
pub fn plain(verdict: &Verdict) -> String {
    let mut lines = Vec::new();
    walk(verdict, 0, &mut lines, &|verdict| {
        let mut text = format!("{:<4} {}: {}", word(verdict.answer), line(&verdict.code, 60), line(&verdict.text, 500));
        if let Some(until) = awaited(verdict) {
            text.push_str(&format!(" (until {})", time(until)));
        }
        if let Some(next) = &verdict.next {
            text.push_str(&format!(" [next: {}]", line(next, 500)));
        }
        text
    });
    join(lines)
}

/// The reasons at the leaves that stand in the way, worst first: what a title names.
pub fn blockers(verdict: &Verdict) -> Vec<&Verdict> {
    let mut found = Vec::new();
    let mut open = vec![verdict];
    // Bounded by the lines anybody is shown.
    while let Some(next) = open.pop().filter(|_| found.len() < MAX_LINES) {
        if next.answer == Answer::Yes {
            continue;
        }
        // What is worse than its root is a remark on it: an approval that does not count, where another may come.
        let below = next.because.iter().filter(|reason| reason.answer != Answer::Yes && reason.answer <= next.answer);
        if below.clone().next().is_none() {
            found.push(next);
        }
        open.extend(below.rev());
    }
    found.sort_by_key(|verdict| std::cmp::Reverse(verdict.answer));
    found
}

fn walk(verdict: &Verdict, depth: usize, lines: &mut Vec<String>, show: &dyn Fn(&Verdict) -> String) {
    if depth >= MAX_DEPTH || lines.len() >= MAX_LINES {
        return;
    }
    lines.push(format!("{}{}", "  ".repeat(depth), show(verdict)));
    for reason in &verdict.because {
        walk(reason, depth + 1, lines, show);
    }
}

fn join(mut lines: Vec<String>) -> String {
    lines.push(String::new());
    lines.join("\n")
}
