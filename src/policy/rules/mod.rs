//! The rule pack: one file a rule, and this one list.
//!
//! A rule is a plain function over a [`World`]; its severities, texts and examples stand beside it. The examples are its tests and, with
//! the texts, its page in `policies/README.md`.

use crate::manifest::node::Key;
use crate::manifest::{Node, Object, Span};
use crate::model::finding::{Finding, Location, ObjectName, Problem, Severity};
use crate::model::suggestion::{Edit, Write};

use super::Class;
use super::world::World;

mod cat_001;
mod common;
mod data_001;
mod data_002;
mod flg_001;
mod flux_001;
mod flux_002;
mod flux_003;
mod flux_004;
mod flux_005;
mod flux_006;
mod flux_007;
mod flux_008;
mod flux_009;
mod flux_010;
mod flux_011;
mod flux_012;
mod helm_001;
mod hpa_001;
mod hpa_002;
mod img_001;
mod img_002;
mod img_003;
mod img_004;
mod img_005;
mod ing_001;
mod ing_002;
mod ing_003;
mod ing_004;
mod istio_001;
mod istio_002;
mod karp_001;
mod karp_002;
mod karp_003;
mod karp_004;
mod kust_001;
mod kust_002;
mod kust_003;
mod kust_004;
mod kust_005;
mod np_001;
mod np_002;
mod np_003;
mod obs_001;
mod prom_001;
mod rbac_001;
mod ref_001;
mod ref_002;
mod sch_001;
mod sch_002;
mod sch_003;
mod sch_004;
mod sch_005;
mod sch_006;
mod sch_007;
mod sch_008;
mod score_001;
mod sec_001;
mod sec_002;
mod sec_003;
mod sec_004;
mod sh_001;
mod tf_001;
mod vpa_001;
mod wl_001;
mod wl_002;
mod wl_003;
mod wl_004;
mod wl_005;
mod wl_006;
mod wl_007;
mod xp_001;

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
    /// How much this one can matter, where that is less than the rule: some ways to break a rule are graver than others.
    pub most: Severity,
    /// What mends it, where that is certain.
    pub edit: Option<Edit>,
}

impl Hit {
    fn new(object: &Object, at: &Node, message: String) -> Self {
        Self { object: Some(object.name()), ..Self::in_file(at.span.location(), message) }
    }

    /// At a key, or at the last one on the way to it: a mapping itself stands where its first key does, which is another line.
    fn at_key(object: &Object, path: &[&str], message: String) -> Self {
        let at = object.node.place_of(path).location();
        Self { object: Some(object.name()), ..Self::in_file(at, message) }
    }

    /// At a place that belongs to no object.
    fn in_file(at: Location, message: String) -> Self {
        Self { object: None, message, at, most: Severity::Error, edit: None }
    }

    /// At an object as a whole: at its name.
    fn on(object: &Object, message: String) -> Self {
        Self::at_key(object, &["metadata", "name"], message)
    }

    /// The same, mattering no more than `most`.
    fn at_most(self, most: Severity) -> Self {
        Self { most, ..self }
    }
}

const I: Option<Severity> = Some(Severity::Info);
const W: Option<Severity> = Some(Severity::Warning);
const E: Option<Severity> = Some(Severity::Error);

/// The rules of the core, in the order of their page.
pub const RULES: &[&Rule] = &[
    &kust_001::RULE,
    &kust_003::RULE,
    &kust_004::RULE,
    &kust_005::RULE,
    &helm_001::RULE,
    &flux_001::RULE,
    &flux_002::RULE,
    &flux_003::RULE,
    &flux_004::RULE,
    &flux_005::RULE,
    &flux_006::RULE,
    &flux_007::RULE,
    &flux_008::RULE,
    &flux_009::RULE,
    &flux_012::RULE,
    &img_001::RULE,
    &img_002::RULE,
    &img_003::RULE,
    &img_004::RULE,
    &img_005::RULE,
    &prom_001::RULE,
    &wl_001::RULE,
    &wl_002::RULE,
    &wl_003::RULE,
    &wl_004::RULE,
    &wl_005::RULE,
    &wl_006::RULE,
    &wl_007::RULE,
    &ref_001::RULE,
    &ref_002::RULE,
    &hpa_001::RULE,
    &hpa_002::RULE,
    &vpa_001::RULE,
    &karp_001::RULE,
    &karp_002::RULE,
    &karp_004::RULE,
    &np_001::RULE,
    &np_002::RULE,
    &np_003::RULE,
    &ing_001::RULE,
    &ing_002::RULE,
    &ing_003::RULE,
    &ing_004::RULE,
    &istio_001::RULE,
    &istio_002::RULE,
    &sch_001::RULE,
    &sch_002::RULE,
    &sch_003::RULE,
    &sch_004::RULE,
    &sch_005::RULE,
    &sch_006::RULE,
    &sch_007::RULE,
    &sch_008::RULE,
    &sec_001::RULE,
    &sec_002::RULE,
    &sec_003::RULE,
    &rbac_001::RULE,
    &data_001::RULE,
    &data_002::RULE,
    &sh_001::RULE,
    &xp_001::RULE,
    &tf_001::RULE,
    &flg_001::RULE,
    &obs_001::RULE,
    &score_001::RULE,
];

/// The rules that are off unless somebody asks for them: the pack `optional`, or one by one.
pub const OPTIONAL: &[&Rule] =
    &[&kust_002::RULE, &flux_010::RULE, &flux_011::RULE, &karp_003::RULE, &sec_004::RULE, &cat_001::RULE];

/// Every rule there is, the optional ones last.
pub fn all() -> impl Iterator<Item = &'static Rule> {
    RULES.iter().chain(OPTIONAL).copied()
}

impl Rule {
    /// How much the rule matters under `packs`: the most any of them asks; `None`: it is off.
    pub fn severity(&self, packs: &[Pack], class: Class) -> Option<Severity> {
        packs.iter().filter_map(|pack| self.severity_in(*pack, class)).max()
    }

    fn severity_in(&self, pack: Pack, class: Class) -> Option<Severity> {
        let of = |class| self.severities[class as usize];
        if OPTIONAL.iter().any(|rule| rule.id == self.id) != (pack == Pack::Optional) {
            return None;
        }
        match (pack, class) {
            (Pack::Optional, class) => of(class),
            (Pack::Minimal, _) => of(class).filter(|_| self.severities == [E; 3]),
            (Pack::Strict, Class::Stage) => of(Class::Prod),
            (Pack::Recommended | Pack::Strict, class) => of(class),
        }
    }

    /// The finding a hit of this rule is.
    pub fn finding(&self, severity: Severity, hit: Hit) -> Finding {
        Finding {
            object: hit.object,
            why: self.why.to_owned(),
            fix: self.fix.to_owned(),
            location: Some(hit.at),
            edit: hit.edit,
            ..Finding::new(self.id, severity.min(hit.most), hit.message)
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
    /// The rules that not everybody wants.
    Optional,
}

impl Pack {
    /// The pack of this name; the configuration offers no others.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "minimal" => Some(Pack::Minimal),
            "recommended" => Some(Pack::Recommended),
            "strict" => Some(Pack::Strict),
            "optional" => Some(Pack::Optional),
            _ => None,
        }
    }
}

/// The finding an author's problem is: with its own text, place and help.
pub fn from_problem(rule: &str, problem: &Problem) -> Finding {
    Finding {
        fix: problem.help.clone().unwrap_or_default(),
        location: problem.location.clone(),
        ..Finding::new(rule, Severity::Error, problem.message.as_str())
    }
}

/// What the schemas say under one rule.
fn told_by_schemas(world: &World, rule: &str) -> Vec<Hit> {
    let told = world.faults().iter().filter(|(_, fault)| fault.rule == rule);
    told.map(|(object, fault)| Hit {
        object: Some(object.name()),
        edit: fault.edit.clone(),
        ..Hit::in_file(fault.at.location(), fault.message.clone())
    })
    .collect()
}

/// An edit at a place.
pub(super) fn edit_at(at: &Span, write: Write) -> Edit {
    let (path, line, column, start, end) = ((*at.file).clone(), at.line, at.column, at.start, at.end);
    Edit { path, line, column, start, end, write }
}

/// Another key.
fn instead(key: &Key, new: &str) -> Edit {
    edit_at(&key.span, Write::Key { was: key.text.to_string(), new: new.to_owned() })
}

/// A few names in a sentence: `a, b and c`.
fn and(names: &[&str]) -> String {
    match names {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

/// What stood there before the examples of a rule about a change.
#[cfg(test)]
pub(super) fn before(id: &str) -> Option<&'static str> {
    match id {
        "DATA-002" => Some(data_002::BEFORE),
        "SH-001" => Some(sh_001::BEFORE),
        _ => None,
    }
}

#[cfg(test)]
mod silence_tests;
#[cfg(test)]
mod tests;
