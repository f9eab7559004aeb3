use super::*;
use crate::manifest::{load, objects};
use crate::model::path::RepoPath;

const KEY: MaskKey = MaskKey([7; 32]);

fn read(text: &str) -> Vec<Object> {
    let loaded = load(&"a.yaml".parse::<RepoPath>().unwrap(), text.as_bytes());
    let (objects, problems) = objects(&loaded);
    assert!(problems.is_empty() && loaded.problems.is_empty(), "{problems:?} {:?}", loaded.problems);
    objects
}

fn shown(before: &str, after: &str) -> String {
    let said = changes(&read(before), &read(after), &KEY).into_iter().map(|change| {
        let at = change.location.unwrap().line;
        let (added, removed) = change.lines;
        format!("{:?} {} (+{added} -{removed}, line {at})\n{}", change.kind, change.object, change.diff)
    });
    said.collect()
}

fn config(name: &str, value: &str) -> String {
    format!("---\napiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\ndata:\n  a: {value}\n")
}

const DEPLOYMENT: &str = "apiVersion: apps/v1
kind: Deployment
metadata: {name: shop, labels: {app: shop}}
spec:
  replicas: 2
  template:
    spec:
      containers:
      - name: shop
        image: ghcr.io/acme/shop:v1
        env:
        - {name: A, value: '1'}
        - {name: B, value: '2'}
        - {name: C, value: '3'}
        ports:
        - {containerPort: 80}
        - {containerPort: 81}
      - name: proxy
        image: ghcr.io/acme/proxy:v1
";

#[test]
fn order_is_no_news_and_meaning_is() {
    assert_eq!(shown(DEPLOYMENT, DEPLOYMENT), "");
    assert_eq!(
        shown("apiVersion: v1\nkind: A\nmetadata: {name: x}", "{metadata: {name: x}, kind: A, apiVersion: v1}"),
        ""
    );
    let reordered = DEPLOYMENT
        .replace("        - {name: C, value: '3'}\n", "")
        .replace("        - {name: A", "        - {name: C, value: '3'}\n        - {name: A");
    insta::assert_snapshot!(shown(DEPLOYMENT, &reordered), @"
    Changed Deployment shop (+0 -0, line 1)
      (only the order of list items changes)
    ");
    let changed = reordered.replace("shop:v1", "shop:v2").replace("        - {name: B, value: '2'}\n", "");
    insta::assert_snapshot!(shown(DEPLOYMENT, &changed), @r#"
    Changed Deployment shop (+1 -3, line 1)
    @@ -10,14 +10,12 @@
         spec:
           containers:
           - name: shop
    -        image: ghcr.io/acme/shop:v1
    +        image: ghcr.io/acme/shop:v2
             env:
             - name: C
               value: "3"
             - name: A
               value: "1"
    -        - name: B
    -          value: "2"
             ports:
             - containerPort: 80
             - containerPort: 81
    "#);
}

#[test]
fn added_removed_and_renamed() {
    let before = config("a", "1") + &config("shop-t6g5m2h5k2", "1") + &config("plain-name-ab", "1");
    let after = config("b", "1") + &config("shop-2b4d56789f", "2") + &config("plain-name-cd", "1");
    insta::assert_snapshot!(shown(&before, &after), @"
    Removed ConfigMap a (+0 -6, line 2)
    @@ -1,6 +0,0 @@
    -apiVersion: v1
    -kind: ConfigMap
    -metadata:
    -  name: a
    -data:
    -  a: 1
    Added ConfigMap b (+6 -0, line 2)
    @@ -0,0 +1,6 @@
    +apiVersion: v1
    +kind: ConfigMap
    +metadata:
    +  name: b
    +data:
    +  a: 1
    Removed ConfigMap plain-name-ab (+0 -6, line 16)
    @@ -1,6 +0,0 @@
    -apiVersion: v1
    -kind: ConfigMap
    -metadata:
    -  name: plain-name-ab
    -data:
    -  a: 1
    Added ConfigMap plain-name-cd (+6 -0, line 16)
    @@ -0,0 +1,6 @@
    +apiVersion: v1
    +kind: ConfigMap
    +metadata:
    +  name: plain-name-cd
    +data:
    +  a: 1
    Changed ConfigMap shop-2b4d56789f (+2 -2, line 9)
    @@ -1,6 +1,6 @@
     apiVersion: v1
     kind: ConfigMap
     metadata:
    -  name: shop-t6g5m2h5k2
    +  name: shop-2b4d56789f
     data:
    -  a: 1
    +  a: 2
    ");
}

#[test]
fn several_of_one_identity_are_paired_in_order() {
    let before = config("a", "1") + &config("a", "2");
    let after = config("a", "1") + &config("a", "3") + &config("a", "4");
    insta::assert_snapshot!(shown(&before, &after), @"
    Changed ConfigMap a (+1 -1, line 9)
    @@ -3,4 +3,4 @@
     metadata:
       name: a
     data:
    -  a: 2
    +  a: 3
    Added ConfigMap a (+6 -0, line 16)
    @@ -0,0 +1,6 @@
    +apiVersion: v1
    +kind: ConfigMap
    +metadata:
    +  name: a
    +data:
    +  a: 4
    ");
}

#[test]
fn t35_secrets_are_masked_before_they_are_compared() {
    let secret = |value: &str| {
        format!(
            "apiVersion: v1\nkind: Secret\nmetadata: {{name: db}}\nstringData:\n  password: {value}\n  user: shop\n"
        )
    };
    let diff = shown(&secret("hunter2"), &secret("correct-horse"));
    assert!(!diff.contains("hunter2") && !diff.contains("horse") && !diff.contains("shop\n"), "{diff}");
    insta::assert_snapshot!(diff, @"
    Changed Secret db (+1 -1, line 1)
    @@ -3,5 +3,5 @@
     metadata:
       name: db
     stringData:
    -  password: «masked, fingerprint 326eb4f6783e»
    +  password: «masked, fingerprint dc86a23fc9d6»
       user: «masked, fingerprint bdc0a9544010»
    ");
    let added = shown("", &secret("hunter2"));
    assert!(!added.contains("hunter2") && added.contains("masked"), "{added}");
    let removed = shown(&secret("hunter2"), "");
    assert!(!removed.contains("hunter2") && removed.contains("masked"), "{removed}");
}

#[test]
fn images_that_change() {
    let pod = |images: &[&str]| -> Vec<Object> {
        let list: String = images.iter().map(|image| format!("    - {{name: x, image: '{image}'}}\n")).collect();
        read(&format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: a}}\nspec:\n  template:\n    initContainers:\n{list}"
        ))
    };
    let before = pod(&["ghcr.io/a/b:v1", "localhost:5000/c", "d@sha256:00", "same:1", "gone:1"]);
    let after = pod(&["ghcr.io/a/b:v2", "localhost:5000/c:v1", "d:v1@sha256:01", "same:1", "new"]);
    let said: Vec<String> = image_changes(&before, &after)
        .iter()
        .map(|image| format!("{}: {} -> {}", image.name, image.from, image.to))
        .collect();
    insta::assert_snapshot!(said.join("\n"), @"
    d: sha256:00 -> v1@sha256:01
    ghcr.io/a/b: v1 -> v2
    gone: 1 -> 
    localhost:5000/c: latest -> v1
    new:  -> latest
    ");
}
