//! What promotions cost of GitHub's budgets: one from tag to merged production, and a push that touches a hundred open ones.

use std::fmt::Write as _;
use std::time::Duration;

use trunkline::sandbox::seed::{CI, ENVIRONMENTS, ORG, PEOPLE, SHOP};

use crate::day::{Count, print};
use crate::world::World;

const OPEN: usize = 100;
const HOUR: Duration = Duration::from_secs(3600);

pub(crate) async fn run() {
    println!("\n## {OPEN} applications of one source, each with an open promotion into production");
    let mut world = World::empty().await;
    world.github.create_org(ORG);
    PEOPLE.iter().for_each(|(login, _)| world.github.create_user(login));
    world.github.create_team(ORG, "sre", &["sam", "sue"]);
    world.github.create_repo(ORG, "shop", false, &[("README.md", b"# shop\n".to_vec())], "ann");
    let files = files();
    let files: Vec<(&str, Vec<u8>)> = files.iter().map(|(path, text)| (path.as_str(), text.clone())).collect();
    world.github.create_repo(ORG, "environments", false, &files, "sam");
    for repo in [SHOP, ENVIRONMENTS] {
        PEOPLE.iter().for_each(|(login, role)| world.github.set_permission(repo, login, role));
    }
    let sha = world.github.branch_tip(SHOP, "main");
    world.github.add_check(SHOP, &sha, CI, "build", "success");
    world.github.install(ORG, &[]);
    world.start(true).await;
    world.settle().await;
    since(&world, "start and first sight", 0);

    let calls = world.calls.lock().unwrap().len();
    for number in 0..OPEN {
        world.github.create_tag(SHOP, &format!("app-{number:03}/v1.0"), &sha, "ann", false);
    }
    world.settle().await;
    for _ in 0..4 {
        world.advance(HOUR).await;
    }
    let opened = since(&world, "tags until all are open", calls);
    println!("{:44} a promotion: content writes {:.2}", "", opened.content as f64 / OPEN as f64);
    assert_eq!(open(&world), OPEN, "promotions that are open");

    let calls = world.calls.lock().unwrap().len();
    world.advance(HOUR).await;
    since(&world, "an hour in which nothing happens", calls);

    let calls = world.calls.lock().unwrap().len();
    let note = [(
        "base/config.yaml",
        Some(b"apiVersion: v1\nkind: ConfigMap\nmetadata: { name: all }\ndata: { A: b }\n".to_vec()),
    )];
    world.github.push_files(ENVIRONMENTS, "main", "sam", "A change below all of them", &note);
    world.settle().await;
    let touched = since(&world, "a push that touches them all", calls);
    println!("{:44} of 80 a minute and 500 an hour: {}", "", touched.content);
    assert!(touched.content <= 2 * OPEN, "more than one comment for each");

    let calls = world.calls.lock().unwrap().len();
    let number = newest(&world);
    world.github.review(ENVIRONMENTS, "sue", number, "APPROVED");
    world.settle().await;
    since(&world, "one is approved and merged", calls);
    assert_eq!(open(&world), OPEN - 1, "promotions that are open");
    world.stop().await;
}

fn since(world: &World, what: &str, calls: usize) -> Count {
    print(what, world, calls, 0)
}

fn open(world: &World) -> usize {
    world.github.pulls(ENVIRONMENTS).iter().filter(|(_, state, _)| state == "open").count()
}

fn newest(world: &World) -> u64 {
    let pulls = world.github.pulls(ENVIRONMENTS);
    pulls.iter().filter(|(_, state, _)| state == "open").map(|(number, ..)| *number).max().unwrap_or_default()
}

fn files() -> Vec<(String, Vec<u8>)> {
    let mut rules = String::from("version: 1\nmode: enforce\napps:\n");
    let mut files = vec![(
        "base/config.yaml".to_owned(),
        b"apiVersion: v1\nkind: ConfigMap\nmetadata: { name: all }\ndata: { A: a }\n".to_vec(),
    )];
    for number in 0..OPEN {
        let app = format!("app-{number:03}");
        // Writing to a String cannot fail.
        let _ = writeln!(rules, "  {app}: {{ source: {SHOP}, tags: \"{app}/v*\", images: [ghcr.io/acme/{app}] }}");
        let kustomization = format!(
            "namespace: {app}\nresources:\n- ../../base\n- deployment.yaml\nimages:\n- name: ghcr.io/acme/{app}\n  newTag: v0.9\n"
        );
        let deployment = format!(
            "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: {app}\nspec:\n  selector: {{ matchLabels: {{ app: {app} }} }}\n  \
             template:\n    metadata: {{ labels: {{ app: {app} }} }}\n    spec:\n      containers:\n      - name: app\n        image: ghcr.io/acme/{app}\n"
        );
        files.push((format!("prod/{app}/kustomization.yaml"), kustomization.into_bytes()));
        files.push((format!("prod/{app}/deployment.yaml"), deployment.into_bytes()));
        let base = b"resources:\n- config.yaml\n".to_vec();
        if number == 0 {
            files.push(("base/kustomization.yaml".to_owned(), base));
        }
    }
    rules.push_str(
        "environments:\n  prod:\n    path: \"prod/{app}\"\n    takes: releases\n    merge: auto\n    \
         approvals: { teams: [acme/sre], min: 1, four-eyes: true }\n",
    );
    files.push((".github/trunkline.yaml".to_owned(), rules.into_bytes()));
    files
}
