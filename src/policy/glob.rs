//! Texts with `*` for any text, matched without going back, so that no pattern is slow.

/// Whether `pattern` is `text`, with each `*` in it standing for any text.
pub(super) fn matches(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let Some(last) = parts.next_back() else { return rest.is_empty() };
    for part in parts {
        // The first place is as good as any later one: what is left for the rest is the longest.
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_stand_for_any_text() {
        for (pattern, yes, no) in [
            ("web", vec!["web"], vec!["", "web1", "aweb"]),
            ("*", vec!["", "web"], vec![]),
            ("shop-*", vec!["shop-", "shop-prod"], vec!["shop", "ashop-a"]),
            ("*-web-*", vec!["a-web-b", "-web-", "a-web-web-b"], vec!["web", "a-web"]),
            ("a*a", vec!["aa", "aba"], vec!["a", "ab"]),
            ("**", vec!["", "x"], vec![]),
        ] {
            yes.iter().for_each(|text| assert!(matches(pattern, text), "{pattern} is {text}"));
            no.iter().for_each(|text| assert!(!matches(pattern, text), "{pattern} is not {text}"));
        }
        assert!(!matches(&"*a".repeat(150), &"a".repeat(149)));
    }
}
