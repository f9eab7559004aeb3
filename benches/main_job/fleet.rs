//! What a head costs of GitHub's budgets in an organisation at work: 200 heads in 10 repositories, all at the same time.

use std::time::Duration;

use trunkline::sandbox::seed::{self, ORG, PEOPLE};

use crate::day::{Count, kinds, print};
use crate::world::World;

const REPOSITORIES: usize = 10;
/// Pushes to the pull requests of one repository, one after the other: twenty heads.
const PUSHES: [usize; 8] = [2, 3, 2, 3, 2, 3, 2, 3];
const HEADS: usize = 20;

pub(crate) async fn run() {
    for hours in [2, 8] {
        busy(hours).await;
    }
}

async fn busy(hours: u64) {
    println!("\n## {} heads in {REPOSITORIES} repositories within {hours} h", REPOSITORIES * HEADS);
    let mut world = organisation().await;
    world.start(true).await;
    world.settle().await;
    let pause = Duration::from_secs(hours * 3600 / HEADS as u64);

    // The same hours without anybody at work are what the sweeps cost.
    let since = world.calls.lock().unwrap().len();
    for _ in 0..HEADS {
        world.advance(pause).await;
    }
    let idle = print("nobody at work", &world, since, 0);

    let since = world.calls.lock().unwrap().len();
    let mut open: Vec<Option<u64>> = vec![None; REPOSITORIES];
    let mut heads = 0;
    for (number, pushes) in PUSHES.into_iter().enumerate() {
        for push in 0..pushes {
            for (repository, open) in open.iter_mut().enumerate() {
                work(&world, repository, (number, push), open).await;
                heads += 1;
                // Everybody pushes within the pause, not at once.
                world.advance(pause / REPOSITORIES as u32).await;
            }
        }
    }
    let count = print("at work", &world, since, heads);
    let each = |of: fn(&Count) -> usize| (of(&count) as f64 - of(&idle) as f64) / heads as f64;
    let kinds = kinds(&world.calls.lock().unwrap()[since..]);
    let kind = |part: &str| kinds.iter().filter(|(kind, _)| kind.contains(part)).map(|(_, n)| n).sum::<usize>();
    let a_head = |count: usize| count as f64 / heads as f64;
    println!(
        "    a head: checks {:.2}, comments written {:.2} and edited {:.2}, tokens {:.2}; all REST {:.2}, without the sweeps {:.2}, \
         of that not tokens {:.2}; content writes {:.2}; GraphQL {:.2}",
        a_head(kind("/check-runs")),
        a_head(kind("/issues/N/comments")),
        a_head(kind("/issues/comments/N")),
        a_head(kind("/access_tokens")),
        a_head(count.rest),
        each(|count| count.rest),
        each(|count| count.rest - count.tokens),
        a_head(count.content),
        each(|count| count.graphql),
    );
    world.stop().await;
}

/// The example, and nine more repositories that hold environments as it does.
async fn organisation() -> World {
    let world = World::empty().await;
    seed::example(&world.github, &seed::environments());
    for number in 1..REPOSITORIES {
        world.github.create_repo(ORG, &format!("team-{number}"), false, &seed::environments(), "sam");
        PEOPLE.iter().for_each(|(login, role)| world.github.set_permission(&name(number), login, role));
    }
    world.github.install(ORG, &[]);
    world
}

fn name(repository: usize) -> String {
    if repository == 0 { seed::ENVIRONMENTS.to_owned() } else { format!("{ORG}/team-{repository}") }
}

/// One push: the first opens the pull request. A third of them touches every environment, a third production, a third none; of the
/// later pushes every other one changes what is rendered.
async fn work(world: &World, repository: usize, (number, push): (usize, usize), open: &mut Option<u64>) {
    let repo = name(repository);
    let (path, from, to) = [
        ("environments/base/backend.yaml", "containerPort: 8080", "containerPort: 80"),
        ("environments/prod/kustomization.yaml", "namespace:", "namePrefix: p"),
        ("policies/README.md", "#", "##"),
    ][number % 3];
    let bytes = seed::environments().into_iter().find(|(name, _)| *name == path).map(|(_, bytes)| bytes).unwrap();
    let old = String::from_utf8(bytes).unwrap();
    let value = push.div_ceil(2) + 10;
    let new = match number % 3 {
        0 => old.replacen(from, &format!("{to}{value}"), 1),
        1 => old.replacen(from, &format!("{to}{value}-\n{from}"), 1),
        _ => old.replacen(from, to, 1),
    };
    assert_ne!(old, new, "{path} holds no {from:?}");
    let text = format!("{new}# push {push}\n");
    let branch = format!("topic-{number}");
    if push == 0
        && let Some(before) = open.take()
    {
        world.github.close_pull(&repo, "ben", before);
    }
    world.github.push_files(&repo, &branch, "ben", "A change", &[(path, Some(text.into_bytes()))]);
    if push == 0 {
        *open = Some(world.github.open_pull(&repo, "ben", &branch, "main", "A change", ""));
    }
    world.settle().await;
}
