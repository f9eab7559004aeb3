//! Threats that only the whole bot can meet, and the page that lists all of them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use trunkline::sandbox::seed::{CI, ENVIRONMENTS, SHOP};

use crate::faults::{difference, normal};
use crate::stories::{desk, example, say, text};
use crate::world::World;

#[tokio::test]
async fn t18_hostile_branch_names_are_names_like_any_other() {
    let mut world = World::example().await;
    let long = "x".repeat(200);
    let names =
        ["$(id)", "`id`", "a;touch${IFS}x|y&z", "a--upload-pack=evil", "</details><img/src=x>", "@acme/sre", &long];
    for name in names {
        let path = "environments/base/frontend.yaml";
        let files = [(path, example(path, "memory: 128Mi", "memory: 96Mi"))];
        world.github.push_files(ENVIRONMENTS, name, "ben", "Less", &files);
        let number = world.github.open_pull(ENVIRONMENTS, "ben", name, "main", "Less", "");
        world.settle().await;
        let check = world.check(number);
        assert!(check.starts_with("success"), "{name}: {check}");
        let said = world.said(number);
        assert!(said.contains("frontend") && !said.contains("<img") && !said.contains("@acme/sre"), "{name}: {said}");
        world.github.close_pull(ENVIRONMENTS, "ben", number);
    }
}

#[tokio::test]
async fn t30_our_own_words_start_nothing() {
    let mut world = World::example().await;
    let number = desk(&mut world).await;
    say(&mut world, "ann", number, "/trunkline help").await;
    assert!(world.talk(number).contains("/trunkline hold"), "the answer holds commands itself");
    let (writes, talk) = (world.writes(), world.talk(number));
    world.github.set_permission(ENVIRONMENTS, "trunkline[bot]", "admin");
    world.github.comment(ENVIRONMENTS, "trunkline[bot]", number, "/trunkline hold prod\n/trunkline help");
    world.settle().await;
    world.sweep().await;
    assert_eq!(world.writes(), writes, "{}", world.talk(number));
    assert!(world.talk(number).starts_with(&talk));
}

/// What happens before anybody listens; every object in it is made by a person in one order.
fn story(world: &World) {
    world.github.open_issue(ENVIRONMENTS, "ann", "Environments", "");
    let path = "environments/base/frontend.yaml";
    let files = [(path, example(path, "memory: 128Mi", "memory: 96Mi"))];
    world.github.push_files(ENVIRONMENTS, "topic", "ben", "Less", &files);
    world.github.open_pull(ENVIRONMENTS, "ben", "topic", "main", "Less", "");
    let sha = world.github.push_files(SHOP, "main", "ann", "Sell more", &[("CHANGES", text("x"))]);
    world.github.add_check(SHOP, &sha, CI, "build", "success");
    world.github.comment(ENVIRONMENTS, "ann", 1, "/trunkline help");
    world.github.create_tag(SHOP, "v1.0-rc.1", &sha, "ann", false);
}

#[tokio::test]
async fn t34_shuffled_doubled_and_dropped_deliveries_end_in_the_same_world() {
    let start = World::example().await;
    let mut ordered = start.copy().await;
    story(&ordered);
    ordered.settle().await;
    ordered.sweep().await;
    let wanted = normal(&ordered.sees());
    assert!(wanted.contains("Promote shop v1.0-rc.1 to stage"), "{wanted}");
    for seed in 1..=6_u64 {
        let mut world = start.copy().await;
        story(&world);
        let (tags, mut others): (Vec<_>, Vec<_>) = world
            .github
            .take_deliveries()
            .into_iter()
            .partition(|delivery| delivery.body.starts_with(b"{\"ref\":\"refs/tags/"));
        // Fisher and Yates; every third is dropped, every fourth comes twice.
        let mut dice = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        for at in (1..others.len()).rev() {
            dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            others.swap(at, (dice >> 33) as usize % (at + 1));
        }
        let again: Vec<_> = others.iter().step_by(4).cloned().collect();
        let mut at = 0;
        others.retain(|_| {
            at += 1;
            at % 3 != 0
        });
        // Who pushed a tag stands only in its own delivery: dropping that one is another story (a second approver).
        let all = if seed % 2 == 0 { [tags, others, again].concat() } else { [others, again, tags].concat() };
        world.deliver_these(all).await;
        world.settle().await;
        world.sweep().await;
        let got = normal(&world.sees());
        assert!(got == wanted, "seed {seed}:\n{}", difference(&wanted, &got));
    }
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn functions(folder: &Path, found: &mut BTreeSet<String>) {
    let named = regex::Regex::new(r"\bfn (\w+)").unwrap();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            functions(&path, found);
        } else if path.extension().is_some_and(|end| end == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            found.extend(named.captures_iter(&text).map(|found| found[1].to_owned()));
        }
    }
}

#[test]
fn the_page_of_threats_and_the_tests_name_each_other() {
    let page = std::fs::read_to_string(root().join("docs/threats.md")).unwrap();
    let mut tests = BTreeSet::new();
    for folder in ["src", "tests"] {
        functions(&root().join(folder), &mut tests);
    }
    let named = regex::Regex::new(r"`(\w+_\w+)`").unwrap();
    let cells = page.lines().filter(|line| line.starts_with('|')).filter_map(|line| line.rsplit('|').nth(1));
    let named: BTreeSet<String> =
        cells.flat_map(|cell| named.captures_iter(cell).map(|found| found[1].to_owned()).collect::<Vec<_>>()).collect();
    let missing: Vec<_> = named.difference(&tests).collect();
    assert!(missing.is_empty(), "docs/threats.md names tests that are not there: {missing:#?}");
    let numbered = regex::Regex::new(r"^t\d+_").unwrap();
    let unnamed: Vec<_> = tests.difference(&named).filter(|name| numbered.is_match(name)).collect();
    assert!(unnamed.is_empty(), "tests that docs/threats.md does not name: {unnamed:#?}");
    for number in 1..=50 {
        assert!(page.contains(&format!("\n| T{number} | ")), "T{number} is not on the page");
    }
}
