use super::*;
use crate::model::path::RepoPath;

fn documents(text: &str) -> Vec<Document> {
    let loaded = load(&RepoPath::root(), text.as_bytes());
    assert!(loaded.problems.is_empty(), "{:?}\n{text}", loaded.problems);
    loaded.documents
}

/// Sets the value at `path` of the first document.
fn set(text: &str, path: &[&str], new: &str) -> String {
    let documents = documents(text);
    let span = &documents[0].node.at(path).unwrap().span;
    String::from_utf8(set_scalar(text.as_bytes(), span, new).unwrap()).unwrap()
}

fn key_span(node: &Node, key: &str) -> Span {
    node.as_map().unwrap().key(key).unwrap().span.clone()
}

#[test]
fn quotes_comments_and_line_ends_stay() {
    let text = "# top\r\na:   v1   # why\r\nb: 'v1'\r\nc: \"v1\" # c\r\nd: &x v1\r\ne: {f: v1, g: [v1]}\r\nh:\r\ni: |\r\n  v1\r\nj: k\r\n";
    assert_eq!(set(text, &["a"], "v2"), text.replace("a:   v1", "a:   v2"));
    assert_eq!(set(text, &["b"], "it's"), text.replace("'v1'", "'it''s'"));
    assert_eq!(set(text, &["c"], "a\"b"), text.replace("\"v1\"", "\"a\\\"b\""));
    assert_eq!(set(text, &["d"], "v2"), text.replace("&x v1", "&x v2"));
    assert_eq!(set(text, &["e", "f"], "sha256:00"), text.replace("f: v1", "f: 'sha256:00'"));
    assert_eq!(set(text, &["a"], "sha256:00"), text.replace("a:   v1", "a:   sha256:00"));
    assert_eq!(set(text, &["h"], "v2"), text.replace("h:", "h: v2"));
    assert_eq!(set(text, &["i"], "x"), text.replace("|\r\n  v1", "\"x\""));
    assert_eq!(set("a: {b: , c: d}", &["a", "b"], "x"), "a: {b: x , c: d}");
}

#[test]
fn versions_stay_text() {
    for version in
        ["1.10", "0012345", "123e4567", "1e5", "0x10", "yes", "null", "2024-01-02", "1_000", "~", "", "12:30"]
    {
        assert_eq!(set("newTag: v1\n", &["newTag"], version), format!("newTag: \"{version}\"\n"));
    }
    for version in ["v1.10", "1.2.3", "1.0-rc.1", "main-50694e4-1", "abcdef0"] {
        assert_eq!(set("newTag: \"1.9\"\n", &["newTag"], version), format!("newTag: \"{version}\"\n"));
        assert_eq!(set("newTag: 1.9\n", &["newTag"], version), format!("newTag: {version}\n"));
    }
    assert_eq!(set("a: b\n", &["a"], "x: y #z"), "a: 'x: y #z'\n");
    assert_eq!(set("a: b\n", &["a"], "x\ny"), "a: \"x\\ny\"\n");
}

#[test]
fn several_edits_and_what_is_refused() {
    let text = "images:\n- name: a\n  newTag: v1\n- {name: b, newTag: v1}\n";
    let root = &documents(text)[0].node;
    let tags: Vec<Span> =
        root.list_at(&["images"]).iter().map(|image| image.get("newTag").unwrap().span.clone()).collect();
    let edits: Vec<_> = tags.iter().map(|span| (span.clone(), "1.2".to_owned())).collect();
    let out = String::from_utf8(set_scalars(text.as_bytes(), &edits).unwrap()).unwrap();
    assert_eq!(out, text.replace("v1", "\"1.2\""));
    let twice = [edits[0].clone(), edits[0].clone()];
    assert_eq!(set_scalars(text.as_bytes(), &twice), Err(EditError::Overlap(3)));
    assert_eq!(set_scalar(b"other: file\n", &tags[1], "x"), Err(EditError::NotFound { line: 4, column: 21 }));
    assert_eq!(set_scalar(text.as_bytes(), &root.span, "x"), Err(EditError::NotFound { line: 1, column: 1 }));
    assert!(matches!(set_scalar(b"a: 1\na: 2\n", &tags[0], "x"), Err(EditError::Unreadable { line: 2, .. })));
}

#[test]
fn an_anchor_changes_only_when_all_who_use_it_are_meant() {
    let text = "a: &t v1 # x\nb: *t\nc: {d: *t}\n";
    let root = &documents(text)[0].node;
    let at = root.get("b").unwrap().span.clone();
    let set = |times: usize| set_scalars(text.as_bytes(), &vec![(at.clone(), "v2".to_owned()); times]);
    assert_eq!(set(1), Err(EditError::Shared { line: 1 }));
    assert_eq!(set(2), Err(EditError::Shared { line: 1 }));
    assert_eq!(String::from_utf8(set(3).unwrap()).unwrap(), text.replace("v1", "v2"));
    assert_eq!(set(4), Err(EditError::Overlap(1)));
}

#[test]
fn items_are_appended_in_the_lists_own_style() {
    let append = |text: &str| {
        append_item(text.as_bytes(), "images", &[("name", "ghcr.io/acme/web"), ("newTag", "1.10")])
            .map(|out| String::from_utf8(out).unwrap())
    };
    let entry = "  - name: ghcr.io/acme/web\n    newTag: \"1.10\"\n";
    let flat = "- name: ghcr.io/acme/web\n  newTag: \"1.10\"\n";
    assert_eq!(append("resources: [a]\n").unwrap(), format!("resources: [a]\nimages:\n{entry}"));
    assert_eq!(append("resources:\n- a\n# end\n").unwrap(), format!("resources:\n- a\n# end\nimages:\n{flat}"));
    assert_eq!(append("resources:\n  - a").unwrap(), format!("resources:\n  - a\nimages:\n{entry}"));
    let list = "images: # ours\n- name: a\n  newTag: v1 # now\n# next\nx: y\n";
    assert_eq!(append(list).unwrap(), list.replace("# now\n", &format!("# now\n{flat}")));
    let wide = "images:\r\n-   name: a\r\nx: y\r\n";
    let wide_entry = "a\r\n-   name: ghcr.io/acme/web\r\n    newTag: \"1.10\"\r\n";
    assert_eq!(append(wide).unwrap(), wide.replace("a\r\n", wide_entry));
    let item = "{ name: ghcr.io/acme/web, newTag: \"1.10\" }";
    assert_eq!(append("images: [{name: a}] # x\n").unwrap(), format!("images: [{{name: a}}, {item}] # x\n"));
    assert_eq!(append("images: []\n").unwrap(), format!("images: [{item}]\n"));
    assert_eq!(append("images:\nx: y\n").unwrap(), format!("images:\n{entry}x: y\n"));
    assert_eq!(append("images:\n- {name: a}\n").unwrap(), format!("images:\n- {{name: a}}\n{flat}"));
    for odd in
        ["{images: []}\n", "a: 1\n---\nb: 1\n", "images: {a: b}\n", "x: &i [{name: a}]\nimages: *i\n", "images: text\n"]
    {
        assert!(matches!(append(odd), Err(EditError::Layout { .. })), "{odd}");
    }
}

#[test]
fn keys_are_inserted_in_their_siblings_style() {
    let insert = |text: &str, at: &[&str], sibling: &str| {
        let root = &documents(text)[0].node;
        let node = at.iter().fold(root, |node, step| match step.parse::<usize>() {
            Ok(index) => &node.as_list().unwrap()[index],
            Err(_) => node.get(step).unwrap(),
        });
        insert_after(text.as_bytes(), &key_span(node, sibling), "newTag", "1.10")
            .map(|out| String::from_utf8(out).unwrap())
    };
    let block = "images:\n  - name: a # the shop\n    newName: b\n  - name: c\nx: y\n";
    assert_eq!(
        insert(block, &["images", "0"], "name").unwrap(),
        block.replace("# the shop\n", "# the shop\n    newTag: \"1.10\"\n")
    );
    assert_eq!(insert(block, &["images", "1"], "name").unwrap(), block.replace("c\n", "c\n    newTag: \"1.10\"\n"));
    assert_eq!(
        insert("images: [{name: a}]\n", &["images", "0"], "name").unwrap(),
        "images: [{name: a, newTag: \"1.10\"}]\n"
    );
    assert_eq!(insert("a:\r\n  name: b\r\n", &["a"], "name").unwrap(), "a:\r\n  name: b\r\n  newTag: \"1.10\"\r\n");
    assert_eq!(insert("a:\n  name: b", &["a"], "name").unwrap(), "a:\n  name: b\n  newTag: \"1.10\"");
    assert_eq!(
        insert("name: |\n  b\n\n# c\nx: y\n", &[], "name").unwrap(),
        "name: |\n  b\n\nnewTag: \"1.10\"\n# c\nx: y\n"
    );
    assert_eq!(
        insert("a: &n b\nc:\n  name: *n\n", &["c"], "name").unwrap(),
        "a: &n b\nc:\n  name: *n\n  newTag: \"1.10\"\n"
    );
    assert_eq!(
        insert("name: {x: y}\nb: [z,\n c]\n", &[], "b").unwrap(),
        "name: {x: y}\nb: [z,\n c]\nnewTag: \"1.10\"\n"
    );
    assert_eq!(insert("name: a\nnewTag: b\n", &[], "name"), Err(EditError::Exists("newTag".to_owned())));
    assert!(matches!(insert("a: [{name}]\n", &["a", "0"], "name"), Err(EditError::Layout { line: 1, .. })));
}

#[test]
fn keys_are_removed_with_their_line() {
    let remove = |text: &str, at: usize, key: &str| {
        let root = &documents(text)[0].node;
        let image = &root.list_at(&["images"])[at];
        remove_key(text.as_bytes(), &key_span(image, key)).map(|out| String::from_utf8(out).unwrap())
    };
    let text = "images:\n- name: a\n  digest: x # old\n  newTag: v1\n- {name: b, digest: y, newTag: v1}\n- {name: c, digest: z}\n- digest: w\n  name: d\n- digest: v\n";
    assert_eq!(remove(text, 0, "digest").unwrap(), text.replace("  digest: x # old\n", ""));
    assert_eq!(remove(text, 1, "digest").unwrap(), text.replace("digest: y, ", ""));
    assert_eq!(remove(text, 2, "digest").unwrap(), text.replace(", digest: z", ""));
    assert_eq!(remove(text, 3, "digest").unwrap(), text.replace("digest: w\n  ", ""));
    assert!(matches!(remove(text, 4, "digest"), Err(EditError::Layout { .. })));
}
