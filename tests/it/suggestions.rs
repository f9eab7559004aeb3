//! Suggested changes as the author of a pull request meets them: on the lines of their own change, once, and taken over with one click.

use trunkline::sandbox::seed::{self, ENVIRONMENTS};

use crate::faults::{act, hold};
use crate::stories::{example, example_with, pull, text};
use crate::world::World;

const CONFIG: &str = ".github/trunkline.yaml";
const DEV: &str = "environments/dev/kustomization.yaml";
const NOTE: &str = "environments/dev/note.yaml";

/// Three slips in a new file: two on one line, of which one can be offered.
const SLIPS: &str = "\
apiVersion: v1
kind: ConfigMap
metadata: { name: note }
imutable: true # for good
data: { retries: 3, debug: true }
";

fn slips() -> [(&'static str, Option<Vec<u8>>); 2] {
    [(DEV, example(DEV, "resources:\n", "resources:\n  - note.yaml\n")), (NOTE, text(SLIPS))]
}

/// The reviews of a pull request, with all they say.
fn reviews(world: &World) -> String {
    let all = world.github.dump();
    let lines = all.lines().skip_while(|line| !line.starts_with("    review by"));
    lines
        .take_while(|line| line.starts_with("      ") || line.starts_with("    review by"))
        .collect::<Vec<_>>()
        .join("\n")
}

#[tokio::test]
async fn new_slips_are_offered_once_on_their_own_lines_and_go_when_they_are_taken_over() {
    let mut world = World::example().await;
    let number = pull(&mut world, "A note", &slips()).await;
    insta::assert_snapshot!(reviews(&world), @r#"
    review by trunkline[bot]: COMMENTED
      <!-- trunkline:v1 suggestions 10dbb1a602486493 -->
      <!-- trunkline:suggestions c0fa0067d8bf51b2 9d83089f2efc8e3e -->
      2 new findings here can be mended by committing the suggestions below as they are, one by one or together from *Files changed*. The check `trunkline` says why, and looks again after that.
      on environments/dev/note.yaml:4
        <!-- trunkline:v1 suggestion c0fa0067d8bf51b2 -->
        **error** `SCH-001`: `imutable` is no field of ConfigMap; did you mean `immutable`?
        
        ```suggestion
        immutable: true # for good
        ```
      on environments/dev/note.yaml:5
        <!-- trunkline:v1 suggestion 9d83089f2efc8e3e -->
        **error** `SCH-002`: `data.retries` is a number, and text is needed: put it in quotes
        
        ```suggestion
        data: { retries: "3", debug: true }
        ```
    "#);
    // A second look, a sweep and a restart add nothing.
    let before = reviews(&world);
    world.sweep().await;
    world.lose_everything().await;
    world.settle().await;
    assert_eq!(reviews(&world), before);
    // Taken over in part; what is left of that line is offered on the new head, and nothing twice.
    let better = SLIPS.replace("imutable", "immutable").replace("retries: 3", "retries: \"3\"");
    world.github.push_files(ENVIRONMENTS, "topic", "ben", "Apply suggestions", &[(NOTE, text(&better))]);
    world.settle().await;
    let after = reviews(&world);
    assert!(after.starts_with(&before), "{after}");
    insta::assert_snapshot!(after[before.len()..].trim_start(), @r#"
    review by trunkline[bot]: COMMENTED
          <!-- trunkline:v1 suggestions 5fc5e8150ad07e50 -->
          <!-- trunkline:suggestions 6e48fdb1756be2e5 -->
          1 new finding here can be mended by committing the suggestion below as it is. The check `trunkline` says why, and looks again after that.
          on environments/dev/note.yaml:5
            <!-- trunkline:v1 suggestion 6e48fdb1756be2e5 -->
            **error** `SCH-002`: `data.debug` is a boolean, and text is needed: put it in quotes
            
            ```suggestion
            data: { retries: "3", debug: "true" }
            ```
    "#);
    let best = better.replace("debug: true", "debug: \"true\"");
    world.github.push_files(ENVIRONMENTS, "topic", "ben", "Apply suggestions", &[(NOTE, text(&best))]);
    world.settle().await;
    assert_eq!(reviews(&world), after);
    insta::assert_snapshot!(world.check(number), @"success: No new findings in dev (0 annotations)");
}

#[tokio::test]
async fn nothing_is_offered_beside_the_change_where_it_is_switched_off_or_only_observed() {
    let quiet = [
        example_with(CONFIG, "paths: [policies] }", "paths: [policies], suggest: false }"),
        example_with(CONFIG, "mode: enforce", "mode: observe"),
    ];
    for files in quiet {
        let mut world = World::with(&files).await;
        pull(&mut world, "A note", &slips()).await;
        assert_eq!(reviews(&world), "");
    }
    // The file was there, and no environment read it: what is new is found in lines that this change does not show.
    let mut files = seed::environments();
    files.push((NOTE, SLIPS.as_bytes().to_vec()));
    let mut world = World::with(&files).await;
    let number = pull(&mut world, "A note", &slips()[..1]).await;
    assert!(world.said(number).contains("no field of ConfigMap"), "{}", world.said(number));
    assert_eq!(reviews(&world), "");
}

#[tokio::test]
async fn more_slips_than_a_review_takes_are_counted() {
    let mut world = World::example().await;
    let many: String = (0..14).map(|n| format!("  n{n}: {n}\n")).collect();
    let file = format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{ name: note }}\ndata:\n{many}");
    pull(&mut world, "Numbers", &[slips()[0].clone(), (NOTE, text(&file))]).await;
    let said = reviews(&world);
    assert_eq!(said.matches("      on ").count(), 10, "{said}");
}

#[tokio::test]
async fn an_offer_of_suggestions_survives_every_fault() {
    let start = World::example().await;
    let act = act!(world, {
        let slips = crate::suggestions::slips();
        world.github.push_files(ENVIRONMENTS, "topic", "ben", "A note", &slips);
        world.github.open_pull(ENVIRONMENTS, "ben", "topic", "main", "A note", "");
        world.settle().await;
    });
    hold(&start, act).await;
}
