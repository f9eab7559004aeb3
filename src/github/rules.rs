//! What a branch asks of a merge: GitHub's rules, of which each source has its own shape, added up into one.

use serde::Deserialize;
use serde_json::Value;

use super::calls::Op;
use super::client::Ask;
use super::error::{ApiError, Kind};
use super::{GitHub, RepoAt};
use crate::model::merging::{BranchRules, RequiredCheck, RuleSource};
use crate::model::snapshot::MergeMethod;

/// Rules on one branch: a page of 100; a ruleset has at most two dozen.
const MAX_RULES: &str = "100";
/// Rulesets on one branch whose names are looked up; more say nothing to people.
const MAX_RULESETS: usize = 10;

/// Rules that stand in nobody's way who merges a pull request.
const HARMLESS: [&str; 5] = ["creation", "deletion", "non_fast_forward", "copilot_code_review", "branch_name_pattern"];

#[derive(Deserialize)]
struct Rule {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    ruleset_id: u64,
    #[serde(default)]
    ruleset_source: String,
    #[serde(default)]
    parameters: Value,
}

/// Classic protection, as far as GitHub shows it to whoever is no administrator.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ClassicNode {
    required_approving_review_count: Option<u32>,
    required_status_check_contexts: Option<Vec<Option<String>>>,
    requires_code_owner_reviews: bool,
    requires_conversation_resolution: bool,
    requires_linear_history: bool,
    requires_signatures: bool,
}

impl GitHub {
    /// What the active rulesets ask of merges into a branch, and whether we are on their bypass lists.
    ///
    /// # Errors
    /// When GitHub does not answer well.
    pub async fn branch_rules(&self, at: &RepoAt, branch: &str) -> Result<BranchRules, ApiError> {
        let (owner, name) = (at.name.owner.as_str(), at.name.name.as_str());
        let ask = Ask::new(Op::Rules, at, &[owner, name, branch]).query("per_page", MAX_RULES);
        let rules: Vec<Rule> = self.client.send(ask).await?.json()?;
        let mut sources: Vec<(u64, RuleSource)> = Vec::new();
        for rule in &rules {
            if sources.len() < MAX_RULESETS && sources.iter().all(|(id, _)| *id != rule.ruleset_id) {
                sources.push((rule.ruleset_id, self.ruleset(at, rule).await?));
            }
        }
        let mut all = BranchRules::default();
        for rule in &rules {
            let bypass = sources.iter().any(|(id, source)| *id == rule.ruleset_id && source.bypass);
            add(&mut all, rule, bypass);
        }
        all.sources = sources.into_iter().map(|(_, source)| source).collect();
        Ok(all)
    }

    async fn ruleset(&self, at: &RepoAt, rule: &Rule) -> Result<RuleSource, ApiError> {
        #[derive(Deserialize)]
        struct Ruleset {
            name: String,
            #[serde(default)]
            current_user_can_bypass: Option<String>,
        }
        let id = rule.ruleset_id.to_string();
        let ask = Ask::new(Op::Ruleset, at, &[&at.name.owner, &at.name.name, &id]);
        let found: Option<Ruleset> = match self.client.send(ask).await {
            Ok(answer) => Some(answer.json()?),
            // An organisation may keep its rulesets to itself; that they hold is known all the same.
            Err(error) if matches!(error.kind, Kind::Gone | Kind::Denied) => None,
            Err(error) => return Err(error),
        };
        let of = &rule.ruleset_source;
        Ok(match found {
            Some(found) => RuleSource {
                name: format!("the ruleset `{}` of {of}", found.name),
                bypass: found.current_user_can_bypass.is_some_and(|word| word != "never"),
                whole: true,
            },
            None => RuleSource { name: format!("a ruleset of {of}"), bypass: false, whole: true },
        })
    }
}

/// Adds what one rule asks; of two the stricter holds.
fn add(all: &mut BranchRules, rule: &Rule, bypass: bool) {
    let parameters = &rule.parameters;
    let says = |name: &str| parameters[name].as_bool().unwrap_or_default();
    let texts = |name: &str| {
        let list = parameters[name].as_array().into_iter().flatten();
        list.filter_map(Value::as_str).map(str::to_owned).collect::<Vec<_>>()
    };
    match rule.kind.as_str() {
        "pull_request" => {
            let count = parameters["required_approving_review_count"].as_u64().unwrap_or_default();
            all.reviews = all.reviews.max(u32::try_from(count).unwrap_or(u32::MAX));
            all.code_owners |= says("require_code_owner_review");
            all.push_costs_approvals |= says("dismiss_stale_reviews_on_push") || says("require_last_push_approval");
            all.conversations |= says("required_review_thread_resolution");
            if parameters["allowed_merge_methods"].is_array() {
                let allowed = texts("allowed_merge_methods");
                let allowed: Vec<MergeMethod> = allowed.iter().filter_map(|word| method(word)).collect();
                all.methods = Some(match all.methods.take() {
                    Some(others) => others.into_iter().filter(|method| allowed.contains(method)).collect(),
                    None => allowed,
                });
            }
            if parameters["required_reviewers"].as_array().is_some_and(|list| !list.is_empty()) {
                all.others.push("required_reviewers".to_owned());
            }
        }
        "required_status_checks" => {
            all.up_to_date |= says("strict_required_status_checks_policy");
            for check in parameters["required_status_checks"].as_array().into_iter().flatten() {
                let Some(name) = check["context"].as_str() else { continue };
                all.checks.push(RequiredCheck { name: name.to_owned(), app: check["integration_id"].as_u64() });
            }
        }
        "required_deployments" => all.deployments.extend(texts("required_deployment_environments")),
        "required_signatures" => all.signatures = true,
        "required_linear_history" => all.linear = true,
        "merge_queue" => all.queue = true,
        "update" => all.locked |= !bypass,
        kind if HARMLESS.contains(&kind) => {}
        kind => all.others.push(kind.to_owned()),
    }
}

fn method(word: &str) -> Option<MergeMethod> {
    Some(match word {
        "merge" => MergeMethod::Merge,
        "squash" => MergeMethod::Squash,
        "rebase" => MergeMethod::Rebase,
        _ => return None,
    })
}

impl ClassicNode {
    /// Adds what classic protection asks.
    pub(super) fn add(self, all: &mut BranchRules) {
        all.reviews = all.reviews.max(self.required_approving_review_count.unwrap_or_default());
        all.code_owners |= self.requires_code_owner_reviews;
        all.conversations |= self.requires_conversation_resolution;
        all.linear |= self.requires_linear_history;
        all.signatures |= self.requires_signatures;
        let contexts = self.required_status_check_contexts.into_iter().flatten().flatten();
        all.checks.extend(contexts.map(|name| RequiredCheck { name, app: None }));
        let name = "the branch's protection rule".to_owned();
        all.sources.push(RuleSource { name, bypass: false, whole: false });
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn of_two_rulesets_the_stricter_holds() {
        let rule = |kind: &str, parameters: Value| Rule {
            kind: kind.to_owned(),
            ruleset_id: 1,
            ruleset_source: "acme/shop".to_owned(),
            parameters,
        };
        let reviews = |count: u64, methods: &[&str]| json!({ "required_approving_review_count": count, "allowed_merge_methods": methods });
        let mut all = BranchRules::default();
        add(&mut all, &rule("pull_request", reviews(2, &["merge", "squash"])), false);
        add(&mut all, &rule("pull_request", reviews(1, &["squash", "rebase"])), false);
        add(&mut all, &rule("deletion", Value::Null), false);
        add(&mut all, &rule("workflows", Value::Null), false);
        assert_eq!(
            (all.reviews, all.methods, all.others),
            (2, Some(vec![MergeMethod::Squash]), vec!["workflows".into()])
        );
        // Whoever is on the list of a rule that lets nobody else write is meant to.
        let mut locked = BranchRules::default();
        add(&mut locked, &rule("update", Value::Null), true);
        assert!(!locked.locked);
    }
}
