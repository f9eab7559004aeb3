//! Markdown as GitHub shows it, with only the HTML GitHub lets through.

/// Elements that stay, and nothing that runs, loads or styles.
const KEPT: &[&str] = &[
    "a",
    "b",
    "blockquote",
    "br",
    "code",
    "dd",
    "del",
    "details",
    "div",
    "dl",
    "dt",
    "em",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "hr",
    "i",
    "input",
    "ins",
    "kbd",
    "li",
    "ol",
    "p",
    "pre",
    "q",
    "s",
    "samp",
    "section",
    "span",
    "strong",
    "sub",
    "summary",
    "sup",
    "table",
    "tbody",
    "td",
    "tfoot",
    "th",
    "thead",
    "tr",
    "tt",
    "ul",
];
/// Those that have no end.
const VOID: &[&str] = &["br", "hr", "input"];

/// Renders GitHub's Markdown.
pub(super) fn markdown(text: &str) -> String {
    let mut options = comrak::Options::default();
    options.extension.table = true;
    options.extension.strikethrough = true;
    options.extension.autolink = true;
    options.extension.tasklist = true;
    options.extension.footnotes = true;
    // Raw HTML goes through the parser and is then cut down below: nothing reaches the page unseen.
    options.render.r#unsafe = true;
    clean(&comrak::markdown_to_html(text, &options))
}

/// Text as HTML.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            _ => out.push(c),
        }
    }
    out
}

/// Writes HTML anew from what is kept; everything else becomes text, and what was opened is closed.
pub(super) fn clean(html: &str) -> String {
    let mut out = String::with_capacity(html.len());
    let mut open: Vec<String> = Vec::new();
    let mut rest = html;
    while let Some(at) = rest.find('<') {
        out.push_str(&rest[..at].replace('>', "&gt;"));
        rest = &rest[at..];
        if rest.starts_with("<!--") {
            // A comment that never ends hides the rest, as in a browser.
            rest = rest.find("-->").map_or("", |end| &rest[end + 3..]);
            continue;
        }
        match tag(rest) {
            Some((tag, length)) => {
                write(&tag, &mut open, &mut out);
                rest = &rest[length..];
            }
            None => {
                out.push_str("&lt;");
                rest = &rest[1..];
            }
        }
    }
    out.push_str(&rest.replace('>', "&gt;"));
    while let Some(name) = open.pop() {
        out.push_str(&format!("</{name}>"));
    }
    out
}

struct Tag {
    name: String,
    closing: bool,
    attributes: Vec<(String, String)>,
}

/// Reads one tag of a kept element at the start of `text`; anything unusual is no tag.
fn tag(text: &str) -> Option<(Tag, usize)> {
    let closing = text.starts_with("</");
    let mut at = if closing { 2 } else { 1 };
    let word = |from: usize| {
        let end = text[from..].find(|c: char| !c.is_ascii_alphanumeric() && c != '-' && c != '_');
        &text[from..end.map_or(text.len(), |end| from + end)]
    };
    let name = word(at).to_ascii_lowercase();
    if !KEPT.contains(&name.as_str()) {
        return None;
    }
    at += name.len();
    let mut attributes = Vec::new();
    loop {
        at += text[at..].len() - text[at..].trim_start_matches([' ', '\n', '\t', '\r', '/']).len();
        match text[at..].chars().next()? {
            '>' => return Some((Tag { name, closing, attributes }, at + 1)),
            c if c.is_ascii_alphabetic() => {
                let key = word(at);
                at += key.len();
                let mut value = String::new();
                if let Some(quoted) = text[at..].strip_prefix("=\"") {
                    let end = quoted.find('"')?;
                    value = quoted[..end].to_owned();
                    at += 2 + end + 1;
                } else if let Some(bare) = text[at..].strip_prefix('=') {
                    let end = bare.find([' ', '>', '\n', '"', '\'', '<'])?;
                    value = bare[..end].to_owned();
                    at += 1 + end;
                }
                attributes.push((key.to_ascii_lowercase(), value));
            }
            _ => return None,
        }
    }
}

fn write(tag: &Tag, open: &mut Vec<String>, out: &mut String) {
    let name = &tag.name;
    if tag.closing {
        // Closes what it opened, and whatever was left open inside; an end without a start is dropped.
        if open.iter().any(|one| one == name) {
            while let Some(top) = open.pop() {
                out.push_str(&format!("</{top}>"));
                if top == *name {
                    break;
                }
            }
        }
        return;
    }
    if name == "input" && !tag.attributes.iter().any(|(key, value)| key == "type" && value == "checkbox") {
        return;
    }
    out.push('<');
    out.push_str(name);
    for (key, value) in &tag.attributes {
        let keep = match key.as_str() {
            "href" => safe_link(value),
            "align" | "title" | "colspan" | "rowspan" | "start" | "open" => true,
            // Fenced code says its language; nothing else may borrow the page's classes.
            "class" => value.starts_with("language-"),
            "checked" => name == "input",
            _ => false,
        };
        if keep {
            // The value comes from HTML and may hold entities already; quotes and angles cannot get out.
            let value = value.replace('"', "&quot;").replace('<', "&lt;").replace('>', "&gt;");
            out.push_str(&format!(" {key}=\"{value}\""));
        }
    }
    match name.as_str() {
        "input" => out.push_str(" type=\"checkbox\" disabled"),
        "a" => out.push_str(" rel=\"nofollow noreferrer\""),
        _ => {}
    }
    out.push('>');
    if !VOID.contains(&name.as_str()) {
        open.push(name.clone());
    }
}

/// Only addresses that open a page: no scripts, no data, and no entity that could spell one.
fn safe_link(value: &str) -> bool {
    let value = value.trim().to_ascii_lowercase();
    let scheme = ["http://", "https://", "mailto:", "#", "/"].iter().any(|start| value.starts_with(start));
    let relative = !value.contains(':') && !value.contains('&');
    scheme || relative
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_github_shows_is_shown() {
        let html = markdown(
            "| a | b |\n|---|---|\n| 1 | **2** |\n\n<details>\n<summary>More</summary>\n\n```yaml\na: <b>\n```\n\n</details>\n",
        );
        insta::assert_snapshot!(html, @r#"
        <table>
        <thead>
        <tr>
        <th>a</th>
        <th>b</th>
        </tr>
        </thead>
        <tbody>
        <tr>
        <td>1</td>
        <td><strong>2</strong></td>
        </tr>
        </tbody>
        </table>
        <details>
        <summary>More</summary>
        <pre><code class="language-yaml">a: &lt;b&gt;
        </code></pre>
        </details>
        "#);
    }

    #[test]
    fn hostile_markup_becomes_text_or_nothing() {
        for (text, shown) in [
            ("<script>alert(1)</script>", "&lt;script&gt;alert(1)&lt;/script&gt;"),
            ("<a href=\"javascript:x\" onclick=\"y\">z</a>", "<a rel=\"nofollow noreferrer\">z</a>"),
            ("<a href=\"&#106;avascript:x\">z</a>", "<a rel=\"nofollow noreferrer\">z</a>"),
            ("<details open ontoggle=alert(1)>x", "<details open=\"\">x</details>"),
            ("<p style=\"x\" class=\"merge\">a</p></div></main>", "<p>a</p>&lt;/main&gt;"),
            ("<img src=x onerror=y>", "&lt;img src=x onerror=y&gt;"),
            ("a<!-- <b> -->c<!-- d", "ac"),
            ("<b <script>", "&lt;b &lt;script&gt;"),
            ("<input type=\"text\"><iframe>", "&lt;iframe&gt;"),
            ("<p title=\"a\"b", "&lt;p title=\"a\"b"),
        ] {
            assert_eq!(clean(text), shown, "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn nothing_but_kept_elements_comes_out(text in "[<>a-zé\"'=/ !&-]{0,60}") {
            let html = clean(&text);
            for part in html.split('<').skip(1) {
                let name: String = part.trim_start_matches('/').chars().take_while(char::is_ascii_alphanumeric).collect();
                proptest::prop_assert!(KEPT.contains(&name.as_str()), "{text} -> {html}");
            }
        }
    }
}
