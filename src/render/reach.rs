//! Which changes reach an environment: those to a path its render read or looked for.

use std::collections::BTreeSet;

use crate::model::path::RepoPath;

/// Whether a change to `changed` can change a render that read `reads`.
///
/// A folder among the reads was taken as a whole, so anything below it counts. A changed path above a read one is a link or
/// folder that became something else.
pub fn closure_touches(reads: &BTreeSet<RepoPath>, changed: &[RepoPath]) -> bool {
    changed.iter().any(|path| {
        let mut above = path.clone();
        let within = loop {
            if reads.contains(&above) {
                break true;
            }
            if above.is_root() {
                break false;
            }
            above = above.parent();
        };
        // Everything below `path` sorts from it on; only the first can tell, apart from names such as `a-b` beside `a/b`.
        within
            || reads
                .range(path.clone()..)
                .take_while(|read| read.as_str().starts_with(path.as_str()))
                .any(|read| read.is_within(path))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_reach_below_files_only_themselves() {
        let path = |text: &str| text.parse::<RepoPath>().unwrap();
        let reads: BTreeSet<RepoPath> =
            ["env/prod/kustomization.yaml", "base/a.yaml", "plain", "link/x"].map(path).into();
        for (changed, touches) in [
            ("env/prod/kustomization.yaml", true),
            ("env/prod/README.md", false),
            ("base/a.yaml", true),
            ("base/b.yaml", false),
            ("plain/deep/er.yaml", true),
            ("plainer/a.yaml", false),
            ("link", true),
            ("li", false),
        ] {
            assert_eq!(closure_touches(&reads, &[path(changed)]), touches, "{changed}");
        }
        assert!(closure_touches(&BTreeSet::from([RepoPath::root()]), &[path("anything")]));
        assert!(!closure_touches(&reads, &[]));
    }
}
