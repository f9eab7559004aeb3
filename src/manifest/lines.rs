//! Comparing two texts line by line: a unified diff with bounded work and bounded length.

use std::collections::HashMap;
use std::fmt::Write as _;

use similar::{Algorithm, DiffOp, capture_diff_slices};

use super::outline::{Outline, shared_place};

/// Unchanged lines shown around a change.
const CONTEXT: usize = 3;
/// Longer diffs are cut: nobody reviews more of one object, and a comment must hold many.
const MAX_LINES: usize = 400;
/// Longer lines are cut: one-line JSON may have megabytes.
const MAX_LINE_CHARS: usize = 400;
/// Stretches whose lengths multiply to more are not compared but replaced whole: the comparison may cost their product.
const MAX_WORK: usize = 4_000_000;

/// A diff's text, and how many lines it adds and removes in all.
pub(crate) struct LineDiff {
    pub(crate) text: String,
    pub(crate) added: u32,
    pub(crate) removed: u32,
}

/// The unified diff from `before` to `after`; empty when they are equal. Each stretch is headed by the place it stands in: line
/// numbers of a rendered object are nowhere to be looked up.
pub(crate) fn line_diff((before, from): (&str, &Outline), (after, to): (&str, &Outline)) -> LineDiff {
    let (old, new): (Vec<&str>, Vec<&str>) = (before.lines().collect(), after.lines().collect());
    let mut script = Vec::with_capacity(old.len().max(new.len()));
    compare(&old, &new, &mut script);
    let count = |mark| script.iter().filter(|(found, _)| *found == mark).count() as u32;
    LineDiff { added: count('+'), removed: count('-'), text: unified(&script, from, to) }
}

/// Appends every line with its mark: ` `, `-` or `+`.
fn compare<'a>(old: &[&'a str], new: &[&'a str], script: &mut Vec<(char, &'a str)>) {
    let prefix = old.iter().zip(new).take_while(|(a, b)| a == b).count();
    let (old_rest, new_rest) = (&old[prefix..], &new[prefix..]);
    let suffix = old_rest.iter().rev().zip(new_rest.iter().rev()).take_while(|(a, b)| a == b).count();
    let (old_middle, tail) = old_rest.split_at(old_rest.len() - suffix);
    let new_middle = &new_rest[..new_rest.len() - suffix];
    script.extend(old[..prefix].iter().map(|line| (' ', *line)));
    if old_middle.len() * new_middle.len() <= MAX_WORK {
        exact(old_middle, new_middle, script);
    } else {
        let anchors = anchors(old_middle, new_middle);
        let (mut at_old, mut at_new) = (0, 0);
        // Between two anchors no line is unique on both sides, so this never goes deeper.
        for (next_old, next_new) in anchors.into_iter().chain([(old_middle.len(), new_middle.len())]) {
            let (old_gap, new_gap) = (&old_middle[at_old..next_old], &new_middle[at_new..next_new]);
            if old_gap.len() * new_gap.len() <= MAX_WORK {
                exact(old_gap, new_gap, script);
            } else {
                script.extend(old_gap.iter().map(|line| ('-', *line)));
                script.extend(new_gap.iter().map(|line| ('+', *line)));
            }
            script.extend(old_middle.get(next_old).map(|line| (' ', *line)));
            (at_old, at_new) = (next_old + 1, next_new + 1);
        }
    }
    script.extend(tail.iter().map(|line| (' ', *line)));
}

fn exact<'a>(old: &[&'a str], new: &[&'a str], script: &mut Vec<(char, &'a str)>) {
    for op in capture_diff_slices(Algorithm::Myers, old, new) {
        if !matches!(op, DiffOp::Equal { .. }) {
            script.extend(old[op.old_range()].iter().map(|line| ('-', *line)));
            script.extend(new[op.new_range()].iter().map(|line| ('+', *line)));
        } else {
            script.extend(old[op.old_range()].iter().map(|line| (' ', *line)));
        }
    }
}

/// Lines that occur once on each side, in an order both sides share: the longest such run, found in `n log n`.
fn anchors(old: &[&str], new: &[&str]) -> Vec<(usize, usize)> {
    let unique = |lines: &[&str]| {
        let mut seen: HashMap<String, Option<usize>> = HashMap::with_capacity(lines.len());
        for (at, line) in lines.iter().enumerate() {
            seen.entry((*line).to_owned()).and_modify(|place| *place = None).or_insert(Some(at));
        }
        seen
    };
    let (in_old, in_new) = (unique(old), unique(new));
    let mut pairs: Vec<(usize, usize)> =
        in_old.iter().filter_map(|(line, place)| Some(((*place)?, (*in_new.get(line)?)?))).collect();
    pairs.sort_unstable();
    // Patience sorting: `tops[n]` is the pair that ends the best run of n + 1 pairs, `before` the pair each one follows.
    let (mut tops, mut before): (Vec<usize>, Vec<Option<usize>>) = (Vec::new(), Vec::with_capacity(pairs.len()));
    for (index, (_, new_at)) in pairs.iter().enumerate() {
        let place = tops.partition_point(|top: &usize| pairs[*top].1 < *new_at);
        before.push(place.checked_sub(1).map(|under| tops[under]));
        if place == tops.len() { tops.push(index) } else { tops[place] = index }
    }
    let mut run: Vec<(usize, usize)> =
        std::iter::successors(tops.last().copied(), |index| before[*index]).map(|index| pairs[index]).collect();
    run.reverse();
    run
}

fn unified(script: &[(char, &str)], from: &Outline, to: &Outline) -> String {
    let mut shown = vec![false; script.len()];
    let mut last_change: Option<usize> = None;
    for (at, (mark, _)) in script.iter().enumerate() {
        if *mark != ' ' {
            shown[at.saturating_sub(CONTEXT)..at].fill(true);
            last_change = Some(at);
        }
        shown[at] = shown[at] || last_change.is_some_and(|change| at - change <= CONTEXT);
    }
    // What is new or gone as a whole needs no heading.
    let is_whole = script.windows(2).all(|pair| pair[0].0 == pair[1].0);
    let mut out = String::new();
    let (mut old_line, mut new_line, mut written, mut left) = (0, 0, 0, 0);
    for (at, (mark, line)) in script.iter().enumerate() {
        if shown[at] {
            if (at == 0 || !shown[at - 1]) && written < MAX_LINES && !is_whole {
                let length = shown[at..].iter().take_while(|shown| **shown).count();
                let place = place(&script[at..at + length], (from, old_line), (to, new_line));
                // Writing to a String cannot fail.
                let _ = writeln!(out, "@@ {} @@", if place.is_empty() { "top level" } else { &place });
            }
            if written < MAX_LINES {
                let _ = writeln!(out, "{mark}{}", cut(line));
                written += 1;
            } else {
                left += 1;
            }
        }
        old_line += usize::from(*mark != '+');
        new_line += usize::from(*mark != '-');
    }
    if left > 0 {
        let _ = writeln!(out, "… {left} more lines of this object");
    }
    out
}

/// The place that all changed lines of a stretch stand in.
fn place(stretch: &[(char, &str)], (from, mut old): (&Outline, usize), (to, mut new): (&Outline, usize)) -> String {
    let mut changed = Vec::new();
    for (mark, _) in stretch {
        match mark {
            '-' => changed.push((from, old)),
            '+' => changed.push((to, new)),
            _ => {}
        }
        old += usize::from(*mark != '+');
        new += usize::from(*mark != '-');
    }
    shared_place(changed)
}

fn cut(line: &str) -> String {
    match line.char_indices().nth(MAX_LINE_CHARS) {
        None => line.to_owned(),
        Some((end, _)) => format!("{}… ({} more characters)", &line[..end], line[end..].chars().count()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn diff(before: &str, after: &str) -> LineDiff {
        line_diff((before, &Outline::default()), (after, &Outline::default()))
    }

    fn script<'a>(old: &[&'a str], new: &[&'a str]) -> Vec<(char, &'a str)> {
        let mut script = Vec::new();
        compare(old, new, &mut script);
        script
    }

    #[test]
    fn unified_with_context() {
        let old: String = (1..=20).map(|n| format!("line {n}\n")).collect();
        let new =
            old.replace("line 3\n", "line three\n").replace("line 15\n", "").replace("line 18\n", "line 18\nnew\n");
        let found = diff(&old, &new);
        assert_eq!((found.added, found.removed), (2, 2));
        insta::assert_snapshot!(found.text, @"
        @@ top level @@
         line 1
         line 2
        -line 3
        +line three
         line 4
         line 5
         line 6
        @@ top level @@
         line 12
         line 13
         line 14
        -line 15
         line 16
         line 17
         line 18
        +new
         line 19
         line 20
        ");
        assert_eq!(diff(&old, &old).text, "");
    }

    #[test]
    fn t11_long_diffs_and_lines_are_cut() {
        let new: String = (0..1000).map(|n| format!("{n}\n")).collect();
        let diff = self::diff("", &new);
        assert_eq!((diff.added, diff.text.lines().count()), (1000, 401));
        assert!(diff.text.ends_with("… 600 more lines of this object\n"));
        let diff = self::diff("", &"é".repeat(100_000));
        assert!(diff.text.ends_with("… (99600 more characters)\n") && diff.text.len() < 1000);
    }

    #[test]
    fn what_is_too_much_to_compare_is_anchored() {
        let up: String = (0..5_000).map(|n| format!("{n}\n")).collect();
        let near = format!("x\n{}", up.replace("2500\n", "y\n").replace("4000\n", "")) + "z\n";
        let found = diff(&up, &near);
        assert_eq!((found.added, found.removed), (3, 2));
        let diff = diff(&"a\n".repeat(5_000), &"b\n".repeat(5_000));
        assert_eq!((diff.added, diff.removed), (5_000, 5_000));
    }

    proptest! {
        #[test]
        fn both_texts_can_be_told_from_the_script(old in "[abc\n]{0,40}", new in "[abc\n]{0,40}") {
            let (old, new): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
            let script = script(&old, &new);
            let side = |mark| script.iter().filter(|(m, _)| *m != mark).map(|(_, line)| *line).collect::<Vec<_>>();
            prop_assert_eq!(side('+'), old);
            prop_assert_eq!(side('-'), new);
        }
    }
}
