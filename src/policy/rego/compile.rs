//! Policy files → one prepared engine, with every problem at its line.

use std::num::NonZeroU32;
use std::time::Duration;

use regorus::unstable::{Rule, RuleHead};
use regorus::utils::limits::ExecutionTimerConfig;
use serde_json::{Map, Value};

use super::adapt::adapted;
use super::{EngineError, detect, problem};
use crate::manifest::load;
use crate::model::finding::{Finding, Location};
use crate::model::path::RepoPath;
use crate::policy::admission::Admission;
use crate::policy::files::{PolicyFile, PolicyFiles};
use crate::policy::rules::from_problem;

/// One rule over one object; real ones take microseconds. What ignores the timer (some builtins) is the worker's to stop.
pub(super) const TIME_LIMIT: Duration = Duration::from_secs(1);
/// Steps between two looks at the clock: cheap, and still thousands of looks a second.
const CHECK_EVERY: u32 = 1_000;

/// Whether a policy's answer blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// `deny` and `violation`.
    Deny,
    /// `warn`.
    Warn,
}

/// One rule to ask, such as `data.main.deny`.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    /// The package without `data.`.
    pub(super) package: String,
    /// The rule's name.
    pub(super) name: String,
    pub(super) kind: Kind,
    /// The rule's first line.
    pub(super) location: Location,
}

/// Policies ready to be asked.
#[derive(Default)]
pub struct CompiledPolicies {
    pub(super) engine: Option<regorus::Engine>,
    pub(super) entries: Vec<Entry>,
    /// The packages that have an `exception` rule.
    pub(super) exceptions: Vec<String>,
    /// Whether any policy reads `data.trunkline`, which costs a copy of the environment.
    pub(super) wants_context: bool,
    /// Gatekeeper's and Kubernetes' own policies.
    pub(in crate::policy) admission: Admission,
    /// What is wrong with the policies themselves.
    pub problems: Vec<Finding>,
}

/// Prepares policies. A broken file is a problem and takes no other file with it, unless the others import it.
pub fn compile(files: &PolicyFiles) -> CompiledPolicies {
    let mut problems: Vec<Finding> = files.problems.iter().map(policy_problem).collect();
    let mut data = Map::new();
    let mut modules = Vec::new();
    for file in &files.files {
        if file.path.name().ends_with(".rego") {
            match parse(file) {
                Ok(v0) => modules.push((file, v0)),
                Err(problem) => problems.push(*problem),
            }
            problems.extend(detect::divergences(file));
        } else {
            problems.extend(add_data(&mut data, file));
        }
    }
    // Nothing to ask of a file whose answer would differ from OPA's in silence.
    modules.retain(|(file, _)| !problems.iter().any(|problem| at(problem) == Some(&file.path)));
    let wants_context = modules.iter().any(|(file, _)| file.text.contains("trunkline"));
    let admission = Admission::of_files(files, &mut problems);
    let mut compiled = CompiledPolicies { wants_context, admission, problems, ..CompiledPolicies::default() };
    // Each turn drops the file that preparation complains about, so this ends.
    while !modules.is_empty() {
        match prepare(&modules, &data) {
            Ok(mut engine) => {
                (compiled.entries, compiled.exceptions) = entries(&mut engine);
                compiled.engine = Some(engine);
                break;
            }
            Err(error) => {
                let location = error.location().unwrap_or_else(|| start(modules[0].0));
                let before = modules.len();
                modules.retain(|(file, _)| file.path != location.path);
                let stuck = modules.len() == before;
                compiled.problems.push(problem(
                    Some(location),
                    format!("the policy cannot be prepared: {}", error.text),
                    "Correct the policy; `conftest verify` or `opa check` may tell more.",
                ));
                if stuck {
                    break;
                }
            }
        }
    }
    compiled
}

fn at(problem: &Finding) -> Option<&RepoPath> {
    problem.location.as_ref().map(|location| &location.path)
}

fn start(file: &PolicyFile) -> Location {
    Location { path: file.path.clone(), line: 1, column: 0 }
}

pub(super) fn policy_problem(found: &crate::model::finding::Problem) -> Finding {
    from_problem(super::POLICY, found)
}

pub(super) fn engine() -> regorus::Engine {
    let mut engine = regorus::Engine::new();
    engine.set_strict_builtin_errors(true);
    // What policies print must not mix with our own output.
    engine.set_gather_prints(true);
    if let Some(check_interval) = NonZeroU32::new(CHECK_EVERY) {
        engine.set_execution_timer_config(ExecutionTimerConfig { limit: TIME_LIMIT, check_interval });
    }
    engine
}

/// Whether the file is v0 Rego; today's syntax is tried first.
pub(super) fn parse(file: &PolicyFile) -> Result<bool, Box<Finding>> {
    let try_as = |v0: bool| {
        let mut engine = engine();
        engine.set_rego_v0(v0);
        engine.add_policy(file.path.to_string(), adapted(&file.text)).map_err(|error| EngineError::new(&error))
    };
    let Err(v1) = try_as(false) else { return Ok(false) };
    let error = if detect::is_only_v1(&file.text) {
        v1
    } else {
        let Err(v0) = try_as(true) else { return Ok(true) };
        v0
    };
    let location = error.location().unwrap_or_else(|| start(file));
    let message = format!("the policy does not parse: {}", error.text);
    Err(Box::new(problem(Some(location), message, "Correct the line; `opa check` or `conftest verify` may tell more.")))
}

pub(super) fn prepare(
    modules: &[(&PolicyFile, bool)],
    data: &Map<String, Value>,
) -> Result<regorus::Engine, EngineError> {
    let fail = |error| EngineError::new(&error);
    let mut engine = engine();
    for (file, v0) in modules {
        engine.set_rego_v0(*v0);
        engine.add_policy(file.path.to_string(), adapted(&file.text)).map_err(fail)?;
    }
    engine.set_rego_v0(false);
    engine.add_data(Value::Object(data.clone()).into()).map_err(fail)?;
    engine.set_input(regorus::Value::new_object());
    engine.eval_query("true".to_owned(), false).map_err(fail)?;
    Ok(engine)
}

fn entries(engine: &mut regorus::Engine) -> (Vec<Entry>, Vec<String>) {
    let (mut entries, mut exceptions): (Vec<Entry>, Vec<String>) = Default::default();
    for module in engine.get_modules().iter() {
        let package = module.package.refr.span().text().to_owned();
        for rule in &module.policy {
            let Rule::Spec { span, head, .. } = rule.as_ref() else { continue };
            let (RuleHead::Compr { refr, .. } | RuleHead::Set { refr, .. } | RuleHead::Func { refr, .. }) = head;
            if matches!(head, RuleHead::Func { .. }) {
                continue;
            }
            let text = refr.span().text();
            let name = text.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default().to_owned();
            if name == "exception" && !exceptions.contains(&package) {
                exceptions.push(package.clone());
            }
            let Some(kind) = kind(&name) else { continue };
            if entries.iter().any(|entry| entry.package == package && entry.name == name) {
                continue;
            }
            let Ok(path) = span.source.file().parse() else { continue };
            let location = Location { path, line: span.line, column: span.col };
            entries.push(Entry { package: package.clone(), name, kind, location });
        }
    }
    (entries, exceptions)
}

/// conftest's rule names: `deny`, `violation`, `warn`, and each with a suffix.
fn kind(name: &str) -> Option<Kind> {
    let is = |prefix: &str| name == prefix || name.strip_prefix(prefix).is_some_and(|rest| rest.starts_with('_'));
    if is("deny") || is("violation") {
        Some(Kind::Deny)
    } else if is("warn") {
        Some(Kind::Warn)
    } else {
        None
    }
}

/// The content of all data files, and what is wrong with them.
pub(super) fn read_data(files: &PolicyFiles) -> (Map<String, Value>, Vec<Finding>) {
    let mut data = Map::new();
    let files = files.files.iter().filter(|file| !file.path.name().ends_with(".rego"));
    let faults = files.filter_map(|file| add_data(&mut data, file)).collect();
    (data, faults)
}

/// A data file's content becomes part of `data`, below the names of the folders between the policy folder and it, as OPA has it.
fn add_data(data: &mut Map<String, Value>, file: &PolicyFile) -> Option<Finding> {
    let refuse = |message: &str, fix: &str| Some(problem(Some(start(file)), message.to_owned(), fix));
    let value = if file.path.name().ends_with(".json") {
        match serde_json::from_str::<Value>(&file.text) {
            Ok(value) => value,
            Err(error) => {
                let line = u32::try_from(error.line()).unwrap_or(1);
                let location = Location { path: file.path.clone(), line, column: 0 };
                return Some(problem(
                    Some(location),
                    format!("the data file is no JSON: {error}"),
                    "Correct the line.",
                ));
            }
        }
    } else {
        let loaded = load::load(&file.path, file.text.as_bytes());
        if let Some(found) = loaded.problems.first() {
            return Some(policy_problem(found));
        }
        match loaded.documents.as_slice() {
            [] => return None,
            // Constraint templates and other Kubernetes objects stand in policy folders too; they are no data.
            documents if documents.iter().any(|document| document.node.get("kind").is_some()) => return None,
            [one] => one.node.to_json(),
            _ => return refuse("a data file holds one document", "Split it into one file a document."),
        }
    };
    let Value::Object(mut value) = value else {
        return refuse("a data file holds a mapping at its top", "Put what it holds below a name.");
    };
    let between = file.path.parent();
    let between: Vec<&str> = between.parts().skip(file.folder.parts().count()).collect();
    for name in between.into_iter().rev() {
        value = Map::from_iter([(name.to_owned(), Value::Object(value))]);
    }
    match merge(data, value) {
        Ok(()) => None,
        Err(key) => {
            let message = format!("`{key}` is also defined by another data file");
            Some(problem(Some(start(file)), message, "Keep one of the two."))
        }
    }
}

fn merge(into: &mut Map<String, Value>, from: Map<String, Value>) -> Result<(), String> {
    for (key, value) in from {
        match (into.get_mut(&key), value) {
            (None, value) => {
                into.insert(key, value);
            }
            (Some(Value::Object(old)), Value::Object(new)) => {
                merge(old, new).map_err(|below| format!("{key}.{below}"))?
            }
            (Some(old), new) if *old == new => {}
            _ => return Err(key),
        }
    }
    Ok(())
}
