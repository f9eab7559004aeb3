//! The rule pack: one file a rule, and this one list.
//!
//! A rule is a plain function over a [`World`]; its severities, texts and examples stand beside it. The examples are its tests and, with
//! the texts, its page in `policies/README.md`.

use crate::manifest::{Node, Object};
use crate::model::finding::{Delta, Finding, Location, ObjectName, Problem, Severity};

use super::Class;
use super::world::World;

mod flux_002;
mod flux_003;
mod hpa_001;
mod hpa_002;
mod img_001;
mod img_004;
mod ing_002;
mod kust_001;
mod kust_004;
mod kust_005;
mod np_002;
mod ref_001;
mod sch_001;
mod sch_002;
mod sch_003;
mod sch_004;
mod sch_005;
mod sch_006;
mod sch_007;
mod sec_001;
mod sec_002;
mod wl_001;
mod wl_002;
mod wl_004;
mod wl_006;

pub use kust_001::{KUST_001, from_render_problem};
pub(super) use sec_002::{is_named_credential, scrub_patterns};

/// One rule of the pack.
pub struct Rule {
    /// Its stable id.
    pub id: &'static str,
    /// What it asks for, as a sentence.
    pub title: &'static str,
    /// How much it matters in dev, stage and prod; `None`: not at all.
    pub severities: [Option<Severity>; 3],
    /// Why it matters.
    pub why: &'static str,
    /// How to satisfy it.
    pub fix: &'static str,
    /// An environment that satisfies it: files, each after a line `# file: path`, the environment in the first one's folder.
    pub good: &'static str,
    /// An environment that breaks it.
    pub bad: &'static str,
    /// The rule itself.
    pub check: fn(&World) -> Vec<Hit>,
}

/// A place where a rule is broken.
pub struct Hit {
    /// The object, when it is about one.
    pub object: Option<ObjectName>,
    /// What is wrong, naming the thing.
    pub message: String,
    /// The line a person must change.
    pub at: Location,
}

impl Hit {
    fn new(object: &Object, at: &Node, message: String) -> Self {
        Self { object: Some(object.name()), message, at: at.span.location() }
    }

    /// At a key, or at the last one on the way to it: a mapping itself stands where its first key does, which is another line.
    fn at_key(object: &Object, path: &[&str], message: String) -> Self {
        let (mut node, mut at) = (&object.node, &object.node.span);
        for part in path {
            let Some((key, value)) = node.as_map().and_then(|map| Some((map.key(part)?, map.get(part)?))) else {
                break;
            };
            (node, at) = (value, &key.span);
        }
        Self { object: Some(object.name()), message, at: at.location() }
    }
}

const I: Option<Severity> = Some(Severity::Info);
const W: Option<Severity> = Some(Severity::Warning);
const E: Option<Severity> = Some(Severity::Error);

/// Every rule, in the order of its page.
pub const RULES: &[&Rule] = &[
    &kust_001::RULE,
    &kust_004::RULE,
    &kust_005::RULE,
    &flux_002::RULE,
    &flux_003::RULE,
    &img_001::RULE,
    &img_004::RULE,
    &wl_001::RULE,
    &wl_002::RULE,
    &wl_004::RULE,
    &wl_006::RULE,
    &ref_001::RULE,
    &hpa_001::RULE,
    &hpa_002::RULE,
    &np_002::RULE,
    &ing_002::RULE,
    &sch_001::RULE,
    &sch_002::RULE,
    &sch_003::RULE,
    &sch_004::RULE,
    &sch_005::RULE,
    &sch_006::RULE,
    &sch_007::RULE,
    &sec_001::RULE,
    &sec_002::RULE,
];

impl Rule {
    /// How much the rule matters under `packs`: the most any of them asks; `None`: it is off.
    pub fn severity(&self, packs: &[Pack], class: Class) -> Option<Severity> {
        packs.iter().filter_map(|pack| self.severity_in(*pack, class)).max()
    }

    fn severity_in(&self, pack: Pack, class: Class) -> Option<Severity> {
        let of = |class| self.severities[class as usize];
        match (pack, class) {
            (Pack::Minimal, _) => of(class).filter(|_| self.severities == [E; 3]),
            (Pack::Strict, Class::Stage) => of(Class::Prod),
            (Pack::Recommended | Pack::Strict, class) => of(class),
        }
    }

    /// The finding a hit of this rule is.
    pub fn finding(&self, severity: Severity, hit: Hit) -> Finding {
        Finding {
            rule: self.id.to_owned(),
            severity,
            object: hit.object,
            message: hit.message,
            why: self.why.to_owned(),
            fix: self.fix.to_owned(),
            location: Some(hit.at),
            delta: Delta::New,
            accepted: None,
        }
    }
}

/// A selection of rules under one name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pack {
    /// Only what is wrong everywhere.
    Minimal,
    /// The table.
    Recommended,
    /// The table, with stage as grave as prod.
    Strict,
}

impl Pack {
    /// The pack of this name; the configuration offers no others.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "minimal" => Some(Pack::Minimal),
            "recommended" => Some(Pack::Recommended),
            "strict" => Some(Pack::Strict),
            _ => None,
        }
    }
}

/// The finding an author's problem is: with its own text, place and help.
pub fn from_problem(rule: &str, problem: &Problem) -> Finding {
    Finding {
        rule: rule.to_owned(),
        severity: Severity::Error,
        object: None,
        message: problem.message.clone(),
        why: String::new(),
        fix: problem.help.clone().unwrap_or_default(),
        location: problem.location.clone(),
        delta: Delta::New,
        accepted: None,
    }
}

/// What the schemas say under one rule.
fn told_by_schemas(world: &World, rule: &str) -> Vec<Hit> {
    let told = world.faults().iter().filter(|(_, fault)| fault.rule == rule);
    told.map(|(object, fault)| Hit {
        object: Some(object.name()),
        message: fault.message.clone(),
        at: fault.at.location(),
    })
    .collect()
}

/// A few names in a sentence: `a, b and c`.
fn and(names: &[&str]) -> String {
    match names {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

#[cfg(test)]
mod tests;
