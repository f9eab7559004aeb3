//! How much each rule matters in one environment: what the packs say, unless the configuration says otherwise.

use std::collections::HashMap;

use super::Class;
use super::rules::{Pack, Rule};
use crate::model::finding::Severity;
use crate::model::pipeline::Policies;

/// The severities of one environment.
pub struct Levels<'a> {
    packs: Vec<Pack>,
    class: Class,
    /// What the configuration says of single rules; `None`: off.
    said: HashMap<&'a str, Option<Severity>>,
}

impl<'a> Levels<'a> {
    /// What `policies` ask of this environment.
    pub fn of(policies: &'a Policies, environment: &str, class: Class) -> Self {
        let here =
            policies.severities.iter().filter(|one| one.environment.as_ref().is_none_or(|name| name == environment));
        Self {
            packs: policies.packs.iter().filter_map(|name| Pack::named(name)).collect(),
            class,
            said: here.map(|one| (one.rule.as_str(), one.severity)).collect(),
        }
    }

    /// How much a rule matters here; `None`: it is off.
    pub fn of_rule(&self, rule: &Rule) -> Option<Severity> {
        match self.said.get(rule.id) {
            Some(said) => *said,
            None => rule.severity(&self.packs, self.class),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::rules::all;
    use super::*;
    use crate::model::pipeline::RuleSeverity;

    #[test]
    fn the_configuration_beats_the_packs() {
        let said = |rule: &str, environment: Option<&str>, severity| RuleSeverity {
            rule: rule.into(),
            environment: environment.map(str::to_owned),
            severity,
        };
        let policies = Policies {
            packs: vec!["recommended".into()],
            severities: vec![
                said("WL-001", None, Some(Severity::Info)),
                said("WL-002", Some("prod"), None),
                said("KUST-002", Some("prod"), Some(Severity::Warning)),
            ],
            ..Policies::default()
        };
        let of = |environment: &str, rule: &str| {
            let rule = all().find(|one| one.id == rule).unwrap();
            Levels::of(&policies, environment, Class::Prod).of_rule(rule)
        };
        assert_eq!(of("prod", "WL-001"), Some(Severity::Info));
        assert_eq!(of("prod", "WL-002"), None);
        assert_eq!(of("live", "WL-002"), Some(Severity::Error));
        // An optional rule is off, unless it is named or its pack is chosen.
        assert_eq!((of("prod", "KUST-002"), of("live", "KUST-002")), (Some(Severity::Warning), None));
    }
}
