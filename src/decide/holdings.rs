//! From image tags back to versions: what an environment's files say, in the words people use.

use std::collections::BTreeMap;

use super::versions::version_of;
use crate::model::id::Oid;
use crate::model::pipeline::App;
use crate::model::snapshot::{Holding, Source};

/// The parts of an image tag that may be commits: `abcdef0`, and what `0.0.0-abcdef0` or `main-abcdef0` ends with.
pub fn commit_words(tag: &str) -> impl Iterator<Item = &str> {
    tag.split(|c: char| !c.is_ascii_hexdigit()).filter(|word| (7..=40).contains(&word.len()))
}

/// Names each holding by the tag or trunk commit whose image tags it carries; `commits` are the words of the tags that are commits.
pub fn name_versions(app: &App, source: &Source, commits: &BTreeMap<String, Oid>, history: &mut [Holding]) {
    for holding in history {
        let carries = |version: Option<&str>, commit: &Oid| {
            !holding.tags.is_empty()
                && holding.tags.iter().all(|(name, held)| app.value(name, version, commit).as_ref() == Some(held))
        };
        let tagged = source.tags.iter().find_map(|tag| {
            let version = version_of(app, tag)?;
            carries(Some(version.as_str()), &tag.commit).then(|| (version.to_string(), tag.commit))
        });
        let on_trunk = || {
            let known = holding.tags.values().flat_map(|held| commit_words(held)).filter_map(|word| commits.get(word));
            known.copied().find(|commit| carries(None, commit)).map(|commit| (commit.to_string(), commit))
        };
        // A version whose tag is gone still has its name: all images agree on it.
        let agreed = || {
            let mut tags = holding.tags.values();
            let first = tags.next()?;
            (tags.all(|tag| tag == first)).then(|| first.clone())
        };
        let found = tagged.or_else(on_trunk);
        holding.commit = found.as_ref().map(|(_, commit)| *commit);
        holding.version = found.map(|(version, _)| version).or_else(agreed);
    }
}
