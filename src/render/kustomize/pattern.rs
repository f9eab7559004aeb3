//! Names that Kustomize takes for regular expressions, and that are plain names nearly always.
//!
//! An expression costs more to compile than a small overlay to render; a plain name is compared as it is.

use std::sync::LazyLock;

use regex::{Regex, RegexBuilder};

/// A text that must match as a whole.
pub(super) enum Pattern {
    /// No expression; `.` still stands for any character.
    Plain(String),
    /// An expression.
    Compiled(Regex),
}

impl Pattern {
    /// The pattern of a text, which may take `limit` bytes of memory when it is compiled.
    ///
    /// # Errors
    /// When it is no expression.
    pub(super) fn new(text: &str, limit: usize) -> Result<Self, regex::Error> {
        if is_plain(text) {
            return Ok(Self::Plain(text.to_owned()));
        }
        RegexBuilder::new(&format!("^(?:{text})$")).size_limit(limit).build().map(Self::Compiled)
    }

    /// Whether the whole text is what this describes.
    pub(super) fn is_match(&self, text: &str) -> bool {
        match self {
            Self::Plain(plain) => after(plain, text) == Some(""),
            Self::Compiled(regex) => regex.is_match(text),
        }
    }
}

/// What follows an image's name: a tag, a digest, both or nothing.
const VERSION: &str = r"(:[a-zA-Z0-9_.{}-]*)?(@[a-zA-Z0-9]+([.+_-][a-zA-Z0-9]+)*:[a-zA-Z0-9_.{}-]*)?$";
static AFTER_NAME: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(&format!("^{VERSION}")).unwrap_or_else(|_| unreachable!("constant, and tested")));

/// An image's name with any tag or digest.
pub(super) struct ImagePattern(Pattern);

impl ImagePattern {
    /// The pattern of a name, which may take `limit` bytes of memory when it is compiled.
    ///
    /// # Errors
    /// When it is no expression.
    pub(super) fn new(name: &str, limit: usize) -> Result<Self, regex::Error> {
        if is_plain(name) {
            return Ok(Self(Pattern::Plain(name.to_owned())));
        }
        let regex = RegexBuilder::new(&format!("^{name}{VERSION}")).size_limit(limit).build()?;
        Ok(Self(Pattern::Compiled(regex)))
    }

    /// Whether an image has this name.
    pub(super) fn is_match(&self, image: &str) -> bool {
        match &self.0 {
            Pattern::Plain(name) => after(name, image).is_some_and(|rest| rest.is_empty() || AFTER_NAME.is_match(rest)),
            Pattern::Compiled(regex) => regex.is_match(image),
        }
    }
}

fn is_plain(text: &str) -> bool {
    !text.contains(['\\', '+', '*', '?', '(', ')', '|', '[', ']', '{', '}', '^', '$'])
}

/// What is left of `text` behind what `plain` describes.
fn after<'t>(plain: &str, text: &'t str) -> Option<&'t str> {
    let mut rest = text.chars();
    plain
        .chars()
        .all(|wanted| rest.next().is_some_and(|found| found == wanted || (wanted == '.' && found != '\n')))
        .then_some(rest.as_str())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_plain_name_means_what_it_means_as_an_expression(
            plain in "[a.é/:-]{0,4}",
            text in "[ab.é/:@\n-]{0,6}",
        ) {
            let pattern = Pattern::new(&plain, 1 << 20).unwrap();
            prop_assert!(matches!(pattern, Pattern::Plain(_)));
            let regex = Regex::new(&format!("^(?:{plain})$")).unwrap();
            prop_assert_eq!(pattern.is_match(&text), regex.is_match(&text));
            let image = ImagePattern::new(&plain, 1 << 20).unwrap();
            let regex = Regex::new(&format!("^{plain}{VERSION}")).unwrap();
            prop_assert_eq!(image.is_match(&text), regex.is_match(&text));
        }
    }

    #[test]
    fn expressions_are_still_expressions() {
        let pattern = |text: &str| Pattern::new(text, 1 << 20).unwrap();
        assert!(pattern("web|api-.*").is_match("api-1") && !pattern("web|api-.*").is_match("xweb"));
        assert!(Pattern::new("(", 1 << 20).is_err() && ImagePattern::new("a(", 1 << 20).is_err());
        let image = ImagePattern::new("ghcr.io/.*/b", 1 << 20).unwrap();
        assert!(image.is_match("ghcr.io/a/b:v1") && !image.is_match("ghcr.io/a/bc:v1"));
    }
}
