//! The example organisation: acme, which sells things, as this repository's own folders describe it.

use super::{RepoHandle, Sandbox};

/// Files this binary carries, so that the sandbox runs anywhere; a test holds the list against the folders.
macro_rules! carried {
    ($($path:literal),* $(,)?) => {
        /// What the repository `acme/environments` starts with.
        pub static FILES: &[(&str, &[u8])] = &[
            $(($path, include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/", $path)))),*
        ];
    };
}

carried![
    ".github/trunkline.yaml",
    "environments/base/backend.yaml",
    "environments/base/database.yaml",
    "environments/base/frontend.yaml",
    "environments/base/ingress.yaml",
    "environments/base/kustomization.yaml",
    "environments/base/network-policies.yaml",
    "environments/base/secrets.yaml",
    "environments/clusters/dev/shop.yaml",
    "environments/clusters/prod/shop.yaml",
    "environments/clusters/stage/shop.yaml",
    "environments/dev/kustomization.yaml",
    "environments/dev/namespace.yaml",
    "environments/prod/database.yaml",
    "environments/prod/disruption.yaml",
    "environments/prod/kustomization.yaml",
    "environments/prod/namespace.yaml",
    "environments/stage/kustomization.yaml",
    "environments/stage/namespace.yaml",
    "policies/README.md",
    "policies/databases.rego",
    "policies/images.rego",
    "policies/images/allowed.yaml",
    "policies/ingress.rego",
    "policies/owners.rego",
];

/// The organisation.
pub const ORG: &str = "acme";
/// The application's source.
pub const SHOP: &str = "acme/shop";
/// The repository that holds its environments.
pub const ENVIRONMENTS: &str = "acme/environments";
/// The App that stands in for a CI: it says that a commit was built.
pub const CI: &str = "github-actions";

/// The people: who they are, and what they may do in both repositories.
pub const PEOPLE: [(&str, &str); 5] =
    [("ann", "write"), ("ben", "write"), ("sam", "maintain"), ("sue", "write"), ("rob", "read")];

/// What was made.
#[derive(Debug, Clone)]
pub struct Example {
    /// The application's source.
    pub shop: RepoHandle,
    /// The environments.
    pub environments: RepoHandle,
    /// The commit that runs everywhere, tagged `v0.9`.
    pub first: String,
}

/// Makes the people, the two repositories and the team that approves, and installs the App.
///
/// Ann and Ben write the shop; Sam and Sue are its SREs; Rob only reads.
pub fn example(sandbox: &Sandbox, environments: &[(&str, Vec<u8>)]) -> Example {
    sandbox.create_org(ORG);
    for (login, _) in PEOPLE {
        sandbox.create_user(login);
    }
    sandbox.create_team(ORG, "sre", &["sam", "sue"]);
    let text = |path, text: &str| (path, text.as_bytes().to_vec());
    let files = [
        text("README.md", "# The shop\n\nMerge to `main`, tag `v1.0-rc.1`, tag `v1.0`.\n"),
        text("frontend/index.html", "<h1>Shop</h1>\n"),
        text("backend/main.go", "package main\n\nfunc main() {}\n"),
    ];
    let shop = sandbox.create_repo(ORG, "shop", false, &files, "ann");
    let environments = sandbox.create_repo(ORG, "environments", false, environments, "sam");
    for (login, role) in PEOPLE {
        sandbox.set_permission(SHOP, login, role);
        sandbox.set_permission(ENVIRONMENTS, login, role);
    }
    let first = sandbox.push_files(
        SHOP,
        "main",
        "ann",
        "Sell things",
        &[("backend/shop.go", Some(b"package main\n".to_vec()))],
    );
    sandbox.add_check(SHOP, &first, CI, "build", "success");
    sandbox.create_tag(SHOP, "v0.9", &first, "ann", false);
    sandbox.install(ORG, &["shop", "environments"]);
    Example { shop, environments, first }
}

/// The environments repository as this binary carries it.
pub fn environments() -> Vec<(&'static str, Vec<u8>)> {
    FILES.iter().map(|(path, bytes)| (*path, bytes.to_vec())).collect()
}
