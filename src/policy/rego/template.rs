//! The Rego of a Gatekeeper ConstraintTemplate → one prepared engine that answers for one review at a time.

use regorus::Value;

use super::adapt::adapted;
use super::compile::engine;
use super::{EngineError, cut, detect, items, problem};
use crate::model::finding::{Finding, Location};
use crate::model::path::RepoPath;
use crate::policy::files::PolicyFile;

/// One module of a template.
pub(in crate::policy) struct Module<'a> {
    /// The file the template stands in.
    pub(in crate::policy) path: &'a RepoPath,
    /// The line before the text's first.
    pub(in crate::policy) line: u32,
    /// Its text.
    pub(in crate::policy) text: &'a str,
}

/// A template's Rego, ready to be asked.
#[derive(Clone)]
pub(in crate::policy) struct Judge {
    engine: regorus::Engine,
    rule: String,
    place: Location,
    /// Whether it looks at other objects.
    pub(in crate::policy) wants_inventory: bool,
}

/// Prepares a template's module and its libraries, or says what is wrong with them, each at its own line.
pub(in crate::policy) fn judge(modules: &[Module<'_>], v1: bool) -> Result<Judge, Vec<Finding>> {
    let Some(first) = modules.first() else { return Err(Vec::new()) };
    let mut engine = engine();
    engine.set_rego_v0(!v1);
    let mut problems = Vec::new();
    for (at, module) in modules.iter().enumerate() {
        let folder = module.path.parent();
        let file = PolicyFile { path: module.path.clone(), folder, text: module.text.into() };
        problems.extend(detect::divergences(&file).into_iter().map(|found| moved(found, module.line)));
        // Named by number, so that an error tells which of several texts in one file it is in.
        if let Err(error) = engine.add_policy(at.to_string(), adapted(module.text)) {
            let error = EngineError::new(&error);
            problems.push(refused("does not parse", &error, modules, first));
        }
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let package = engine.get_modules().first().map(|module| module.package.refr.span().text().to_owned());
    let judge = Judge {
        rule: format!("data.{}.violation", package.unwrap_or_default()),
        place: Location { path: first.path.clone(), line: first.line + 1, column: 0 },
        wants_inventory: modules.iter().any(|module| module.text.contains("inventory")),
        engine,
    };
    // What only shows when the modules are put together, such as a function that is not there.
    let mut asked = judge.clone();
    asked.engine.set_input(Value::new_object());
    match asked.engine.eval_query("true".to_owned(), false) {
        Ok(_) => Ok(judge),
        Err(error) => Err(vec![refused("cannot be prepared", &EngineError::new(&error), modules, first)]),
    }
}

fn refused(what: &str, error: &EngineError, modules: &[Module<'_>], first: &Module<'_>) -> Finding {
    let place = error.place.as_ref();
    let module = place.and_then(|(name, ..)| modules.get(name.parse::<usize>().ok()?)).unwrap_or(first);
    let line = module.line + place.map_or(1, |(_, line, _)| *line);
    let location = Location { path: module.path.clone(), line, column: 0 };
    let message = format!("the template's Rego {what}: {}", error.text);
    problem(Some(location), message, "Correct the line; `gator verify` may tell more.")
}

fn moved(mut finding: Finding, lines: u32) -> Finding {
    if let Some(location) = &mut finding.location {
        location.line += lines;
    }
    finding
}

/// Why there is no answer.
pub(in crate::policy) struct NoAnswer {
    /// In words.
    pub(in crate::policy) why: String,
    /// Whether it would only take as long again.
    pub(in crate::policy) timed_out: bool,
}

impl Judge {
    /// Where its text begins.
    pub(in crate::policy) fn place(&self) -> &Location {
        &self.place
    }

    /// Gives it the other objects.
    pub(in crate::policy) fn know(&mut self, inventory: &Value) -> Result<(), String> {
        let mut data = Value::new_object();
        if let Ok(map) = data.as_object_mut() {
            map.insert("inventory".into(), inventory.clone());
        }
        self.engine.add_data(data).map_err(|error| EngineError::new(&error).text)
    }

    /// The messages of what `input` violates.
    pub(in crate::policy) fn ask(&mut self, input: Value) -> Result<Vec<String>, NoAnswer> {
        self.engine.set_input(input);
        match self.engine.eval_rule(self.rule.clone()) {
            Ok(answers) => Ok(items(&answers).iter().map(message).collect()),
            Err(error) => {
                let error = EngineError::new(&error);
                Err(NoAnswer { why: error.text, timed_out: error.timed_out })
            }
        }
    }
}

fn message(answer: &Value) -> String {
    match answer["msg"].as_string() {
        Ok(text) => cut(text),
        Err(_) => cut(&answer.to_json_str().unwrap_or_default()),
    }
}
