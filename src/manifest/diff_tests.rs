use super::*;
use crate::manifest::{image_changes, load, objects};
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
        let was = change.was.map(|was| format!(", was {was}")).unwrap_or_default();
        let follows = change.follows.iter().map(|name| format!(", follows {name}")).collect::<String>();
        format!("{:?} {} (+{added} -{removed}, line {at}{was}{follows})\n{}", change.kind, change.object, change.diff)
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
    @@ spec.template.spec.containers[shop] @@
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
    let before = config("a", "1") + &config("shop-t6g5m2h5k2", "1") + &config("plain-name-ab", "2");
    let after = config("b", "3") + &config("shop-2b4d56789f", "2") + &config("plain-name-cd", "2");
    insta::assert_snapshot!(shown(&before, &after), @"
    Removed ConfigMap a (+0 -6, line 2)
    -apiVersion: v1
    -kind: ConfigMap
    -metadata:
    -  name: a
    -data:
    -  a: 1
    Added ConfigMap b (+6 -0, line 2)
    +apiVersion: v1
    +kind: ConfigMap
    +metadata:
    +  name: b
    +data:
    +  a: 3
    Renamed ConfigMap plain-name-cd (+0 -0, line 16, was ConfigMap plain-name-ab)
    Changed ConfigMap shop-2b4d56789f (+1 -1, line 9, was ConfigMap shop-t6g5m2h5k2)
    @@ data @@
     metadata:
       name: shop-2b4d56789f
     data:
    -  a: 1
    +  a: 2
    ");
}

#[test]
fn what_only_follows_a_generated_name_says_so() {
    let pod = |name: &str, map: &str, image: &str| {
        format!(
            "---\napiVersion: v1\nkind: Pod\nmetadata: {{name: {name}}}\nspec:\n  containers:\n  - name: c\n    image: {image}\n\
             \u{20}   envFrom: [{{configMapRef: {{name: {map}}}}}]\n"
        )
    };
    let (old, new) = ("shop-t6g5m2h5k2", "shop-2b4d56789f");
    let before = config(old, "1") + &pod("a", old, "i:1") + &pod("b", old, "i:1") + &pod("c", "shop-5555555555", "i:1");
    let after = config(new, "2") + &pod("a", new, "i:1") + &pod("b", new, "i:2") + &pod("c", new, "i:1");
    insta::assert_snapshot!(shown(&before, &after), @"
    Changed ConfigMap shop-2b4d56789f (+1 -1, line 2, was ConfigMap shop-t6g5m2h5k2)
    @@ data @@
     metadata:
       name: shop-2b4d56789f
     data:
    -  a: 1
    +  a: 2
    Changed Pod a (+0 -0, line 9, follows shop-2b4d56789f)
    Changed Pod b (+1 -1, line 18, follows shop-2b4d56789f)
    @@ spec.containers[c] @@
     spec:
       containers:
       - name: c
    -    image: i:1
    +    image: i:2
         envFrom:
         - configMapRef:
             name: shop-2b4d56789f
    Changed Pod c (+1 -1, line 27)
    @@ spec.containers[c].envFrom[0].configMapRef @@
         image: i:1
         envFrom:
         - configMapRef:
    -        name: shop-5555555555
    +        name: shop-2b4d56789f
    ");
}

#[test]
fn another_name_or_namespace_and_nothing_else() {
    let object = |kind: &str, name: &str, rest: &str| {
        format!("---\napiVersion: v1\nkind: {kind}\nmetadata: {{{name}, labels: {{a: b}}}}\n{rest}")
    };
    let before = object("Service", "name: a", "spec: {x: 1, y: 2}\n")
        + &object("Service", "name: c, namespace: one", "spec: {x: 3}\n")
        + &object("Namespace", "name: na", "")
        + &object("Secret", "name: s", "data: {a: b}\n");
    let after = object("Service", "name: b", "spec: {y: 2, x: 1}\n")
        + &object("Service", "name: c, namespace: two", "spec: {x: 3}\n")
        + &object("Namespace", "name: mb", "")
        + &object("Secret", "name: t", "data: {a: c}\n");
    let told: String =
        shown(&before, &after).lines().filter(|line| line.contains("line ")).map(|l| format!("{l}\n")).collect();
    insta::assert_snapshot!(told, @"
    Added Namespace mb (+6 -0, line 12)
    Removed Namespace na (+0 -6, line 12)
    Removed Secret s (+0 -8, line 16)
    Added Secret t (+8 -0, line 16)
    Renamed Service b (+0 -0, line 2, was Service a)
    Renamed Service two/c (+0 -0, line 7, was Service one/c)
    ");
}

#[test]
fn items_are_compared_with_their_own_kind_however_they_move() {
    let container = |name: &str, env: &str| format!("  - name: {name}\n    env: [{env}]\n");
    let pod = |list: String| format!("apiVersion: v1\nkind: Pod\nmetadata: {{name: a}}\nspec:\n  containers:\n{list}");
    let (one, two) = ("{name: A, value: '1'}", "{name: B, value: '2'}");
    let before = pod(container("xx", &format!("{one}, {two}")) + &container("yy", &format!("{one}, {two}")));
    let after = pod(container("new", one)
        + &container("yy", &format!("{two}, {one}"))
        + &container("xx", &format!("{two}, {one}")));
    insta::assert_snapshot!(shown(&before, &after), @r#"
    Changed Pod a (+4 -0, line 1)
    @@ spec.containers[new] @@
       name: a
     spec:
       containers:
    +  - name: new
    +    env:
    +    - name: A
    +      value: "1"
       - name: yy
         env:
         - name: B
    "#);
}

#[test]
fn t11_large_hostile_objects_are_compared_in_time() {
    let list = |items: &mut dyn Iterator<Item = usize>, value: &str| {
        let items: String = items.map(|n| format!("    - {{name: E{n}, value: '{value}{}'}}\n", n % 7)).collect();
        read(&format!("apiVersion: v1\nkind: Pod\nmetadata: {{name: a}}\nspec:\n  containers:\n  - env:\n{items}"))
    };
    // Ten thousand items by merge key, all in another order, and every tenth with another value.
    let (up, down) = (list(&mut (0..10_000), "x"), list(&mut (0..10_000).rev(), "x"));
    let took = std::time::Instant::now();
    assert_eq!(changes(&up, &down, &KEY)[0].lines, (0, 0));
    // Two texts of a megabyte that share nothing, and two that share every second line.
    let text = |step: usize, word: &str| {
        let lines: String =
            (0..60_000).map(|n| format!("    {} {n}\n", if n % step == 0 { word } else { "same" })).collect();
        read(&format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: a}}\ndata:\n  k: |\n{lines}"))
    };
    assert_eq!(changes(&text(1, "aaaaaaaa"), &text(1, "bbbbbbbb"), &KEY)[0].lines, (60_000, 60_000));
    let change = changes(&text(2, "aaaaaaaa"), &text(2, "bbbbbbbb"), &KEY).remove(0);
    assert!(change.diff.lines().count() < 1_000 && change.diff.contains("more lines of this object"));
    // Thousands of objects that go, and thousands that come, all alike.
    let many = |name: &str| (0..3_000).flat_map(|n| read(&config(&format!("{name}{n}"), "1"))).collect::<Vec<_>>();
    let told = changes(&many("a"), &many("b"), &KEY);
    assert!(told.len() == 3_000 && told.iter().all(|change| change.kind == ChangeKind::Renamed));
    // Quadratic would be minutes, also on a slow machine without optimisation.
    assert!(took.elapsed().as_secs() < 60, "{:?}", took.elapsed());
}

#[test]
fn several_of_one_identity_are_paired_in_order() {
    let before = config("a", "1") + &config("a", "2");
    let after = config("a", "1") + &config("a", "3") + &config("a", "4");
    insta::assert_snapshot!(shown(&before, &after), @"
    Changed ConfigMap a (+1 -1, line 9)
    @@ data @@
     metadata:
       name: a
     data:
    -  a: 2
    +  a: 3
    Added ConfigMap a (+6 -0, line 16)
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
    @@ stringData @@
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
