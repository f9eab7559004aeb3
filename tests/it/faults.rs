//! Every story again with something going wrong at every call: refused, lost, crashed, stale. The same world in the end, and a
//! second settling writes nothing.

use std::future::Future;
use std::pin::Pin;
use std::sync::LazyLock;
use std::time::Duration;

use regex::Regex;
use trunkline::sandbox::seed::{CI, ENVIRONMENTS, SHOP};

use crate::stories::{desk, example, in_stage, text};
use crate::world::{Call, Fault, World};

pub(crate) type Act = for<'a> fn(&'a mut World) -> Pin<Box<dyn Future<Output = ()> + 'a>>;

const KINDS: [Fault; 4] = [Fault::Refuse, Fault::Lose, Fault::Crash, Fault::Stale];

/// Whether a fault of this kind is another story than the rest at this call: the answer to a read that is lost is a read refused, and a
/// write shows nothing stale.
fn matters(kind: Fault, call: Call) -> bool {
    match kind {
        Fault::Refuse | Fault::Crash => true,
        Fault::Lose => call == Call::Write,
        Fault::Stale => call == Call::Read,
    }
}

/// Plays `act` from where `start` stands: once undisturbed, then once for each call and each kind of fault that makes a difference there.
pub(crate) async fn hold(start: &World, act: Act) {
    let mut calm = start.copy().await;
    calm.faults.count();
    act(&mut calm).await;
    let calls = calm.faults.count();
    settle_for_good(&mut calm).await;
    let wanted = normal(&calm.sees());
    assert!(calls.len() >= 4, "only {} calls: nothing happened", calls.len());
    let mut broken = Vec::new();
    for kind in KINDS {
        for (n, _) in calls.iter().enumerate().filter(|(_, call)| matters(kind, **call)) {
            let mut world = start.copy().await;
            world.faults.set(n, kind);
            act(&mut world).await;
            settle_for_good(&mut world).await;
            let got = normal(&world.sees());
            if got != wanted {
                broken.push(format!("{kind:?} at call {n} ends in another world:\n{}", difference(&wanted, &got)));
            }
            let writes = world.writes();
            world.sweep().await;
            if world.writes() != writes {
                broken.push(format!("{kind:?} at call {n}: a second settling writes"));
            }
        }
    }
    assert!(broken.is_empty(), "{} of {} calls in {KINDS:?}:\n{}", broken.len(), calls.len(), broken.join("\n"));
}

/// What the bot does by itself within the quarter of an hour: back-off, expectations that end, the sweep.
async fn settle_for_good(world: &mut World) {
    world.settle().await;
    world.advance(Duration::from_secs(150)).await;
    world.sweep().await;
}

/// What GitHub deals out in passing, and what stands in its place.
static PASSING: LazyLock<[(Regex, &str); 4]> = LazyLock::new(|| {
    let table = [
        // In these texts the minute stands for when somebody did something, and real processes take their time.
        (r"\d{4}-\d\d-\d\d \d\d:\d\d UTC", "<minute>"),
        (r"(?m)(reply-|issuecomment-|^ +- )\d+( [0-9a-f]{16})?", "${1}N"),
        // The ledger's files hold the numbers of comments, so its commits differ where those do; the files themselves are compared.
        (r"(refs/heads/trunkline-ledger) [0-9a-f]{10}", "$1 H"),
        (r"(trunkline:v1 \w+) [0-9a-f]{16}", "$1 H"),
    ];
    table.map(|(pattern, instead)| (Regex::new(pattern).unwrap(), instead))
});

/// The world without the numbers GitHub deals out in passing.
pub(crate) fn normal(world: &str) -> String {
    let plain = |world: String, (pattern, instead): &(Regex, &str)| pattern.replace_all(&world, *instead).into_owned();
    PASSING.iter().fold(world.trim_end().to_owned(), plain)
}

/// What is other in two worlds.
pub(crate) fn difference(wanted: &str, got: &str) -> String {
    similar::TextDiff::from_lines(wanted, got).unified_diff().context_radius(3).to_string()
}

/// A story's part that goes wrong somewhere.
macro_rules! act {
    ($world:ident, $body:block) => {{
        fn act<'a>(
            $world: &'a mut crate::world::World,
        ) -> std::pin::Pin<Box<dyn std::future::Future<Output = ()> + 'a>> {
            Box::pin(async move { $body })
        }
        act as crate::faults::Act
    }};
}
pub(crate) use act;

#[tokio::test]
async fn a_merge_to_trunk_survives_every_fault() {
    let start = World::example().await;
    let act = act!(world, {
        let sha = world.github.push_files(SHOP, "main", "ann", "Sell more", &[("CHANGES", text("x"))]);
        world.github.add_check(SHOP, &sha, CI, "build", "success");
        world.settle().await;
    });
    hold(&start, act).await;
}

#[tokio::test]
async fn a_first_promotion_out_of_a_shared_base_survives_every_fault() {
    let start = World::with(&crate::fields::shared_base()).await;
    let act = act!(world, {
        let sha = world.github.push_files(SHOP, "main", "ann", "Sell more", &[("CHANGES", text("x"))]);
        world.github.add_check(SHOP, &sha, CI, "build", "success");
        world.settle().await;
    });
    hold(&start, act).await;
}

#[tokio::test]
async fn a_pull_request_survives_every_fault() {
    let start = World::example().await;
    let act = act!(world, {
        let path = "environments/dev/kustomization.yaml";
        let files = [(path, example(path, "newTag: v0.9", "newTag: latest"))];
        world.github.push_files(ENVIRONMENTS, "topic", "ben", "Newest", &files);
        world.github.open_pull(ENVIRONMENTS, "ben", "topic", "main", "Newest", "");
        world.settle().await;
    });
    hold(&start, act).await;
}

#[tokio::test]
async fn a_tag_for_production_survives_every_fault() {
    let mut start = World::example().await;
    in_stage(&mut start).await;
    let act = act!(world, {
        let sha = world.github.branch_tip(SHOP, "main");
        world.github.create_tag(SHOP, "v1.0", &sha, "ann", true);
        world.settle().await;
    });
    hold(&start, act).await;
}

#[tokio::test]
async fn a_superseding_tag_survives_every_fault() {
    let mut start = World::example().await;
    let sha = in_stage(&mut start).await;
    start.github.create_tag(SHOP, "v1.0", &sha, "ann", true);
    start.settle().await;
    let act = act!(world, {
        let sha = world.github.branch_tip(SHOP, "main");
        world.github.create_tag(SHOP, "v1.1", &sha, "ann", true);
        world.settle().await;
    });
    hold(&start, act).await;
}

#[tokio::test]
async fn commands_survive_every_fault() {
    let mut start = World::example().await;
    desk(&mut start).await;
    let act = act!(world, {
        world.github.comment(ENVIRONMENTS, "ann", 1, "/trunkline hold prod the fair is on\n/trunkline status prod");
        world.github.comment(ENVIRONMENTS, "rob", 1, "/trunkline hold prod");
        world.settle().await;
        world.github.comment(ENVIRONMENTS, "ann", 1, "/trunkline unhold prod");
        world.settle().await;
    });
    hold(&start, act).await;
}
