//! Images: a version enters once each of its images is in its registry, and is pinned to the digest found there.

use std::collections::BTreeMap;

use jiff::SignedDuration;

use super::gates::{self, Entering};
use super::ways_in;
use crate::model::image::{Digest, ImageName, ImageRef, ImageState, RegistryHost};
use crate::model::pipeline::{Image, ShipsMatch};
use crate::model::plan::Need;
use crate::model::snapshot::{Configuration, Holding, Pull, Snapshot};
use crate::model::verdict::{Answer, Verdict};

/// How soon a missing image is looked for again; a push takes seconds, replication a minute.
const LOOK_FIRST: SignedDuration = SignedDuration::from_secs(30);
/// The pauses double, and the sweep looks as often as this anyway.
const LOOK_LAST: SignedDuration = SignedDuration::from_mins(15);
/// A build that has not pushed by then failed without saying so, or pushes under another name.
const PATIENCE: SignedDuration = SignedDuration::from_hours(2);
/// A registry that could not be asked is asked again; it is busy or down, and others may wait for it too.
const ASK_AGAIN: SignedDuration = SignedDuration::from_mins(2);

/// What is known of a version's images.
pub(super) struct Images {
    /// Whether all are there.
    pub(super) verdict: Verdict,
    /// The digests to pin, by image.
    pub(super) digests: BTreeMap<String, String>,
}

/// The images of a version, as far as their registries may be asked; `None` when none may.
pub(super) fn resolve(entering: &Entering<'_>, pull: Option<&Pull>, needs: &mut Vec<Need>) -> Option<Images> {
    let listed = registries(entering.snapshot);
    let mut look = Look { entering, ours: pull.is_some_and(|p| ways_in::is_promotion(entering.snapshot, p)), needs };
    let (mut digests, mut said, mut wrong) = (BTreeMap::new(), Vec::new(), Vec::new());
    for image in &entering.app.images {
        let name: ImageName = match image.name.parse() {
            Ok(name) => name,
            Err(_) if listed.is_empty() => continue,
            Err(error) => {
                wrong.push(Verdict::no("image-name", error.to_string()).next("correct `images` in the configuration"));
                continue;
            }
        };
        if !listed.contains(&name.registry) {
            continue;
        }
        match look.image(image, &name) {
            Ok(Known { digest, text }) => {
                digests.extend(digest.map(|digest| (image.name.clone(), digest.to_string())));
                said.push(text);
            }
            Err(verdict) => wrong.push(verdict),
        }
    }
    let verdict = match (wrong.len(), wrong.pop()) {
        (_, None) if said.is_empty() => return None,
        (_, None) => Verdict::yes("image", said.join("; ")),
        (1, Some(only)) => only,
        (_, Some(last)) => {
            wrong.push(last);
            Verdict::all("images", "images that are not there as they should", wrong)
        }
    };
    Some(Images { verdict, digests })
}

/// The registries the configuration lets us ask.
fn registries(snapshot: &Snapshot) -> &[RegistryHost] {
    match &snapshot.common.config {
        Configuration::Valid(pipeline) => &pipeline.registries,
        Configuration::Missing | Configuration::Broken(_) => &[],
    }
}

/// The images of an application that no listed registry holds, by name: what `match: digest` cannot work without.
pub(super) fn unlisted<'a>(entering: &'a Entering<'_>) -> Vec<&'a str> {
    let listed = registries(entering.snapshot);
    let known = |image: &Image| image.name.parse::<ImageName>().is_ok_and(|name| listed.contains(&name.registry));
    entering.app.images.iter().filter(|image| !known(image)).map(|image| image.name.as_str()).collect()
}

/// An image that may enter.
struct Known {
    digest: Option<Digest>,
    text: String,
}

struct Look<'a, 'n> {
    entering: &'a Entering<'a>,
    /// Whether the pull request is a promotion of ours, whose digests we wrote ourselves.
    ours: bool,
    needs: &'n mut Vec<Need>,
}

impl Look<'_, '_> {
    fn image(&mut self, image: &Image, name: &ImageName) -> Result<Known, Verdict> {
        let pinned = self.entering.change.and_then(|change| change.digests.get(&image.name));
        let pinned = pinned.map(|text| digest(text)).transpose()?;
        if self.entering.candidate.is_rollback() {
            return self.as_before(image, name, pinned);
        }
        if let Some((upstream, holding)) = self.tested() {
            let Some(holding) = holding else { return self.untested(image, name, &upstream) };
            let tested = self.ran(&holding, image, name, &upstream)?;
            return self.very_image(image, name, (pinned, tested), &upstream);
        }
        match pinned {
            // We wrote it when the tag named it; a tag that moved since moves no promotion.
            Some(digest) if self.ours => {
                self.exists(name, &digest)?;
                Ok(known(name, &self.tag(image), digest))
            }
            pinned => {
                let found = self.by_tag(image, name)?;
                match pinned {
                    Some(pinned) if pinned != found => {
                        let text = format!(
                            "the image {} is {} in {}, and not {}, which is written here",
                            label(name, &self.tag(image)),
                            found.short(),
                            name.registry,
                            pinned.short()
                        );
                        Err(Verdict::no("other-build", text).next("pin that one, or leave the digest out"))
                    }
                    _ => Ok(known(name, &self.tag(image), found)),
                }
            }
        }
    }

    /// Under `ships: {match: digest}`: where it must have run, and the holding that counts, once there is one.
    fn tested(&self) -> Option<(String, Option<Holding>)> {
        let ships = self.entering.environment.ships.as_ref().filter(|ships| ships.matches == ShipsMatch::Digest)?;
        if self.entering.candidate.forced().is_some() {
            return None;
        }
        Some((ships.tested_in.clone(), gates::passed(self.entering, &ships.tested_in, true).cloned()))
    }

    /// Nothing was tested yet: the tag may be there already, or what will be tested is deployed by its digest.
    fn untested(&mut self, image: &Image, name: &ImageName, upstream: &str) -> Result<Known, Verdict> {
        let tag = self.tag(image);
        match self.look(name, self.reference(image)?)? {
            ImageState::Found(digest) => Ok(known(name, &tag, digest)),
            ImageState::Missing { .. } => {
                let text = format!("the image {} is not in {}", label(name, &tag), name.registry);
                let next = format!("once {upstream} holds this commit, its image is deployed by digest");
                Err(Verdict::wait("not-in-registry", text).next(next))
            }
        }
    }

    /// What ran upstream: as git pins it, or else as its tag names it now.
    fn ran(&mut self, holding: &Holding, image: &Image, name: &ImageName, upstream: &str) -> Result<Known, Verdict> {
        if let Some(pinned) = holding.digests.get(&image.name) {
            return Ok(Known { digest: Some(digest(pinned)?), text: String::new() });
        }
        let tag = holding.tags.get(&image.name).cloned().unwrap_or_default();
        let reference = tag.parse().map(ImageRef::Tag).map_err(|_| no_tag(&tag))?;
        match self.look(name, reference)? {
            ImageState::Found(digest) => Ok(Known { digest: Some(digest), text: format!(", as {tag} names it now") }),
            ImageState::Missing { .. } => Err(gone(&label(name, &tag), name, upstream)),
        }
    }

    /// The very image that was tested: under its new tag, or by its digest where nobody gave it one.
    fn very_image(
        &mut self,
        image: &Image,
        name: &ImageName,
        (pinned, tested): (Option<Digest>, Known),
        upstream: &str,
    ) -> Result<Known, Verdict> {
        let (Some(wanted), how, tag) = (tested.digest, tested.text, self.tag(image)) else {
            return Err(no_tag(&image.name));
        };
        let label = label(name, &tag);
        let other = |other: &Digest| {
            let text = format!(
                "the image {label} is another build ({}) than what {upstream} ran ({}{how})",
                other.short(),
                wanted.short()
            );
            let next = format!("tag the image that {upstream} ran as {tag}, or use `match: commit` in `ships`");
            Verdict::no("other-build", text).next(next)
        };
        let very = |by: &str| Known {
            digest: Some(wanted.clone()),
            text: format!("{label} is the very image that {upstream} ran ({}{how}){by}", wanted.short()),
        };
        if let Some(pinned) = pinned {
            return if pinned == wanted { self.exists(name, &wanted).map(|()| very("")) } else { Err(other(&pinned)) };
        }
        match self.look(name, self.reference(image)?)? {
            ImageState::Found(found) if found == wanted => Ok(very("")),
            ImageState::Found(found) => Err(other(&found)),
            // Somebody else's pull request would deploy it by that tag.
            ImageState::Missing { since } if self.entering.change.is_some() => Err(self.missing(name, &tag, since)),
            ImageState::Missing { .. } => match self.look(name, ImageRef::Digest(wanted.clone()))? {
                ImageState::Found(_) => {
                    Ok(very(&format!(", deployed by its digest, since {} has no such tag", name.registry)))
                }
                ImageState::Missing { .. } => Err(gone(&self::label(name, wanted.as_str()), name, upstream)),
            },
        }
    }

    /// A way back does not wait for a registry: what ran before is written as it ran.
    fn as_before(&mut self, image: &Image, name: &ImageName, pinned: Option<Digest>) -> Result<Known, Verdict> {
        let tag = self.tag(image);
        let commit = Some(self.entering.candidate.commit);
        let ran = self.entering.history(&self.entering.environment.name).iter().find(|held| held.commit == commit);
        let ran = ran.and_then(|held| held.digests.get(&image.name)).map(|text| digest(text)).transpose()?;
        if let Some(digest) = pinned.filter(|_| self.ours).or(ran) {
            return Ok(known(name, &tag, digest));
        }
        match self.look(name, self.reference(image)?) {
            Ok(ImageState::Found(digest)) => Ok(known(name, &tag, digest)),
            Ok(ImageState::Missing { since }) => Err(self.missing(name, &tag, since)),
            Err(unknown) if unknown.code == UNREADABLE => {
                let text = format!("{}; it is written by its tag, as it ran before", unknown.text);
                Ok(Known { digest: None, text })
            }
            Err(looking) => Err(looking),
        }
    }

    fn by_tag(&mut self, image: &Image, name: &ImageName) -> Result<Digest, Verdict> {
        match self.look(name, self.reference(image)?)? {
            ImageState::Found(digest) => Ok(digest),
            ImageState::Missing { since } => Err(self.missing(name, &self.tag(image), since)),
        }
    }

    fn exists(&mut self, name: &ImageName, digest: &Digest) -> Result<(), Verdict> {
        match self.look(name, ImageRef::Digest(digest.clone()))? {
            ImageState::Found(_) => Ok(()),
            ImageState::Missing { since } => Err(self.missing(name, digest.as_str(), since)),
        }
    }

    fn look(&mut self, name: &ImageName, reference: ImageRef) -> Result<ImageState, Verdict> {
        let snapshot = self.entering.snapshot;
        let key = (name.clone(), reference.clone());
        if let Some(state) = snapshot.facts.images.get(&key) {
            return Ok(state.clone());
        }
        let label = label(name, &reference.to_string());
        let need = Need::Image { image: name.clone(), reference };
        let Some(why) = snapshot.facts.unmet.get(&need) else {
            self.needs.push(need);
            return Err(Verdict::wait("image", format!("looking up the image {label}")).next("it goes on by itself"));
        };
        let text = format!("the image {label} cannot be looked up: {why}");
        let next = "it is asked again by itself; if this stays, let the registry be read from here";
        Err(Verdict::wait(UNREADABLE, text).next(next).again(snapshot.common.now + ASK_AGAIN))
    }

    /// An image that is not there: a matter of minutes at first, and of people later.
    fn missing(&self, name: &ImageName, what: &str, since: jiff::Timestamp) -> Verdict {
        let now = self.entering.snapshot.common.now;
        let age = now.duration_since(since);
        let label = label(name, what);
        if age >= PATIENCE {
            let text = format!(
                "the image {label} is still not in {}, {PATIENCE:#} after it was first looked for",
                name.registry
            );
            return Verdict::new(Answer::No, "not-in-registry", text)
                .next("push it, or correct that image in the configuration; then comment `/trunkline retry`");
        }
        Verdict::wait("not-in-registry", format!("the image {label} is not in {} yet", name.registry))
            .next("it goes on by itself once the image is pushed")
            .again(now + age.clamp(LOOK_FIRST, LOOK_LAST))
    }

    fn tag(&self, image: &Image) -> String {
        let candidate = self.entering.candidate;
        let version = candidate.tag.is_some().then_some(candidate.version.as_str());
        image.tag_for(version, &candidate.commit)
    }

    fn reference(&self, image: &Image) -> Result<ImageRef, Verdict> {
        let tag = self.tag(image);
        tag.parse().map(ImageRef::Tag).map_err(|_| no_tag(&tag))
    }
}

/// The code of an image whose registry could not be asked.
const UNREADABLE: &str = "registry";

fn known(name: &ImageName, tag: &str, digest: Digest) -> Known {
    let text = format!("{} is {}", label(name, tag), digest.short());
    Known { digest: Some(digest), text }
}

/// `shop-backend:v1.0`, or `shop-backend@sha256:0123456789ab`.
fn label(name: &ImageName, what: &str) -> String {
    match what.parse::<Digest>() {
        Ok(digest) => format!("{}@{}", name.short(), digest.short()),
        Err(_) => format!("{}:{what}", name.short()),
    }
}

fn digest(text: &str) -> Result<Digest, Verdict> {
    let next = "write it as the registry shows it: `sha256:` and 64 hex digits";
    text.parse().map_err(|error: crate::model::id::BadName| Verdict::no("image-digest", error.to_string()).next(next))
}

fn no_tag(text: &str) -> Verdict {
    let text: String = text.chars().take(100).collect();
    Verdict::no("image-tag", format!("`{text}` is no tag an image could have"))
        .next("give the image a `tag` template in the configuration")
}

fn gone(what: &str, name: &ImageName, upstream: &str) -> Verdict {
    Verdict::no("image-gone", format!("the image {what}, which {upstream} ran, is not in {} any more", name.registry))
        .next("push it again, or promote another version")
}
