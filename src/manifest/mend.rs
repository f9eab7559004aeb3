//! Small edits that are certain, and the lines they come to: what a person is offered to take over as it is.

use super::edit::{EditError, each_node, read, same_place, verified};
use super::node::{Key, Node, Span, Value};

/// Lines of a file, and what is to stand there instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lines {
    /// The first line, from 1.
    pub first: u32,
    /// The last line.
    pub last: u32,
    /// What stands there, without the last line break.
    pub before: String,
    /// What is to stand there.
    pub after: String,
}

/// Gives the entry whose key `was` stands at `at` another name.
///
/// # Errors
/// When no such key stands there alone, the name is taken, or the result would not mean exactly this.
pub fn rename_key(bytes: &[u8], at: &Span, (was, new): (&str, &str)) -> Result<Vec<u8>, EditError> {
    let mut expected = read(bytes)?;
    let (mut found, mut taken) = (0, false);
    for document in &mut expected {
        each_node(&mut document.node, &mut |node| {
            let Some(map) = node.as_map_mut() else { return };
            let is_there = |key: &Key| same_place(&key.span, at) && key.text == was;
            if map.iter().any(|(key, _)| is_there(key)) {
                found += 1;
                taken |= map.get(new).is_some();
                map.entries_mut().filter(|(key, _)| is_there(key)).for_each(|(key, _)| key.text = new.into());
            }
        });
    }
    if taken {
        return Err(EditError::Exists(new.to_owned()));
    }
    only(found, at)?;
    spliced(bytes, at, super::emit::string(new), &expected)
}

/// Writes a boolean or a whole number instead of the scalar `was` at `at`; text belongs to [`super::set_scalar`].
///
/// # Errors
/// When no such scalar stands there alone, or the result would not mean exactly this.
pub fn set_plain(bytes: &[u8], at: &Span, (was, new): (&Value, &Value)) -> Result<Vec<u8>, EditError> {
    let mut expected = read(bytes)?;
    let mut found = 0;
    for document in &mut expected {
        each_node(&mut document.node, &mut |node| {
            if same_place(&node.span, at) && node.value == *was {
                found += 1;
                node.value = new.clone();
            }
        });
    }
    only(found, at)?;
    spliced(bytes, at, Node::new(new.clone(), at.clone()).brief().to_string(), &expected)
}

/// An alias repeats what stands at its anchor, so that several fields may stand at one place.
fn only(found: usize, at: &Span) -> Result<(), EditError> {
    match found {
        0 => Err(EditError::NotFound { line: at.line, column: at.column }),
        1 => Ok(()),
        _ => Err(EditError::Shared { line: at.line }),
    }
}

fn spliced(bytes: &[u8], at: &Span, text: String, expected: &[super::Document]) -> Result<Vec<u8>, EditError> {
    let mut out = bytes.to_vec();
    out.splice(at.start as usize..at.end as usize, text.into_bytes());
    verified(out, expected, at.line)
}

/// The lines in which two texts differ, whole; none when they do not, or where what differs is no text. A line that only comes to
/// be stands below one that stays, which is among them.
pub fn lines(before: &[u8], after: &[u8]) -> Option<Lines> {
    let (before, after) = (std::str::from_utf8(before).ok()?, std::str::from_utf8(after).ok()?);
    let (old, new): (Vec<&str>, Vec<&str>) = (before.lines().collect(), after.lines().collect());
    let same = old.iter().zip(&new).take_while(|(a, b)| a == b).count();
    let most = old.len().min(new.len()) - same;
    let tail = old.iter().rev().zip(new.iter().rev()).take(most).take_while(|(a, b)| a == b).count();
    let (old_end, new_end) = (old.len() - tail, new.len() - tail);
    // Something must stand where a line is added, and something must come in its place where one goes.
    let start = if same == old_end || same == new_end { same.checked_sub(1)? } else { same };
    (before != after).then(|| Lines {
        first: u32::try_from(start + 1).unwrap_or(u32::MAX),
        last: u32::try_from(old_end).unwrap_or(u32::MAX),
        before: old[start..old_end].join("\n"),
        after: new[start..new_end].join("\n"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::{load, set_scalar};
    use crate::model::path::RepoPath;

    fn root(text: &str) -> Node {
        load(&RepoPath::root(), text.as_bytes()).documents[0].node.clone()
    }

    fn told(before: &str, after: Result<Vec<u8>, EditError>) -> String {
        match after {
            Ok(after) => {
                let lines = lines(before.as_bytes(), &after).unwrap();
                format!("{}-{}: {:?} → {:?}", lines.first, lines.last, lines.before, lines.after)
            }
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn a_key_gets_another_name_where_it_stands_alone_and_the_name_is_free() {
        let renamed = |text: &str, was: &str, new: &str| {
            let at = root(text).get("spec").unwrap().as_map().unwrap().key(was).unwrap().span.clone();
            told(text, rename_key(text.as_bytes(), &at, (was, new)))
        };
        let text = "# why\nspec:\n  replica: 2 # two\n  x: y\n";
        insta::assert_snapshot!(renamed(text, "replica", "replicas"), @r#"3-3: "  replica: 2 # two" → "  replicas: 2 # two""#);
        insta::assert_snapshot!(renamed("spec: { replica: 2, x: y }\n", "replica", "replicas"), @r#"1-1: "spec: { replica: 2, x: y }" → "spec: { replicas: 2, x: y }""#);
        insta::assert_snapshot!(renamed(text, "replica", "x"), @"`x` is already there");
        insta::assert_snapshot!(renamed("spec: &a\n  replica: 2\nother: *a\n", "replica", "replicas"), @"line 2 is an anchor that other fields share, and would change them as well; write its value out where it is used");
        insta::assert_snapshot!(renamed("spec:\n  \"replica\": 2\n", "replica", "replicas"), @r#"2-2: "  \"replica\": 2" → "  replicas: 2""#);
    }

    #[test]
    fn quotes_come_and_go() {
        let plain = |text: &str, new: Value| {
            let node = root(text).get("a").unwrap().clone();
            told(text, set_plain(text.as_bytes(), &node.span, (&node.value, &new)))
        };
        insta::assert_snapshot!(plain("a: 'true' # why\n", Value::Bool(true)), @r#"1-1: "a: 'true' # why" → "a: true # why""#);
        insta::assert_snapshot!(plain("x: 1\na: \"80\"\n", Value::Int(80)), @r#"2-2: "a: \"80\"" → "a: 80""#);
        insta::assert_snapshot!(plain("a: &t 'true'\nb: *t\n", Value::Bool(true)), @"line 1 is an anchor that other fields share, and would change them as well; write its value out where it is used");
        let text = "{ a: 3 }\n";
        let at = root(text).get("a").unwrap().span.clone();
        insta::assert_snapshot!(told(text, set_scalar(text.as_bytes(), &at, "3")), @r#"1-1: "{ a: 3 }" → "{ a: \"3\" }""#);
    }

    #[test]
    fn whole_lines_are_told_and_an_added_one_with_the_one_above_it() {
        let of =
            |before: &str, after: &str| lines(before.as_bytes(), after.as_bytes()).map(|l| (l.first, l.last, l.after));
        assert_eq!(of("a\nb\nc\n", "a\nx\nc\n"), Some((2, 2, "x".into())));
        assert_eq!(of("a\nb\n", "a\nx\nb\n"), Some((1, 1, "a\nx".into())));
        assert_eq!(of("a\na\n", "a\na\na\n"), Some((2, 2, "a\na".into())));
        assert_eq!(of("a\nb\nc\n", "a\nc\n"), Some((1, 2, "a".into())));
        assert_eq!(of("a\n", "b\na\n"), None, "nothing stands above it");
        assert_eq!(of("a\n", "a\n"), None);
    }
}
