//! What the reader accepts, refuses, and survives.

use std::fmt::Write as _;

use proptest::prelude::*;

use super::*;
use crate::model::path::RepoPath;

fn read(text: impl AsRef<[u8]>) -> Loaded {
    load(&"apps/a.yaml".parse::<RepoPath>().unwrap(), text.as_ref())
}

/// The documents as JSON, then the problems as `line:column message`.
fn shown(text: impl AsRef<[u8]>) -> String {
    let loaded = read(text);
    let mut out = String::new();
    for document in &loaded.documents {
        writeln!(out, "{}", document.node.to_json()).unwrap();
    }
    for problem in &loaded.problems {
        let at = problem.location.as_ref().unwrap();
        writeln!(out, "{}:{} {}", at.line, at.column, problem.message).unwrap();
    }
    out
}

#[test]
fn t12_scalars_mean_what_the_api_server_reads() {
    for (text, json) in [
        ("yes", "true"),
        ("No", "false"),
        ("on", "true"),
        ("OFF", "false"),
        ("y", "true"),
        ("N", "false"),
        ("yEs", r#""yEs""#),
        ("0777", "511"),
        ("0o17", "15"),
        ("0b11", "3"),
        ("0x1F", "31"),
        ("-0x10", "-16"),
        ("08", "8"),
        ("0_7", "7"),
        ("1_000", "1000"),
        ("_1", r#""_1""#),
        ("1:30", r#""1:30""#),
        ("2024-01-02", r#""2024-01-02""#),
        ("1e999", r#""1e999""#),
        ("123e4567", r#""123e4567""#),
        ("50694e4108944726", r#""50694e4108944726""#),
        ("1e3", "1000"),
        ("1.0", "1"),
        ("1.10", "1.1"),
        (".5", "0.5"),
        (".9_9", "0.99"),
        ("._9", r#""._9""#),
        ("1.", "1"),
        ("-.5e-1", "-0.05"),
        (".", r#"".""#),
        ("9223372036854775807", "9223372036854775807"),
        ("-9223372036854775808", "-9223372036854775808"),
        ("18446744073709551615", "1.8446744073709552e+19"),
        ("~", "null"),
        ("", "null"),
        ("'yes'", r#""yes""#),
        ("\"1\"", r#""1""#),
        ("!!str 1.10", r#""1.10""#),
        ("!!int '5'", "5"),
        ("!!float 5", "5"),
        ("!!bool yes", "true"),
        ("!Ref x", r#""x""#),
        ("!Ref 1", r#""1""#),
        ("! '5'", r#""5""#),
        ("!", r#""""#),
        ("!!binary aGk=", r#""hi""#),
        ("!!timestamp 2024-01-02", r#""2024-01-02""#),
    ] {
        let input = format!("a: {text}");
        assert_eq!(shown(&input), format!("{{\"a\":{json}}}\n"), "{text}");
    }
    for bad in [".inf", "-.Inf", ".nan", "!!int x", "!!bool 1", "!!null x", "!!binary a"] {
        assert!(shown(format!("a: {bad}")).starts_with("1:"), "{bad}");
    }
}

#[test]
fn keys_become_text() {
    assert_eq!(shown("1: a\nyes: b\n0x10: c\n1.5: d\n"), "{\"1\":\"a\",\"true\":\"b\",\"16\":\"c\",\"1.5\":\"d\"}\n");
    insta::assert_snapshot!(shown("~: a\n---\n? [a]\n: b\n---\n{a: 1}\n"), @r#"
    {"a":1}
    1:1 a key cannot be null: Kubernetes knows only text
    3:3 a key cannot be a list: Kubernetes knows only text
    "#);
}

#[test]
fn t12_duplicate_keys_name_both_lines() {
    insta::assert_snapshot!(shown("a: 1\nb: 2\na: 3\nb: 4\n---\nyes: 1\ntrue: 2\n---\nc: 1"), @r#"
    {"c":1}
    3:1 key `a` is already set on line 1
    4:1 key `b` is already set on line 2
    7:1 key `true` is already set on line 6
    "#);
    let many: String = (0..40).map(|n| format!("k{n}: 1\n")).collect();
    assert_eq!(shown(format!("{many}k3: 2\n")), "41:1 key `k3` is already set on line 4\n");
}

#[test]
fn anchors_and_merge_keys() {
    insta::assert_snapshot!(shown("a: &a {x: 1, w: 2}\nb:\n  w: 3\n  <<: *a\nc: *a\nd: {<<: [{x: 9}, *a]}\n"), @r#"{"a":{"x":1,"w":2},"b":{"w":3,"x":1},"c":{"x":1,"w":2},"d":{"x":9,"w":2}}"#);
    insta::assert_snapshot!(shown("a: &a [1, *a]\n---\n<<: 1\n---\na: &m {}\n<<: *m\n<<: *m\n---\nb: *a\n"), @"
    1:11 this alias stands inside its own anchor
    3:1 `<<` takes a mapping or a list of mappings
    7:1 key `<<` is already set on line 6
    9:4 not valid YAML: while parsing node, found unknown anchor
    ");
    assert_eq!(shown("'<<': 1\n"), "{\"<<\":1}\n");
}

#[test]
fn a_broken_document_does_not_hide_the_others() {
    let loaded = read("a: 1\n---\nb: [1, 2\n---\n# nothing\n---\nc: 3\n...\n---\nd: {{ x }}\n---\n\te: 1\n---\nf: 6");
    let kept: Vec<_> = loaded.documents.iter().map(|d| (d.index, d.node.span.line)).collect();
    assert_eq!(kept, [(0, 1), (3, 7), (6, 14)]);
    let lines: Vec<_> = loaded.problems.iter().map(|p| p.location.as_ref().unwrap().line).collect();
    assert_eq!(lines, [3, 10, 12]);
    assert!(loaded.problems[1].help.as_ref().unwrap().contains("template"));
    assert!(loaded.problems[2].help.as_ref().unwrap().contains("spaces"));
}

#[test]
fn line_ends_byte_order_marks_and_directives() {
    assert_eq!(shown("\u{feff}a: b\r\nc: |\r\n  d\r\n"), "{\"a\":\"b\",\"c\":\"d\\n\"}\n");
    assert_eq!(shown("%YAML 1.2\n---\na: 1\n"), "{\"a\":1}\n");
    assert_eq!(shown("a: |\n  b"), "{\"a\":\"b\"}\n");
    assert_eq!(shown("a: >\n  b"), "{\"a\":\"b\"}\n");
    assert_eq!(shown("a: |\n  b\n"), "{\"a\":\"b\\n\"}\n");
    assert_eq!(shown(""), "");
    assert_eq!(shown("# only a comment\n---\n---\n"), "");
    assert_eq!(shown("\"text\""), "\"text\"\n");
}

#[test]
fn t12_what_readers_disagree_on_is_refused() {
    insta::assert_snapshot!(shown(b"a: 1\nb: \xff\n"), @"2:4 this is not UTF-8 text");
    insta::assert_snapshot!(shown("a: 1\nb: \0\n"), @"2:4 control character U+0000: YAML allows none");
    insta::assert_snapshot!(shown("a: 1 # x\u{2028}kind: Secret\n"), @"1:9 U+2028 ends the line for some YAML readers and not for others");
    insta::assert_snapshot!(shown("a: 1\rb: 2\n"), @"1:5 U+000D ends the line for some YAML readers and not for others");
    insta::assert_snapshot!(shown("--- {a: 1}\n--- # fine\nb: 2\n--- {c: 3}\n"), @"
    4:1 text stands on the same line as `---`, where kustomize refuses it and kubectl ignores it
    ");
    insta::assert_snapshot!(shown("a: 1\n...\nb: 2\n"), @r#"
    {"a":1}
    3:1 this document has no `---` before it: kubectl and kustomize do not read it
    "#);
    insta::assert_snapshot!(shown("a: 1\n\t\nb: 2\n---\nb: [\n\t\n]\nc: |\n  x\n  \t\n  y\n---\nd: 1\n \t# e\n---\n-\tf\n"), @r#"
    {"b":[],"c":"x\n\t\ny\n"}
    2:1 a tab on an otherwise empty line
    14:1 a tab on an otherwise empty line
    16:3 a tab indents this line
    "#);
    insta::assert_snapshot!(shown("- &a:\n  b: 1\n---\na: &b.c 1\nd: *b.c\n"), @"
    1:3 YAML readers disagree where this anchor's name ends
    4:4 YAML readers disagree where this anchor's name ends
    5:4 YAML readers disagree where this anchor's name ends
    ");
    insta::assert_snapshot!(shown("a: {b:}\n---\n-\tc: 1\n"), @"
    1:7 some YAML readers take this colon for a part of the key
    3:3 a tab indents this line
    ");
    assert_eq!(shown("a: é–\u{1f600}\n"), "{\"a\":\"é–\u{1f600}\"}\n");
}

#[test]
fn spans_cover_what_was_written() {
    let text =
        "a: 'x'\nb: &n !!str y # c\nc: |2- # note | x\n    z\nd: {e: [1, 2], f: }\ng:\n- h: i\n  j:\nk: >-\n\n  l\n";
    let root = &read(text).documents[0].node;
    let cut = |node: &Node| text[node.span.start as usize..node.span.end as usize].to_owned();
    let at = |path: &[&str]| cut(root.at(path).unwrap());
    assert_eq!(at(&["a"]), "'x'");
    assert_eq!(at(&["b"]), "y");
    assert_eq!(at(&["c"]), "|2- # note | x\n    z\n");
    assert_eq!(root.get("c").unwrap().span.location().to_string(), "apps/a.yaml:3:4");
    assert_eq!(at(&["d"]), "{e: [1, 2], f: }");
    assert_eq!(at(&["d", "e"]), "[1, 2]");
    assert_eq!(at(&["d", "f"]), "");
    assert_eq!(at(&["g"]), "- h: i\n  j:");
    assert_eq!(at(&["k"]), ">-\n\n  l\n");
    assert_eq!(root.get("k").unwrap().span.location().to_string(), "apps/a.yaml:9:4");
    let item = &root.list_at(&["g"])[0];
    assert_eq!((item.span.line, item.span.column), (7, 3));
    assert_eq!(item.as_map().unwrap().key("j").unwrap().span.location().to_string(), "apps/a.yaml:8:3");
}

#[test]
fn quoted_text_may_go_on_at_any_indentation() {
    for (text, value, written) in [
        ("a:\n  b: \"one\ntwo\"\n  c: 1\n", "one two", "\"one\ntwo\""),
        ("a:\n  b: 'one\n\n two'\n  c: 1\n", "one\ntwo", "'one\n\n two'"),
        ("a:\n  b: \"one\\\ntwo\n\"\n  c: 1\n", "onetwo ", "\"one\\\ntwo\n\""),
        ("a:\n  b: 'one\n\ttwo'\n  c: 1\n", "one two", "'one\n\ttwo'"),
        ("a:\n  b: 'x: y\n- z\n# no comment'\n  c: 1\n", "x: y - z # no comment", "'x: y\n- z\n# no comment'"),
    ] {
        let loaded = read(text);
        assert_eq!(loaded.problems, [], "{text}");
        let a = loaded.documents[0].node.get("a").unwrap();
        let b = a.get("b").unwrap();
        assert_eq!((b.as_str(), &text[b.span.start as usize..b.span.end as usize]), (Some(value), written), "{text}");
        let lines = u32::try_from(written.matches('\n').count()).unwrap();
        assert_eq!((b.span.line, a.get("c").unwrap().span.line), (2, 3 + lines), "{text}");
    }
    // A document ends there for whoever splits a file into documents first, as kubectl does.
    assert_eq!(shown("a: 'one\n---\ntwo'\n").lines().count(), 2);
}

#[test]
fn objects_are_named_and_lists_flattened() {
    let text = "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: Secret, metadata: {name: a}}\n\
        - {apiVersion: v1, kind: Secret}\n---\napiVersion: v1\nkind: Job\nmetadata: {generateName: b-}\n---\n- 1\n---\n\
        apiVersion: v1\nkind: X\nmetadata:\n  name: 123\n---\nkind: ''\napiVersion: v1\n---\n\
        {apiVersion: v1, kind: PodList, items: }\n";
    let (found, problems) = objects(&read(text));
    let names: Vec<_> = found.iter().map(|object| object.name().to_string()).collect();
    assert_eq!(names, ["Secret a", "Job "]);
    let said: Vec<_> =
        problems.iter().map(|p| format!("{} {}", p.location.as_ref().unwrap().line, p.message)).collect();
    insta::assert_snapshot!(said.join("\n"), @"
    5 this object has no `metadata.name`
    11 this is a list, not a Kubernetes object
    16 `metadata.name` is a number, not text
    18 `kind` is empty
    ");
}

/// Whether the fast half reads a text, which must then be what the general parser reads, places included.
fn simple(text: &str) -> bool {
    let path: RepoPath = "apps/a.yaml".parse().unwrap();
    let (ours, general) = (load(&path, text.as_bytes()), load_generally(&path, text.as_bytes()));
    assert_eq!(format!("{ours:#?}"), format!("{general:#?}"), "{text:?}\n{text}");
    is_simple(text)
}

#[test]
fn the_fast_half_reads_what_people_write_as_the_general_parser_does() {
    for text in [
        "a: 1\nb:\n  c: yes\n  d: 'it''s' # why\n\n# e\ne: \"x\\n\\\"\"\n",
        "a:\n- b\n- c: 1\n  d: 2\n-   e:\n      f: g\nh:\n  - - i\n    - j\n  -\n    k: l\n",
        "# first\n---\na: b\n--- # second\n---\nc: d\n---\n",
        "a: |\n  one\n    two\n\n  # three\n\n\nb: >-\n  one\n  two\n\n  three\nc: |-\n   x\nd: |+\n  y\n\n# e\n",
        "- a: |\n    \tb\n    c",
        "a: [b, 'c', {d: 1, \"e\": [f g, -h]}, [], {}]\né: {é: é, b: c} # é\n'ü': \"ö\"\n",
        "a:\nb:   # nothing\nc: ~\n 'd' : 0x1F\n".replace(" 'd' ", "'d' ").as_str(),
        "a: http://x:80/#y\nb: a:b#c - d\nc: -1\nd: -x\ne: 1.50\nf: 2024-01-02\n",
        "  a: 1\n  b: 2\n",
        "- 1\n- True\n-  x\n",
        "",
        "\n\n# nothing\n",
    ] {
        assert!(simple(text), "{text}");
    }
    for text in [
        "a: &x 1\n",
        "a: !!str 1\n",
        "? a\n: b\n",
        "a: b\n  c\n",
        "a: 'b\n  c'\n",
        "a: b: c\n",
        "a: 1\na: 2\n",
        "a:\n\t- b\n",
        "a: [b,\n  c]\n",
        "{{ a }}: b\n",
        "a: |2\n   b\n",
        "a: |\n",
        "a: 1\r\n",
        "1: a\n",
        "<<: a\n",
        "a: .inf\n",
        "-\n",
        "a\n",
        "a: [b\n",
        "a: \"\\u00e9\"\n",
        "...\n",
        "a: 1\n b: 2\n",
        "a:\n  b: 1\n c: 2\n",
        "- a\nb: c\n",
    ] {
        assert!(!simple(text), "{text}");
    }
    assert!(!simple(&"- ".repeat(60)) && !simple(&"[".repeat(60)) && !simple(&format!("{}: 1\n", "k".repeat(600))));
    let many: String = (0..40).map(|n| format!("k{n}: 1\n")).collect();
    assert!(simple(&many) && !simple(&format!("{many}k3: 1\n")));
    assert!(simple(&"---\na: 1\n".repeat(1024)) && !simple(&"---\na: 1\n".repeat(1025)));
}

fn check_spans(node: &Node, text: &str) {
    let written = text.get(node.span.start as usize..node.span.end as usize).expect("a span within the text");
    let before = &text[..node.span.start as usize];
    let line = 1 + before.replace("\r\n", "\n").matches(['\n', '\r']).count();
    assert_eq!(node.span.line as usize, line, "{text:?} {written:?}");
    match &node.value {
        Value::Map(map) => map.iter().for_each(|(_, value)| check_spans(value, text)),
        Value::List(list) => list.iter().for_each(|item| check_spans(item, text)),
        _ => {}
    }
}

proptest! {
    #[test]
    fn t11_no_bytes_make_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
        read(bytes);
    }

    #[test]
    fn t11_no_yaml_makes_the_reader_panic_and_spans_fit(
        parts in prop::collection::vec(
            prop::sample::select(vec![
                "a", "b: ", "c:", "- ", "\n", "  ", "\t", "'", "\"", "|", ">-\n", "{", "}", "[", "]", ", ", "&x ", "*x", "!!str ",
                "!t ", "---\n", "...\n", "<<: ", "? ", "\r\n", "\r", "#", " # é", "%YAML 1.1\n", "0x", "1", "~", "\u{feff}", "é",
            ]),
            0..24,
        )
    ) {
        let text = parts.concat();
        for document in &read(&text).documents {
            check_spans(&document.node, &text);
            prop_assert_eq!(&super::load(&RepoPath::root(), yaml(&document.node).as_bytes()).documents[0].node, &document.node);
        }
    }

    #[test]
    fn both_halves_of_the_reader_read_the_same(
        parts in prop::collection::vec(
            prop::sample::select(vec![
                "a: 1\n", "b:\n", "- c\n", "- d: e\n", "  ", "    ", "f: |\n", "g: >-\n", "text\n", "  more text\n", "\n", "# h\n", "---\n",
                "i: [j, k]\n", "l: {m: n}\n", "'o': \"p\"\n", "q: 'r' # s\n", "- ", "t:", " ", "u", ": ", "yes", "0x1", "é", "\t", "#", "-", "~", "v: |-\n",
            ]),
            0..24,
        )
    ) {
        simple(&parts.concat());
    }
}
