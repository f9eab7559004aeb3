//! Merging by GitHub's own rules, its races, and whose turn it is.

use std::time::Duration;

use trunkline::sandbox::Protection;
use trunkline::sandbox::seed::{self, CI, ENVIRONMENTS};

use crate::faults::{act, hold};
use crate::stories::{asked, gates, in_stage, merge_to_trunk, say, state, tag, text};
use crate::world::{Then, World};

const MINUTE: Duration = Duration::from_secs(60);

/// The example with the SREs as owners of what runs in stage.
fn with_owners() -> Vec<(&'static str, Vec<u8>)> {
    let mut files = seed::environments();
    files.push((".github/CODEOWNERS", b"* @ann\n/environments/stage/ @acme/sre\n".to_vec()));
    files
}

/// A version in dev, a branch that asks this of merges, and a pre-release tag: its promotion to stage is the second pull request.
async fn into_stage(files: &[(&str, Vec<u8>)], rules: Protection) -> World {
    let mut world = World::with(files).await;
    let sha = merge_to_trunk(&mut world, "Sell more").await;
    world.github.protect(ENVIRONMENTS, "main", rules);
    world.advance(2 * MINUTE).await;
    tag(&mut world, "v1.0-rc.1", &sha).await;
    world
}

fn head(world: &World) -> String {
    world.github.branch_tip(ENVIRONMENTS, &world.branches("trunkline/stage/")[0])
}

#[tokio::test]
async fn what_github_asks_is_said_with_who_can_lift_it_and_the_check_never_fails_for_it() {
    let rules = Protection {
        required_checks: vec!["lint".into(), "trunkline".into()],
        app_checks: vec![("scan".into(), 99)],
        required_reviews: 2,
        code_owners: true,
        conversations: true,
        ..Protection::default()
    };
    let mut world = into_stage(&with_owners(), rules.clone()).await;
    let thread = world.github.start_conversation(ENVIRONMENTS, "ben", 2);
    say(&mut world, "ben", 2, "/trunkline retry").await;
    insta::assert_snapshot!(world.check(2), @"in_progress: Waits: 0 of 2 approvals from people who may write (and 4 more) (0 annotations)");
    insta::assert_snapshot!(gates(&world, 2), @"
    #### Gates: v1.0-rc.1 into stage

    - ✅ v1.0-rc.1 is commit 1123e8d
    - ✅ the checks on 1123e8d have passed
    - ✅ dev has held this commit since 2026-11-02 09:00 UTC
    - ⏳ GitHub asks more before it lets this into main (`branch-rules`)
      - ⏳ 0 of 2 approvals from people who may write (`reviews`). **Next:** somebody else who may write here reviews and approves
      - ⏳ environments/stage/kustomization.yaml is owned by acme/sre, who has not approved (`code-owners`). **Next:** acme/sre reviews and approves
      - ⏳ lint, which GitHub requires, has not reported on 6cb4166 (`required-check`). **Next:** it goes on by itself once that check reports success here
      - ⏳ scan of App 99, which GitHub requires, has not reported on 6cb4166 (`required-check`). **Next:** it goes on by itself once that check reports success here
      - ⏳ 1 conversation is not resolved (`conversations`). **Next:** whoever may write here resolves them under “Files changed”
    ");
    say(&mut world, "rob", 2, "/trunkline plan stage").await;
    insta::assert_snapshot!(world.said(2), @r"
    <!-- trunkline:v1 reply-73 03896ffb7bf2e05d -->
    This is what would happen now. Nothing was done.

    **`stage`**

    - ⏳ v1.0-rc.1 wants into stage (`entering`)
      - ✅ v1.0-rc.1 is commit 1123e8d
      - ✅ the checks on 1123e8d have passed
      - ✅ dev has held this commit since 2026-11-02 09:00 UTC
      - ⏳ GitHub asks more before it lets this into main (`branch-rules`)
        - ⏳ 0 of 2 approvals from people who may write (`reviews`). **Next:** somebody else who may write here reviews and approves
        - ⏳ environments/stage/kustomization.yaml is owned by acme/sre, who has not approved (`code-owners`). **Next:** acme/sre reviews and approves
        - ⏳ lint, which GitHub requires, has not reported on 6cb4166 (`required-check`). **Next:** it goes on by itself once that check reports success here
        - ⏳ scan of App 99, which GitHub requires, has not reported on 6cb4166 (`required-check`). **Next:** it goes on by itself once that check reports success here
        - ⏳ 1 conversation is not resolved (`conversations`). **Next:** whoever may write here resolves them under “Files changed”

    It is in [pull request 2](http://github.test/acme/environments/pull/2), which Trunkline merges once every gate is open.

    `shop-frontend` `v0.9` → `v1.0-rc.1` · `shop-backend` `v0.9` → `v1.0-rc.1`

    Writes `environments/stage/kustomization.yaml` lines 9, 11.

    | This pull request | Objects | In short |
    |:--|:--|:--|
    | `stage` | \~2 | `shop-backend` `v0.9` → `v1.0-rc.1` · `shop-frontend` `v0.9` → `v1.0-rc.1` |
    ");
    // One after the other falls away, each at once.
    world.github.add_check(ENVIRONMENTS, head(&world), CI, "lint", "failure");
    world.settle().await;
    world.github.resolve_conversation(ENVIRONMENTS, "ben", 2, thread);
    world.github.review(ENVIRONMENTS, "ann", 2, "APPROVED");
    world.github.review(ENVIRONMENTS, "ben", 2, "APPROVED");
    world.settle().await;
    insta::assert_snapshot!(world.check(2), @"in_progress: Waits: environments/stage/kustomization.yaml is owned by acme/sre, who has not approved (and 2 more) (0 annotations)");
    world.github.review(ENVIRONMENTS, "sue", 2, "APPROVED");
    world.github.add_check(ENVIRONMENTS, head(&world), CI, "lint", "success");
    world.github.protect(ENVIRONMENTS, "main", Protection { app_checks: Vec::new(), ..rules });
    world.advance(2 * MINUTE).await;
    world.sweep().await;
    assert_eq!(state(&world, 2), "merged");
    // GitHub never had to say no.
    assert_eq!((asked(&world, "/2/merge"), asked(&world, "/1/merge")), (1, 1));
}

#[tokio::test]
async fn a_check_of_the_required_name_counts_only_from_the_required_app() {
    let rules = Protection { app_checks: vec![("lint".into(), 99)], ..Protection::default() };
    let mut world = into_stage(&seed::environments(), rules).await;
    world.github.add_check(ENVIRONMENTS, head(&world), CI, "lint", "success");
    world.settle().await;
    insta::assert_snapshot!(world.check(2), @"in_progress: Waits: lint of App 99, which GitHub requires, has not reported on 2762834 (0 annotations)");
    assert_eq!(asked(&world, "/2/merge"), 0);
}

#[tokio::test]
async fn classic_protection_is_read_as_well() {
    let rules = Protection {
        classic: true,
        required_checks: vec!["lint".into()],
        required_reviews: 1,
        ..Protection::default()
    };
    let mut world = into_stage(&seed::environments(), rules).await;
    insta::assert_snapshot!(gates(&world, 2), @"
    #### Gates: v1.0-rc.1 into stage

    - ✅ v1.0-rc.1 is commit 1123e8d
    - ✅ the checks on 1123e8d have passed
    - ✅ dev has held this commit since 2026-11-02 09:00 UTC
    - ⏳ GitHub asks more before it lets this into main (`branch-rules`)
      - ⏳ 0 of 1 approval from people who may write (`reviews`). **Next:** somebody else who may write here reviews and approves
      - ⏳ lint, which GitHub requires, has not reported on f531861 (`required-check`). **Next:** it goes on by itself once that check reports success here
    ");
    world.github.add_check(ENVIRONMENTS, head(&world), CI, "lint", "success");
    world.github.review(ENVIRONMENTS, "ann", 2, "APPROVED");
    world.settle().await;
    assert_eq!(state(&world, 2), "merged");
}

#[tokio::test]
async fn e39_no_bot_approves_not_even_by_the_count() {
    let rules = Protection { required_reviews: 1, ..Protection::default() };
    let mut world = into_stage(&seed::environments(), rules).await;
    world.github.set_permission(ENVIRONMENTS, "renovate[bot]", "write");
    world.github.review(ENVIRONMENTS, "renovate[bot]", 2, "APPROVED");
    world.settle().await;
    // GitHub itself counts another bot; the bot's own approval it refuses.
    assert_eq!(state(&world, 2), "merged");
    let mut world = World::example().await;
    let sha = in_stage(&mut world).await;
    tag(&mut world, "v1.0", &sha).await;
    world.advance(Duration::from_secs(3600)).await;
    let number = world.newest_pull();
    world.github.set_permission(ENVIRONMENTS, "renovate[bot]", "write");
    world.github.review(ENVIRONMENTS, "renovate[bot]", number, "APPROVED");
    world.settle().await;
    assert!(world.check(number).starts_with("in_progress"), "{}", world.check(number));
}

#[tokio::test]
async fn a_way_of_merging_that_both_allow_is_chosen_and_none_is_said() {
    let rules = Protection { linear: true, methods: vec!["merge".into(), "rebase".into()], ..Protection::default() };
    let mut world = into_stage(&seed::environments(), rules.clone()).await;
    assert_eq!(state(&world, 2), "merged");
    world.github.protect(ENVIRONMENTS, "main", Protection { signatures: true, ..rules });
    world.advance(2 * MINUTE).await;
    let sha = merge_to_trunk(&mut world, "Sell even more").await;
    insta::assert_snapshot!(gates(&world, 3), @"
    #### Gates: b6a3150 into dev

    - ✅ commit b6a3150
    - ✅ the checks on b6a3150 have passed
    - ⏳ GitHub asks more before it lets this into main (`branch-rules`)
      - ⏳ there is no way to merge: the repository allows squashing or merge commits or rebasing, main asks for merge commits or rebasing, and for a linear history, and for signed commits (`merge-method`). **Next:** an administrator allows squashing in the ruleset `protect main` of acme/environments
    ");
    assert_eq!(asked(&world, "/3/merge"), 0);
    drop(sha);
}

#[tokio::test]
async fn e34_squash_only_and_signed_commits_are_no_obstacle() {
    let rules = Protection { linear: true, signatures: true, ..Protection::default() };
    let mut world = World::example().await;
    world.github.protect(ENVIRONMENTS, "main", rules);
    world.github.set_merging(ENVIRONMENTS, &["squash"], true);
    world.advance(2 * MINUTE).await;
    // Squashed, and their branches deleted: what an environment holds is read from its folder, never from ancestry.
    let sha = in_stage(&mut world).await;
    let newer = merge_to_trunk(&mut world, "Sell even more").await;
    tag(&mut world, "v1.0-rc.2", &newer).await;
    let merged: Vec<String> = (1..=4).map(|number| state(&world, number)).collect();
    assert_eq!(merged, ["merged"; 4]);
    assert_ne!(sha, newer);
}

#[tokio::test]
async fn what_only_an_administrator_sees_is_told_in_githubs_words_and_tried_again_with_pauses() {
    let rules = Protection { classic: true, locked: true, ..Protection::default() };
    let mut world = into_stage(&seed::environments(), rules).await;
    insta::assert_snapshot!(world.check(2), @"success: No new findings in stage (0 annotations)");
    insta::assert_snapshot!(gates(&world, 2), @"
    #### Gates: v1.0-rc.1 into stage

    - ✅ v1.0-rc.1 is commit 1123e8d
    - ✅ the checks on 1123e8d have passed
    - ✅ dev has held this commit since 2026-11-02 09:00 UTC
    - ✅ what GitHub asks of merges into main is met, as far as it lets us see
    - ⏳ GitHub refused the merge: This branch is locked and cannot be changed (`refused`). **Next:** somebody who may change the branch's protection rule looks at what it asks
    ");
    for _ in 0..12 {
        world.advance(5 * MINUTE).await;
    }
    let tries = asked(&world, "/2/merge");
    assert!((4..=9).contains(&tries), "{tries} in an hour");
    world.github.protect(ENVIRONMENTS, "main", Protection::default());
    for _ in 0..4 {
        world.advance(5 * MINUTE).await;
    }
    assert_eq!(state(&world, 2), "merged");
}

#[tokio::test]
async fn a_locked_branch_is_said_before_anything_is_tried() {
    let rules = Protection { locked: true, ..Protection::default() };
    let world = into_stage(&seed::environments(), rules).await;
    insta::assert_snapshot!(gates(&world, 2), @"
    #### Gates: v1.0-rc.1 into stage

    - ✅ v1.0-rc.1 is commit 1123e8d
    - ✅ the checks on 1123e8d have passed
    - ✅ dev has held this commit since 2026-11-02 09:00 UTC
    - ⏳ GitHub asks more before it lets this into main (`branch-rules`)
      - ⏳ the ruleset `protect main` of acme/environments lets nobody but its bypass list change main (`locked`). **Next:** an administrator lifts it, or adds Trunkline to that list
    ");
    assert_eq!(asked(&world, "/2/merge"), 0);
}

#[tokio::test]
async fn e45_a_place_on_the_bypass_list_is_told_and_not_used() {
    let bypass = vec!["trunkline[bot]".to_owned()];
    let rules = Protection { required_reviews: 1, bypass, ..Protection::default() };
    let mut world = into_stage(&seed::environments(), rules).await;
    insta::assert_snapshot!(gates(&world, 2), @"
    #### Gates: v1.0-rc.1 into stage

    - ✅ v1.0-rc.1 is commit 1123e8d
    - ✅ the checks on 1123e8d have passed
    - ✅ dev has held this commit since 2026-11-02 09:00 UTC
    - ⏳ GitHub asks more before it lets this into main (`branch-rules`)
      - ⏳ 0 of 1 approval from people who may write (`reviews`). **Next:** somebody else who may write here reviews and approves
      - ✅ Trunkline is on the bypass list of the ruleset `protect main` of acme/environments and does not use it. **Next:** an administrator takes it off that list
    ");
    assert_eq!(asked(&world, "/2/merge"), 0);
    world.github.review(ENVIRONMENTS, "ann", 2, "APPROVED");
    world.settle().await;
    assert_eq!(state(&world, 2), "merged");
}

#[tokio::test]
async fn e28_e29_a_race_is_looked_at_again_and_nobody_is_bothered() {
    for (status, words) in [
        (405, "Base branch was modified. Review and try the merge again."),
        (409, "Head branch was modified. Review and try the merge again."),
        (405, "Pull Request is not mergeable"),
        (422, "Validation Failed"),
        (502, "Server Error"),
    ] {
        let mut world = World::example().await;
        world.faults.at("/merge", 0, Then::Answer(status, words));
        merge_to_trunk(&mut world, "Sell more").await;
        // What reads like an answer and not like a race is tried again after a minute.
        world.advance(if status == 422 { 2 * MINUTE } else { Duration::ZERO }).await;
        assert_eq!(state(&world, 1), "merged", "{status} {words}");
        // The first answer never came from GitHub.
        assert_eq!(asked(&world, "/1/merge"), 1, "{status} {words}");
        assert!(!world.talk(1).contains("refused"), "{}", world.talk(1));
    }
}

#[tokio::test]
async fn e31_an_unknown_mergeability_is_neither_yes_nor_no() {
    let mut world = World::example().await;
    world.github.set_computing(ENVIRONMENTS, true);
    merge_to_trunk(&mut world, "Sell more").await;
    for _ in 0..6 {
        world.advance(Duration::from_secs(10)).await;
    }
    assert_eq!((state(&world, 1).as_str(), asked(&world, "/1/merge")), ("open", 0));
    let looks = world.github.requests().len();
    world.advance(MINUTE).await;
    let looks = world.github.requests().len() - looks;
    assert!(looks < 60, "{looks} requests in a minute");
    world.github.set_computing(ENVIRONMENTS, false);
    world.advance(Duration::from_secs(10)).await;
    assert_eq!(state(&world, 1), "merged");
}

#[tokio::test]
async fn e16_e69_what_changes_between_look_and_merge_counts() {
    let mut world = World::example().await;
    let sha = merge_to_trunk(&mut world, "Sell more").await;
    world.github.create_tag(seed::SHOP, "v1.0-rc.1", &sha, "ann", false);
    world.settle_until(|world| world.pulls().len() == 2 && world.check(2).starts_with("success")).await;
    assert_eq!(state(&world, 2), "open");
    // The pass that merges has just read the pull request; what it goes on to look up comes after this.
    let github = world.github.clone();
    let object = move || {
        github.review(ENVIRONMENTS, "sue", 2, "CHANGES_REQUESTED");
    };
    world.faults.at("/graphql", 1, Then::Do(Box::new(object)));
    world.settle().await;
    assert_eq!((state(&world, 2).as_str(), asked(&world, "/2/merge")), ("open", 0));
}

#[tokio::test]
async fn e37_what_landed_otherwise_than_checked_is_said_on_the_pull_request() {
    let mut world = World::example().await;
    let github = world.github.clone();
    let push = move || {
        let files = [("environments/dev/extra.yaml", text("kind: ConfigMap\napiVersion: v1\nmetadata: { name: x }\n"))];
        drop(github.push_files(ENVIRONMENTS, "main", "ben", "Right before", &files));
    };
    world.faults.at("/merge", 0, Then::Do(Box::new(push)));
    merge_to_trunk(&mut world, "Sell more").await;
    assert_eq!(state(&world, 1), "merged");
    let landed = world.texts_of(1).into_iter().find(|text| text.contains("landed-otherwise")).unwrap();
    insta::assert_snapshot!(landed, @"
    comment by trunkline[bot]
    <!-- trunkline:v1 landed 581f81610e9ec0fe -->
    - ⛔ environments/dev holds something else than what was checked: somebody changed it while this was merged (`landed-otherwise`). **Next:** compare commit 30bfec7 with this pull request, and roll back with `/rollback` if it should not be so
    ");
    let writes = world.writes();
    world.sweep().await;
    say(&mut world, "ben", 1, "oh").await;
    assert_eq!(world.writes(), writes);
    assert_eq!(world.texts_of(1).iter().filter(|text| text.contains("landed-otherwise")).count(), 1);
}

#[tokio::test]
async fn a_push_elsewhere_right_before_a_merge_is_no_difference() {
    let mut world = World::example().await;
    let github = world.github.clone();
    let push = move || drop(github.push_files(ENVIRONMENTS, "main", "ben", "Elsewhere", &[("NOTES.md", text("x"))]));
    world.faults.at("/merge", 0, Then::Do(Box::new(push)));
    merge_to_trunk(&mut world, "Sell more").await;
    assert_eq!(state(&world, 1), "merged");
    assert!(!world.talk(1).contains("landed"), "{}", world.talk(1));
}

#[tokio::test]
async fn e36_a_branch_deleted_by_hand_comes_again_and_a_closed_promotion_does_not() {
    let mut world = World::example().await;
    let sha = in_stage(&mut world).await;
    tag(&mut world, "v1.0", &sha).await;
    let (number, branch) = (world.newest_pull(), world.branches("trunkline/prod/")[0].clone());
    // Past the time in which a read that lacks the pull request would only be late.
    world.advance(3 * MINUTE).await;
    world.github.delete_branch(ENVIRONMENTS, &branch, "ben");
    world.settle().await;
    let again = world.newest_pull();
    assert_eq!((state(&world, number).as_str(), state(&world, again).as_str()), ("closed", "open"));
    assert_eq!(world.branches("trunkline/prod/"), std::slice::from_ref(&branch));
    // Closed first, tidied up later: that was a no.
    world.github.close_pull(ENVIRONMENTS, "ben", again);
    world.settle().await;
    world.advance(MINUTE).await;
    world.github.delete_branch(ENVIRONMENTS, &branch, "ben");
    world.advance(2 * MINUTE).await;
    world.sweep().await;
    assert_eq!(world.newest_pull(), again);
}

#[tokio::test]
async fn e38_what_was_merged_in_the_meantime_is_not_closed() {
    let mut world = World::example().await;
    let sha = in_stage(&mut world).await;
    tag(&mut world, "v1.0", &sha).await;
    let old = world.newest_pull();
    // Right before the bot closes what is superseded, somebody merges it.
    let github = world.github.clone();
    let merge = move || drop(github.merge_pull(ENVIRONMENTS, "ben", old));
    world.faults.at("/pulls", 0, Then::Do(Box::new(merge)));
    tag(&mut world, "v1.1", &sha).await;
    assert_eq!(state(&world, old), "merged");
    assert!(!world.talk(old).contains("Superseded"), "{}", world.talk(old));
}

#[tokio::test]
async fn e47_e48_a_check_that_is_gone_is_made_anew() {
    let mut world = World::example().await;
    let sha = in_stage(&mut world).await;
    tag(&mut world, "v1.0", &sha).await;
    let number = world.newest_pull();
    assert!(world.check(number).starts_with("in_progress"));
    let run = world.github.check_number(ENVIRONMENTS, number, "trunkline").unwrap();
    let path: &'static str = Box::leak(format!("/check-runs/{run}").into_boxed_str());
    world.faults.at(path, 0, Then::Answer(404, "Not Found"));
    world.advance(Duration::from_secs(3600)).await;
    assert_ne!(world.github.check_number(ENVIRONMENTS, number, "trunkline"), Some(run));
    world.github.review(ENVIRONMENTS, "sue", number, "APPROVED");
    world.settle().await;
    assert!(world.check(number).starts_with("success"), "{}", world.check(number));
}

#[tokio::test]
async fn a_person_merges_where_the_configuration_says_so_and_is_told() {
    let mut world = World::example().await;
    let sha = in_stage(&mut world).await;
    tag(&mut world, "v1.0", &sha).await;
    world.advance(Duration::from_secs(3600)).await;
    let number = world.newest_pull();
    world.github.review(ENVIRONMENTS, "sue", number, "APPROVED");
    world.settle().await;
    insta::assert_snapshot!(world.check(number), @"success: No new findings in prod (0 annotations)");
    insta::assert_snapshot!(gates(&world, number), @"
    #### Every gate is open: v1.0 into prod

    - ✅ v1.0 is commit 1123e8d
    - ✅ the checks on 1123e8d have passed
    - ✅ stage has held this commit since 2026-11-02 09:00 UTC
    - ✅ commit 1123e8d was tested in stage
    - ✅ soaked for 1h
    - ✅ approved by sue
    ");
}

/// The example with so many applications, each with a folder of its own in stage; all of them draw from the shop.
pub(crate) fn with_apps(count: usize) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<(String, Vec<u8>)> = vec![];
    let mut config = String::from("version: 1\nmode: enforce\napps:\n");
    for n in 0..count {
        config.push_str(&format!(
            "  app-{n:02}:\n    source: acme/shop\n    tags: \"app-{n:02}/v*\"\n    images: [ghcr.io/acme/app-{n:02}]\n"
        ));
        let kustomization = format!(
            "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: [app.yaml]\nimages:\n- name: ghcr.io/acme/app-{n:02}\n  newTag: v0.9\n"
        );
        let app = format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{ name: app-{n:02} }}\nspec:\n  containers:\n  - name: app\n    image: ghcr.io/acme/app-{n:02}\n"
        );
        files.push((format!("stage/app-{n:02}/kustomization.yaml"), kustomization.into_bytes()));
        files.push((format!("stage/app-{n:02}/app.yaml"), app.into_bytes()));
    }
    config.push_str(
        "environments:\n  stage: { path: \"stage/{app}\", takes: releases, merge: auto }\npolicies: { packs: [minimal] }\n",
    );
    files.push((".github/trunkline.yaml".to_owned(), config.into_bytes()));
    files
}

#[tokio::test]
async fn one_at_a_time_is_brought_up_to_date() {
    const APPS: usize = 6;
    let files = with_apps(APPS);
    let files: Vec<(&str, Vec<u8>)> = files.iter().map(|(path, bytes)| (path.as_str(), bytes.clone())).collect();
    let mut world = World::with(&files).await;
    let rules = Protection { up_to_date: true, required_checks: vec!["trunkline".into()], ..Protection::default() };
    // Everything waits for a lint, so that all promotions are open at once.
    world.github.protect(
        ENVIRONMENTS,
        "main",
        Protection { required_checks: vec!["lint".into(), "trunkline".into()], ..rules.clone() },
    );
    world.advance(2 * MINUTE).await;
    let sha = world.github.branch_tip(seed::SHOP, "main");
    for n in 0..APPS {
        world.github.create_tag(seed::SHOP, &format!("app-{n:02}/v1.0"), &sha, "ann", false);
    }
    world.settle().await;
    assert_eq!(world.pulls().len(), APPS);
    insta::assert_snapshot!(gates(&world, 1), @"
    #### Gates: v1.0 into stage

    - ✅ app-00/v1.0 is commit 68113e6
    - ✅ the checks on 68113e6 have passed
    - ⏳ GitHub asks more before it lets this into main (`branch-rules`)
      - ⏳ lint, which GitHub requires, has not reported on 5be6347 (`required-check`). **Next:** it goes on by itself once that check reports success here
      - ✅ main takes only branches that are up to date; this one is updated when nothing else is missing and it is next
    ");
    let before = world.writes();
    world.github.protect(ENVIRONMENTS, "main", rules);
    world.advance(2 * MINUTE).await;
    world.sweep().await;
    let merged = world.pulls().iter().filter(|pull| pull.contains("merged")).count();
    assert_eq!(merged, APPS);
    // The first was up to date; each of the others was updated once, although each merge left all of them behind.
    assert_eq!(asked(&world, "/update-branch"), APPS - 1);
    let merges = asked(&world, "/merge");
    assert_eq!(merges, APPS);
    let each = (world.writes() - before) as f64 / APPS as f64;
    // The check turns, the comment turns, the update, the check on the new head, the merge, the deployment and its state.
    assert!(each <= 8.0, "{each} writes a promotion");
}

#[tokio::test]
async fn bringing_up_to_date_and_merging_survives_every_fault() {
    let mut start = World::example().await;
    let sha = merge_to_trunk(&mut start, "Sell more").await;
    let rules = Protection { up_to_date: true, required_checks: vec!["trunkline".into()], ..Protection::default() };
    start.github.protect(ENVIRONMENTS, "main", Protection { required_reviews: 1, ..rules.clone() });
    start.advance(2 * MINUTE).await;
    tag(&mut start, "v1.0-rc.1", &sha).await;
    start.github.push_files(ENVIRONMENTS, "main", "ben", "Elsewhere", &[("NOTES.md", text("x"))]);
    start.settle().await;
    assert_eq!(state(&start, 2), "open");
    let act = act!(world, {
        world.github.review(ENVIRONMENTS, "sue", 2, "APPROVED");
        world.settle().await;
    });
    hold(&start, act).await;
}
