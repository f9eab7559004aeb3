//! Who and what is believed: installations, heads, approvals, names, and texts that anybody may write.

use http::Request;
use http_body_util::{BodyExt, Full};
use serde_json::{Value, json};
use tower::ServiceExt;
use trunkline::sandbox::seed::{CI, ENVIRONMENTS, SHOP};
use trunkline::web::signature;

use crate::stories::{example, in_stage, merge_to_trunk, pull, tag, text};
use crate::world::{Fault, SECRET, Then, World};

const PROD: &str = "environments/prod/kustomization.yaml";
const HOUR: std::time::Duration = std::time::Duration::from_secs(3600);

/// A second account with the App on its one repository, whose configuration draws from the first account's shop.
async fn neighbour(world: &mut World) -> u64 {
    world.github.create_org("evil");
    world.github.create_user("eve");
    let config = "version: 1\napps:\n  shop:\n    source: acme/shop\n    images: [ghcr.io/acme/shop-frontend]\n\
                  environments:\n  dev: { path: dev, takes: trunk, merge: auto }\n";
    let files = [
        (".github/trunkline.yaml", config.into()),
        ("dev/kustomization.yaml", "images:\n- name: ghcr.io/acme/shop-frontend\n  newTag: v0\n".into()),
    ];
    let repo = world.github.create_repo("evil", "env", true, &files, "eve");
    world.link("evil/env", &repo.path);
    let installation = world.github.install("evil", &["env"]);
    world.settle().await;
    installation
}

/// Requests made with tokens of one installation that name anything of an account.
fn crossings(world: &World, installation: u64, account: &str) -> Vec<String> {
    let requests = world.github.requests();
    let crossing = requests
        .iter()
        .filter(|request| request.installation == Some(installation) && request.path.contains(&format!("/{account}/")));
    crossing.map(|request| format!("{} {}", request.method, request.path)).collect()
}

#[tokio::test]
async fn t9_a_repository_is_reached_through_the_installation_that_holds_it() {
    let mut world = World::example().await;
    let evil = neighbour(&mut world).await;
    let path = "environments/base/frontend.yaml";
    let files = [(path, example(path, "memory: 128Mi", "memory: 96Mi"))];
    world.github.push_files(ENVIRONMENTS, "topic", "ben", "Less", &files);
    let number = world.github.open_pull(ENVIRONMENTS, "ben", "topic", "main", "Less", "");
    // Signed well, and naming acme's repository as if it were evil's.
    let mut deliveries = world.github.take_deliveries();
    for delivery in &mut deliveries {
        let mut body: Value = serde_json::from_slice(&delivery.body).unwrap();
        assert_ne!(body["installation"]["id"], json!(evil));
        body["installation"]["id"] = json!(evil);
        delivery.body = body.to_string().into_bytes();
        let signature = signature::sign(&SECRET.into(), &delivery.body);
        for (name, value) in &mut delivery.headers {
            if name.eq_ignore_ascii_case("x-hub-signature-256") {
                value.clone_from(&signature);
            }
        }
    }
    assert!(world.deliver_these(deliveries).await > 0);
    world.settle().await;
    assert_eq!(crossings(&world, evil, "acme"), [""; 0]);
    assert!(world.check(number).starts_with("success"), "looked at where it belongs: {}", world.check(number));
    // And one that no installation holds is looked for once and let go.
    let body = json!({ "action": "edited", "repository": { "id": 999_999 }, "installation": { "id": evil },
        "sender": { "login": "eve" } });
    world.deliver_body("repository", body.to_string().into_bytes()).await;
    world.settle().await;
    assert_eq!(world.waiting().await, 0);
}

#[tokio::test]
async fn t29_a_token_never_leaves_its_installation_and_sources_neither() {
    let mut world = World::example().await;
    let evil = neighbour(&mut world).await;
    in_stage(&mut world).await;
    world.sweep().await;
    assert_eq!(crossings(&world, evil, "acme"), [""; 0]);
    let acme =
        world.github.requests().iter().filter_map(|request| request.installation).find(|one| *one != evil).unwrap();
    assert_eq!(crossings(&world, acme, "evil"), [""; 0]);
    // Nothing was even tried that a strict GitHub would have had to refuse.
    let refused: Vec<_> = world
        .github
        .requests()
        .iter()
        .filter(|request| request.token == "installation" && matches!(request.status, 401 | 403))
        .map(|request| format!("{} {}: {}", request.method, request.path, request.status))
        .collect();
    assert_eq!(refused, [""; 0]);
    // What evil's configuration names in acme's account is no source: no version of it ever travels there.
    let dump = world.sees();
    let there = &dump[dump.find("\nevil/env").unwrap()..];
    assert!(!there.contains("pull #") && !there.contains("trunkline/dev"), "{there}");
}

/// A promotion to dev that is open, checked, and not merged yet, with somebody's commit pushed onto its branch since the bot last looked.
async fn overtaken() -> World {
    let mut world = World::example().await;
    let sha = world.github.push_files(SHOP, "main", "ann", "Sell more", &[("CHANGES", text("x"))]);
    world.settle().await;
    world.github.add_check(SHOP, &sha, CI, "build", "success");
    world.settle_until(|world| !world.pulls().is_empty() && world.check(1).starts_with("success")).await;
    assert!(world.pulls()[0].starts_with("#1 open"));
    let branch = format!("trunkline/dev/shop/{}", &sha[..7]);
    let more = [("environments/dev/extra.yaml", text("kind: Evil\n"))];
    world.github.push_files(ENVIRONMENTS, &branch, "ben", "Mine too", &more);
    world
}

#[tokio::test]
async fn t20_what_is_pushed_between_look_and_merge_is_never_merged() {
    let mut plain = overtaken().await;
    plain.faults.count();
    plain.settle().await;
    let calls = plain.faults.count().len();
    assert!((1..60).contains(&calls), "{calls}");
    for call in 0..calls.min(8) {
        let mut world = overtaken().await;
        // One read shows the head as it was before the push: what it was judged on is not what is there.
        world.faults.set(call, Fault::Stale);
        world.settle().await;
        assert!(world.pulls()[0].starts_with("#1 open"), "call {call}: {:?}", world.pulls());
    }
}

#[tokio::test]
async fn t20_what_is_pushed_in_the_very_moment_of_the_merge_is_never_merged() {
    let mut world = World::example().await;
    let github = world.github.clone();
    let push = move || {
        let branch = github.branches(ENVIRONMENTS, "trunkline/dev/")[0].clone();
        let more = [("environments/dev/extra.yaml", text("kind: Evil\n"))];
        drop(github.push_files(ENVIRONMENTS, &branch, "ben", "Mine too", &more));
    };
    world.faults.at("/merge", 0, Then::Do(Box::new(push)));
    merge_to_trunk(&mut world, "Sell more").await;
    assert!(world.pulls()[0].starts_with("#1 open"), "{:?}", world.pulls());
    let requests = world.github.requests();
    let merges = requests.iter().filter(|request| request.path.ends_with("/merge")).map(|request| request.status);
    // It was asked for once, by the head that was judged, and GitHub said that it is another.
    assert_eq!(merges.collect::<Vec<_>>(), [409]);
}

#[tokio::test]
async fn t22_only_the_newest_word_of_a_reviewer_on_the_newest_commit_counts() {
    let mut world = World::example().await;
    let sha = in_stage(&mut world).await;
    tag(&mut world, "v1.0", &sha).await;
    world.advance(HOUR).await;
    let bump = example(PROD, "newTag: v0.9", "newTag: v1.0");
    let more = [bump.clone().unwrap(), b"commonAnnotations: {one: more}\n".to_vec()].concat();
    let number = pull(&mut world, "Bump production by hand", &[(PROD, bump)]).await;
    let open = |world: &World| world.check(number).starts_with("success");
    assert!(!open(&world), "{}", world.check(number));
    for (user, state, opens) in [
        ("sue", "COMMENTED", false),
        ("sue", "APPROVED", true),
        ("sue", "COMMENTED", true),
        ("sue", "CHANGES_REQUESTED", false),
        ("sam", "APPROVED", false),
        ("sue", "APPROVED", true),
    ] {
        world.github.review(ENVIRONMENTS, user, number, state);
        world.settle().await;
        assert_eq!(open(&world), opens, "after {user}'s {state}: {}", world.check(number));
    }
    // Approved, then pushed to: both approvals are for what is no longer there.
    world.github.push_files(ENVIRONMENTS, "topic", "ben", "One more thing", &[(PROD, Some(more))]);
    world.settle().await;
    assert!(!open(&world), "{}", world.check(number));
    let said = world.said(number);
    for who in ["sam", "sue"] {
        assert!(said.contains(&format!("{who}'s approval does not count: it is for an older commit")), "{said}");
    }
    world.github.review(ENVIRONMENTS, "sam", number, "APPROVED");
    world.settle().await;
    assert!(open(&world), "{}", world.check(number));
}

#[test]
fn t24_rules_come_from_this_program_and_this_repository_only() {
    let problems = |policies: &str| {
        let text = format!("version: 1\nenvironments:\n  dev: {{ path: dev, takes: trunk }}\npolicies: {policies}\n");
        let parsed = trunkline::config::parse(&trunkline::config::FILE.parse().unwrap(), &text);
        parsed.problems.into_iter().map(|problem| problem.message).collect::<Vec<_>>()
    };
    assert_eq!(problems("{ packs: [recommended], paths: [policies] }"), [""; 0]);
    for remote in
        ["github.com/acme/rules", "acme/rules@v1", "https://example.com/rules.tar.gz", "oci://ghcr.io/acme/rules:v1"]
    {
        assert!(!problems(&format!("{{ packs: [\"{remote}\"] }}")).is_empty(), "{remote} as a pack");
    }
    for path in ["https://example.com/rules", "../rules", "/etc/rules", "git::https://example.com/x", "oci://x/y:z"] {
        assert!(!problems(&format!("{{ paths: [\"{path}\"] }}")).is_empty(), "{path} as a path");
    }
    assert!(!problems("{ extends: acme/rules }").is_empty());
}

/// A request of a person, as GitHub's page or any client would send it.
async fn person(world: &World, user: &str, method: &str, path: &str, body: Value) -> u16 {
    let request = Request::builder()
        .method(method)
        .uri(format!("/api/v3{path}"))
        .header("authorization", format!("Bearer ghp_{user}"))
        .header("content-type", "application/json")
        .header("user-agent", "a person")
        .body(axum::body::Body::new(Full::from(body.to_string())))
        .unwrap();
    let answer = world.github.router().oneshot(request).await.unwrap();
    let status = answer.status().as_u16();
    let _whole = answer.into_body().collect().await.unwrap();
    status
}

#[tokio::test]
async fn t28_what_people_write_into_descriptions_and_comments_is_no_state() {
    let mut world = World::example().await;
    let sha = in_stage(&mut world).await;
    tag(&mut world, "v1.0", &sha).await;
    world.advance(HOUR).await;
    let number = world.newest_pull();
    let before = world.check(number);
    assert!(before.contains("in_progress"), "{before}");
    // Somebody rewrites the promotion's description: every box ticked, every gate open, another version.
    let body = world.body(number).replace("v1.0", "v9.9").replace("[ ]", "[x]").replace('⏳', "✅");
    let body = format!(
        "{body}\n- [x] approved by sue\n<!-- trunkline:v1 state {{\"approved\":true}} -->\n/trunkline promote prod"
    );
    let path = format!("/repos/{ENVIRONMENTS}/pulls/{number}");
    assert_eq!(
        person(&world, "ben", "PATCH", &path, json!({ "body": body, "title": "Promote shop v9.9 to prod" })).await,
        200
    );
    // And another copies our markers into comments and a pull request of their own, from a branch named like ours.
    world.github.comment(
        ENVIRONMENTS,
        "ben",
        number,
        &format!("<!-- trunkline:v1 sticky 0000000000000000 -->\n{body}"),
    );
    world.settle().await;
    world.sweep().await;
    assert_eq!(world.check(number), before);
    assert!(
        world.pulls().last().is_some_and(|pull| pull.starts_with(&format!("#{number} open"))),
        "{:?}",
        world.pulls()
    );
    let ours = world.said(number);
    assert!(ours.contains("0 of 1 approval") && ours.contains("v1.0 into prod") && !ours.contains("v9.9"), "{ours}");
    let talk = world.talk(number);
    assert_eq!(talk.matches("comment by ben").count(), 1, "{talk}");
    assert!(
        talk.contains("<!-- trunkline:v1 sticky 0000000000000000 -->"),
        "a stranger's comment is not ours to edit: {talk}"
    );

    let branch = "trunkline/dev/shop/v7.7";
    let files = [("environments/dev/note.txt", text("x"))];
    world.github.push_files(ENVIRONMENTS, branch, "ben", "Promote shop", &files);
    let fake = world.github.open_pull(ENVIRONMENTS, "ben", branch, "main", "Promote shop v7.7 to dev", &body);
    world.settle().await;
    world.sweep().await;
    let state = world.pulls().into_iter().find(|pull| pull.starts_with(&format!("#{fake} "))).unwrap();
    assert!(state.starts_with(&format!("#{fake} open")), "dev merges by itself, but only what we wrote: {state}");
}

#[tokio::test]
async fn t31_a_check_of_our_name_by_another_app_is_not_ours() {
    let mut world = World::example().await;
    // On an environment: a broken change does not pass because somebody says so in our name, before or after us.
    let path = "environments/base/frontend.yaml";
    let broken = [(path, text("kind: [\n"))];
    let sha = world.github.push_files(ENVIRONMENTS, "topic", "ben", "Break it", &broken);
    world.github.add_check(ENVIRONMENTS, &sha, "impostor", "trunkline", "success");
    let number = world.github.open_pull(ENVIRONMENTS, "ben", "topic", "main", "Break it", "");
    world.settle().await;
    assert!(world.check(number).starts_with("failure"), "{}", world.check(number));
    let writes = world.writes();
    world.github.add_check(ENVIRONMENTS, &sha, "impostor", "trunkline", "success");
    world.settle().await;
    world.sweep().await;
    assert!(world.check(number).starts_with("failure"), "{}", world.check(number));
    assert_eq!(world.writes(), writes, "another's check is nothing to answer");
    // On a source commit: it is a check like any other, so a failing one stops the version; ours would not count.
    let sha = world.github.push_files(SHOP, "main", "ann", "Sell more", &[("CHANGES", text("x"))]);
    world.settle().await;
    world.github.add_check(SHOP, &sha, CI, "build", "success");
    world.github.add_check(SHOP, &sha, "impostor", "trunkline", "failure");
    world.settle().await;
    assert!(!world.pulls().iter().any(|pull| pull.contains("Promote")), "{:?}", world.pulls());
    merge_to_trunk(&mut world, "Sell even more").await;
    assert!(world.pulls().last().is_some_and(|pull| pull.starts_with("#2 merged")), "{:?}", world.pulls());
}

#[test]
fn t49_what_is_built_and_what_builds_it_is_named() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |path: &str| std::fs::read_to_string(root.join(path)).unwrap();
    // Every package that is not this one comes from the registry, with its checksum.
    let lock = read("Cargo.lock");
    for package in lock.split("[[package]]").skip(1).filter(|package| !package.contains("name = \"trunkline\"\n")) {
        let registry = "source = \"registry+https://github.com/rust-lang/crates.io-index\"";
        assert!(package.contains(registry) && package.contains("checksum = \""), "{package}");
    }
    let deny = read("deny.toml");
    for line in ["unknown-registry = \"deny\"", "unknown-git = \"deny\"", "yanked = \"deny\"", "wildcards = \"deny\""] {
        assert!(deny.contains(line), "deny.toml: {line}");
    }
    assert!(read(".ci/run").contains("cargo deny") && read("Cargo.toml").contains("unsafe_code = \"deny\""));
    // Workflows: the lock file decides, no step of a stranger's runs with our rights, tokens are for one job.
    let uses = regex::Regex::new(r"uses:\s*(\S+)").unwrap();
    for file in ["ci.yml", "release.yml"] {
        let text = read(&format!(".github/workflows/{file}"));
        for found in uses.captures_iter(&text) {
            assert!(found[1].starts_with("actions/"), "{file}: {} is not GitHub's own", &found[1]);
        }
        assert!(!text.contains("pull_request_target") && !text.contains("workflow_run"), "{file}");
        let (head, jobs) = text.split_once("\njobs:\n").unwrap();
        assert!(head.contains("\npermissions:\n  contents: read"), "{file}");
        assert_eq!(
            jobs.matches("actions/checkout").count(),
            jobs.matches("persist-credentials: false").count(),
            "{file}"
        );
        for line in jobs.lines().filter(|line| line.contains("cargo build") || line.contains("cargo test")) {
            assert!(line.contains("--locked"), "{file}: {line}");
        }
    }
    let release = read(".github/workflows/release.yml");
    assert!(
        release.contains("attest-build-provenance") && release.contains("sha256sum"),
        "a release says where it is from"
    );
}
