//! KUST-003: what comes from elsewhere is pinned.

use super::{E, Hit, Rule, W};
use crate::manifest::Node;
use crate::policy::world::World;

pub(super) const RULE: Rule = Rule {
    id: "KUST-003",
    title: "A remote base is fetched over https, at a tag or commit.",
    severities: [W, E, E],
    why: "A base that follows a branch changes what is applied without a commit here, and whoever can push there deploys here.",
    fix: "Write `?ref=` with a tag or commit after an https address; better, copy the base into this repository.",
    // A remote base is not rendered, so the good example has none: what is pinned is silent here, and refused by name in KUST-001.
    good: "# file: env/kustomization.yaml
resources: [../base]
# file: base/kustomization.yaml
resources: [app.yaml]
# file: base/app.yaml
apiVersion: v1
kind: ConfigMap
metadata: { name: app }
",
    bad: "# file: env/kustomization.yaml
resources: ['https://github.com/acme/bases//shop?ref=main']
",
    check,
};

/// Branches that everybody knows by name; another name may be a tag.
const BRANCHES: [&str; 6] = ["main", "master", "HEAD", "develop", "dev", "trunk"];

fn check(world: &World) -> Vec<Hit> {
    let lists = ["resources", "bases", "components"];
    let entries =
        world.kustomizations.iter().flat_map(|file| lists.iter().flat_map(move |list| file.list_at(&[*list])));
    entries.filter_map(judge).collect()
}

fn judge(node: &Node) -> Option<Hit> {
    let text = node.as_str()?;
    let scheme = text.split_once("://").map(|(scheme, _)| scheme.trim_start_matches("git::"));
    let is_file = text.split(['?', '#']).next().is_some_and(|path| path.ends_with(".yaml") || path.ends_with(".yml"));
    let is_short = text.starts_with("github.com/") || text.starts_with("git@");
    if scheme.is_none() && !is_short {
        return None;
    }
    let query = text.split_once('?').map_or("", |(_, query)| query);
    let reference = query.split('&').find_map(|pair| pair.strip_prefix("ref=").or(pair.strip_prefix("version=")));
    let what = match (scheme, reference) {
        (Some("http" | "git"), _) => "is fetched without encryption".to_owned(),
        // A file of a release carries its version in its address.
        (Some(_), None) if is_file && has_version(text) => return None,
        (_, None) => "is not pinned: it follows whatever stands there".to_owned(),
        (_, Some(reference)) if BRANCHES.contains(&reference) => format!("follows the branch `{reference}`"),
        _ => return None,
    };
    let message = format!("remote base `{}` {what}", text.split('?').next().unwrap_or(text));
    Some(Hit::in_file(node.span.location(), message))
}

/// Whether a part of the address is a version or a commit.
fn has_version(address: &str) -> bool {
    address.split('/').any(|part| {
        let digits = part.strip_prefix('v').unwrap_or(part);
        let is_commit = part.len() == 40 && part.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_commit || (digits.starts_with(|c: char| c.is_ascii_digit()) && digits.contains('.'))
    })
}
