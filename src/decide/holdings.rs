//! From image tags back to versions: what an environment's files say, in the words people use.

use std::collections::BTreeMap;

use super::versions::version_of;
use crate::model::id::Oid;
use crate::model::pipeline::App;
use crate::model::snapshot::{Holding, Source};

/// Names each holding by the tag or trunk commit whose image tags it carries; `commits` are the image tags that are commits.
pub fn name_versions(app: &App, source: &Source, commits: &BTreeMap<String, Oid>, history: &mut [Holding]) {
    for holding in history {
        let carries = |version: Option<&str>, commit: &Oid| {
            !holding.tags.is_empty()
                && holding.tags.iter().all(|(name, held)| {
                    app.images.iter().any(|image| image.name == *name && image.tag_for(version, commit) == *held)
                })
        };
        let tagged = source.tags.iter().find_map(|tag| {
            let version = version_of(app, tag)?;
            carries(Some(version.as_str()), &tag.commit).then(|| (version.to_string(), tag.commit))
        });
        let on_trunk = || {
            let known = holding.tags.values().filter_map(|held| commits.get(held));
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
