//! What GitHub itself asks of a merge: who and what still stands in its way, and who can lift it.
//!
//! The gate is for promotions; what stands in the way of anybody else's pull request, GitHub tells them. It waits and never fails a
//! check, and it says nothing that depends on our own check, or the two would wait for each other.

use std::collections::BTreeMap;

use crate::model::merging::{BranchRules, HeadCheck, MergeState, Merging, RequiredCheck, ReviewDecision};
use crate::model::pipeline::Merge;
use crate::model::plan::Need;
use crate::model::snapshot::{Bot, CheckState, MergeMethod, PullBrief, Repo, Snapshot};
use crate::model::verdict::{Answer, Verdict};

/// Groups of owners that are named; a promotion changes a file or two.
const MAX_OWNERS: usize = 5;
/// The one check's name, which must not wait for itself.
const OWN_CHECK: &str = "trunkline";

/// The gate of one promotion; `None` when GitHub asks nothing.
pub(super) fn gate(snapshot: &Snapshot, pull: &PullBrief, needs: &mut Vec<Need>) -> Option<Verdict> {
    let base = &pull.base;
    let Some(merging) = snapshot.facts.merging.get(&pull.number) else {
        let need = Need::Merging { number: pull.number, base: base.clone(), head: pull.head };
        return Some(super::gates::unknown(snapshot, needs, need, "branch-rules", "what GitHub asks of merges"));
    };
    let rules = &merging.rules;
    let asking = Asking { snapshot, pull, merging };
    let mut because = Vec::new();
    // GitHub's own word counts, unless it may only mean that we could step over the rules.
    let bypass = rules.sources.iter().any(|source| source.bypass);
    if merging.state != MergeState::Clean || bypass {
        because.extend(asking.reviews(needs));
        because.extend(rules.checks.iter().filter_map(|check| asking.check(check)));
        because.extend(asking.conversations());
        because.extend(asking.signatures());
        because.extend(asking.locked());
        because.extend(asking.unseen());
    }
    because.extend(method(&snapshot.common.repo, rules, base).err());
    because.extend(asking.standing());
    if because.is_empty() && rules.sources.is_empty() {
        return None;
    }
    let met = because.iter().all(|verdict| verdict.answer == Answer::Yes);
    let whole = rules.sources.iter().all(|source| source.whole);
    let text = match (met, whole) {
        (true, true) => format!("what GitHub asks of merges into {base} is met"),
        (true, false) => format!("what GitHub asks of merges into {base} is met, as far as it lets us see"),
        (false, _) => format!("GitHub asks more before it lets this into {base}"),
    };
    Some(Verdict::all("branch-rules", text, because))
}

/// How to merge: the best way that the repository and the branch both allow.
///
/// # Errors
/// The verdict, when no way is left.
pub(super) fn method(repo: &Repo, rules: &BranchRules, base: &str) -> Result<MergeMethod, Verdict> {
    let allowed = |method: &&MergeMethod| {
        rules.methods.as_ref().is_none_or(|methods| methods.contains(method))
            && !(rules.linear && **method == MergeMethod::Merge)
            // GitHub signs what it merges and squashes, but not what it replays.
            && !(rules.signatures && **method == MergeMethod::Rebase)
    };
    repo.merge_methods.iter().find(allowed).copied().ok_or_else(|| {
        let mut wants = Vec::new();
        wants.extend(rules.methods.as_ref().map(|methods| listed(methods)));
        wants.extend(rules.linear.then(|| "a linear history".to_owned()));
        wants.extend(rules.signatures.then(|| "signed commits".to_owned()));
        let text = match wants.is_empty() {
            true => format!("there is no way to merge: the repository allows {}", listed(&repo.merge_methods)),
            false => format!(
                "there is no way to merge: the repository allows {}, {base} asks for {}",
                listed(&repo.merge_methods),
                wants.join(", and for ")
            ),
        };
        let missing = [MergeMethod::Squash, MergeMethod::Merge, MergeMethod::Rebase].iter().find(allowed);
        let next = match (missing, sources(rules)) {
            (Some(method), _) => format!("an administrator allows {} in the repository's settings", word(*method)),
            (None, Some(sources)) => format!("an administrator allows squashing in {sources}"),
            (None, None) => "an administrator looks at the branch's rules".to_owned(),
        };
        Verdict::wait("merge-method", text).next(next)
    })
}

fn listed(methods: &[MergeMethod]) -> String {
    let words: Vec<&str> = methods.iter().map(|method| word(*method)).collect();
    if words.is_empty() { "no way at all".to_owned() } else { words.join(" or ") }
}

fn word(method: MergeMethod) -> &'static str {
    match method {
        MergeMethod::Merge => "merge commits",
        MergeMethod::Squash => "squashing",
        MergeMethod::Rebase => "rebasing",
    }
}

/// What GitHub answered when the merge was last tried; said where people read, never in the check, which it may depend on.
pub(super) fn refused(merging: &Merging) -> Option<Verdict> {
    let refused = merging.refused.as_ref()?;
    let next = match sources(&merging.rules) {
        _ if refused.words.contains("not granted") => {
            "an owner of the account accepts the permissions Trunkline asks for".to_owned()
        }
        Some(sources) => format!("somebody who may change {sources} looks at what it asks"),
        None => "an administrator looks at the branch's protection; Trunkline tries again by itself".to_owned(),
    };
    Some(Verdict::wait("refused", format!("GitHub refused the merge: {}", refused.words)).next(next))
}

/// Who merges a promotion whose gates are all open; `None` when Trunkline does.
pub(super) fn who_merges(snapshot: &Snapshot, pull: &PullBrief, merge: Merge) -> Option<&'static str> {
    let queue = snapshot.facts.merging.get(&pull.number).is_some_and(|merging| merging.rules.queue);
    match (queue, merge) {
        (true, Merge::Manual) => Some("anybody who may write here presses “Merge when ready”"),
        (false, Merge::Manual) => Some("anybody who may write here merges this pull request"),
        (_, Merge::Auto) => None,
    }
}

/// Where the rules come from, for people.
fn sources(rules: &BranchRules) -> Option<String> {
    let names: Vec<&str> = rules.sources.iter().map(|source| source.name.as_str()).collect();
    (!names.is_empty()).then(|| names.join(" or "))
}

struct Asking<'a> {
    snapshot: &'a Snapshot,
    pull: &'a PullBrief,
    merging: &'a Merging,
}

impl Asking<'_> {
    fn reviews(&self, needs: &mut Vec<Need>) -> Vec<Verdict> {
        let (rules, merging) = (&self.merging.rules, self.merging);
        let have = u32::try_from(merging.approvals.len()).unwrap_or(u32::MAX);
        let enough = have >= rules.reviews;
        let wanted = match merging.decision {
            Some(ReviewDecision::Approved) => return Vec::new(),
            Some(ReviewDecision::ChangesRequested) => {
                return vec![
                    Verdict::wait("changes-requested", "a review asks for changes, which blocks the merge")
                        .next("its author approves, or somebody who may dismisses it"),
                ];
            }
            Some(ReviewDecision::Required) => true,
            None => !enough,
        };
        if !wanted {
            return Vec::new();
        }
        let mut because = Vec::new();
        if !enough {
            let text = format!("{have} of {} from people who may write", approvals(rules.reviews));
            because.push(Verdict::wait("reviews", text).next("somebody else who may write here reviews and approves"));
        }
        if rules.code_owners {
            because.extend(self.owners(needs));
        }
        if because.is_empty() {
            let text = "the approvals are not those GitHub asks for";
            let next = match rules.push_costs_approvals {
                true => "somebody approves the newest commit",
                false => "the reviewers GitHub has asked approve",
            };
            because.push(Verdict::wait("reviews", text).next(next));
        }
        because
    }

    /// The owners whose word is missing, files of the same owners together.
    fn owners(&self, needs: &mut Vec<Need>) -> Vec<Verdict> {
        let mut missing: BTreeMap<String, Vec<&str>> = BTreeMap::new();
        for owned in &self.merging.owned {
            if !owned.owners.iter().any(|owner| self.has_approved(owner, needs)) {
                let names: Vec<&str> = owned.owners.iter().map(|owner| owner.trim_start_matches('@')).collect();
                missing.entry(names.join(" or ")).or_default().push(&owned.path);
            }
        }
        let verdict = |(owners, paths): (String, Vec<&str>)| {
            let more = if paths.len() > 1 { format!(" and {} more", paths.len() - 1) } else { String::new() };
            Verdict::wait("code-owners", format!("{}{more} is owned by {owners}, who has not approved", paths[0]))
                .next(format!("{owners} reviews and approves"))
        };
        missing.into_iter().take(MAX_OWNERS).map(verdict).collect()
    }

    fn has_approved(&self, owner: &str, needs: &mut Vec<Need>) -> bool {
        let approvals = &self.merging.approvals;
        let Some(name) = owner.strip_prefix('@') else { return false };
        if !name.contains('/') {
            return approvals.iter().any(|login| login.eq_ignore_ascii_case(name));
        }
        // Every membership is asked for at once.
        let known: Vec<bool> = approvals.iter().map(|login| self.member(name, login, needs)).collect();
        known.contains(&true)
    }

    fn member(&self, team: &str, login: &str, needs: &mut Vec<Need>) -> bool {
        let need = Need::Member { team: team.to_owned(), login: login.to_owned() };
        match self.snapshot.facts.members.get(&(team.to_owned(), login.to_owned())) {
            Some(member) => *member,
            None if self.snapshot.facts.unmet.contains_key(&need) => false,
            None => {
                needs.push(need);
                false
            }
        }
    }

    fn check(&self, wanted: &RequiredCheck) -> Option<Verdict> {
        let bot = &self.snapshot.common.bot;
        if is_own(wanted, bot) {
            return None;
        }
        let from =
            |check: &&HeadCheck| check.name == wanted.name && wanted.app.is_none_or(|app| check.app == Some(app));
        let name = &wanted.name;
        let head = self.pull.head.short();
        let app = wanted.app.map_or_else(String::new, |app| format!(" of App {app}"));
        Some(match self.merging.checks.iter().filter(from).map(|check| check.state).max() {
            Some(CheckState::Passed) => return None,
            Some(CheckState::Failed) => {
                Verdict::wait("required-check", format!("{name}{app}, which GitHub requires, failed on {head}"))
                    .next("whoever runs it fixes or repeats it")
            }
            Some(CheckState::Pending) => {
                Verdict::wait("required-check", format!("{name}{app}, which GitHub requires, still runs on {head}"))
                    .next("it goes on by itself once that check reports success here")
            }
            None => {
                let text = format!("{name}{app}, which GitHub requires, has not reported on {head}");
                Verdict::wait("required-check", text).next("it goes on by itself once that check reports success here")
            }
        })
    }

    fn conversations(&self) -> Option<Verdict> {
        let open = self.merging.unresolved;
        (self.merging.rules.conversations && open > 0).then(|| {
            let text = format!("{open} conversation{} not resolved", if open == 1 { " is" } else { "s are" });
            Verdict::wait("conversations", text).next("whoever may write here resolves them under “Files changed”")
        })
    }

    fn signatures(&self) -> Option<Verdict> {
        let unsigned = self.merging.unsigned.first().filter(|_| self.merging.rules.signatures)?;
        let text = format!("commit {} has no signature that GitHub can verify", unsigned.short());
        Some(Verdict::wait("signatures", text).next("close this pull request; a fresh one is signed by GitHub"))
    }

    fn locked(&self) -> Option<Verdict> {
        let rules = &self.merging.rules;
        rules.locked.then(|| {
            let sources = sources(rules).unwrap_or_default();
            Verdict::wait("locked", format!("{sources} lets nobody but its bypass list change {}", self.pull.base))
                .next("an administrator lifts it, or adds Trunkline to that list")
        })
    }

    /// What only GitHub can judge. It is said and does not wait: a merge that is refused for it says so.
    fn unseen(&self) -> Vec<Verdict> {
        let rules = &self.merging.rules;
        let mut all = Vec::new();
        if !rules.deployments.is_empty() {
            let text = format!("GitHub also asks that this branch was deployed to {}", rules.deployments.join(", "));
            all.push(Verdict::yes("deployments", text));
        }
        if !rules.others.is_empty() {
            let names: Vec<String> = rules.others.iter().map(|rule| rule.replace('_', " ")).collect();
            all.push(Verdict::yes("other-rules", format!("GitHub also judges: {}", names.join(", "))));
        }
        all
    }

    /// What holds for every merge here, whether or not something is missing now; the same words at all times, since a text that
    /// followed the base would be written again for every open promotion whenever one merges.
    fn standing(&self) -> Vec<Verdict> {
        let (rules, base) = (&self.merging.rules, &self.pull.base);
        let mut all = Vec::new();
        if rules.up_to_date {
            let costs = match rules.push_costs_approvals {
                true => ", which may take its approvals away: they are asked for again then",
                false => "",
            };
            let text = format!(
                "{base} takes only branches that are up to date; this one is updated when nothing else is missing and it is next{costs}"
            );
            all.push(Verdict::yes("up-to-date", text));
        }
        if rules.queue {
            all.push(Verdict::yes("merge-queue", format!("merges into {base} go through its merge queue")));
        }
        if let Some(source) = rules.sources.iter().find(|source| source.bypass) {
            let text = format!("Trunkline is on the bypass list of {} and does not use it", source.name);
            all.push(Verdict::yes("bypass", text).next("an administrator takes it off that list"));
        }
        all
    }
}

/// Whether a required check is ours; one of our name that another App must post is not.
fn is_own(wanted: &RequiredCheck, bot: &Bot) -> bool {
    wanted.name == OWN_CHECK && wanted.app.is_none_or(|app| app == bot.app)
}

fn approvals(count: u32) -> String {
    format!("{count} approval{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::id::{InstallationId, RepoId};

    fn repo(methods: &[MergeMethod]) -> Repo {
        Repo {
            id: RepoId(1),
            installation: InstallationId(1),
            name: "acme/all".parse().unwrap(),
            url: String::new(),
            private: false,
            default_branch: "main".to_owned(),
            tip: None,
            merge_methods: methods.to_vec(),
        }
    }

    #[test]
    fn the_best_way_that_both_allow_is_taken() {
        use MergeMethod::{Merge, Rebase, Squash};
        let choose = |methods: &[MergeMethod], rules: BranchRules| match method(&repo(methods), &rules, "main") {
            Ok(method) => format!("{method:?}"),
            Err(verdict) => format!("{} → {}", verdict.text, verdict.next.unwrap_or_default()),
        };
        let all = [Squash, Merge, Rebase];
        let rules = |methods: Option<&[MergeMethod]>, linear, signatures| BranchRules {
            methods: methods.map(<[_]>::to_vec),
            linear,
            signatures,
            ..BranchRules::default()
        };
        assert_eq!(choose(&all, rules(None, false, false)), "Squash");
        assert_eq!(choose(&all, rules(Some(&[Rebase, Merge]), false, false)), "Merge");
        assert_eq!(choose(&all, rules(Some(&[Rebase, Merge]), true, false)), "Rebase");
        assert_eq!(choose(&[Merge], rules(None, false, true)), "Merge");
        insta::assert_snapshot!(choose(&[Merge], rules(None, true, false)), @"there is no way to merge: the repository allows merge commits, main asks for a linear history → an administrator allows squashing in the repository's settings");
        insta::assert_snapshot!(choose(&all, rules(Some(&[Rebase]), false, true)), @"there is no way to merge: the repository allows squashing or merge commits or rebasing, main asks for rebasing, and for signed commits → an administrator looks at the branch's rules");
        insta::assert_snapshot!(choose(&[], rules(None, false, false)), @"there is no way to merge: the repository allows no way at all → an administrator allows squashing in the repository's settings");
    }
}
