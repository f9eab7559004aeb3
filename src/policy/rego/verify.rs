//! A policy's own tests: rules named `test_…`, as `opa test` and `conftest verify` run them, in the engine that will ask the policy.

use regorus::Value;
use regorus::unstable::{Rule, RuleHead};

use super::EngineError;
use super::compile::{parse, policy_problem, prepare, read_data};
use super::detect;
use crate::model::finding::{Finding, Location};
use crate::policy::files::{PolicyFile, PolicyFiles};

/// What a failing test printed, for its author; more is no help.
const MAX_PRINTS: usize = 20;
/// A test with this start is for later.
const TODO: &str = "todo_";

/// How one test ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The rule is true.
    Passed,
    /// It is false, undefined, or something else; with what it printed.
    Failed(Vec<String>),
    /// It could not be evaluated, and why.
    Broken(String),
    /// Its name begins with `todo_`.
    Skipped,
}

/// One test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Test {
    /// Package and rule.
    pub name: String,
    /// Where it is written.
    pub location: Location,
    /// How it ended.
    pub outcome: Outcome,
}

/// What the tests say.
#[derive(Debug, Default)]
pub struct Verified {
    /// Every test, in the order of files and lines.
    pub tests: Vec<Test>,
    /// What keeps policies or tests from being read; while there are any, no test is run.
    pub problems: Vec<Finding>,
}

/// Runs all tests in `files`, which hold the policies, their data and their tests.
pub fn verify(files: &PolicyFiles) -> Verified {
    let mut problems: Vec<Finding> = files.problems.iter().map(policy_problem).collect();
    let (data, faults) = read_data(files);
    problems.extend(faults);
    let mut modules = Vec::new();
    for file in files.files.iter().filter(|file| file.path.name().ends_with(".rego")) {
        match parse(file) {
            Ok(v0) => modules.push((file, v0)),
            Err(problem) => problems.push(*problem),
        }
        problems.extend(detect::divergences(file));
    }
    if !problems.is_empty() {
        return Verified { tests: Vec::new(), problems };
    }
    let prepared = prepare(&modules, &data).and_then(|mut engine| {
        let found = named(&mut engine);
        let apart: Vec<(PolicyFile, bool)> = modules.iter().map(|(file, v0)| (told_apart(file, &found), *v0)).collect();
        let apart: Vec<(&PolicyFile, bool)> = apart.iter().map(|(file, v0)| (file, *v0)).collect();
        prepare(&apart, &data)
    });
    match prepared {
        Ok(mut engine) => Verified { tests: run(&mut engine), problems },
        Err(error) => {
            let message = format!("the policies cannot be prepared: {}", error.text);
            let problem = super::problem(error.location(), message, "Correct the line; `opa check` may tell more.");
            Verified { tests: Vec::new(), problems: vec![problem] }
        }
    }
}

/// What stands between the name of a test and its number where several have one name.
const AGAIN: &str = "__again_";

/// The file with a name of its own for every test: one of two of a name being true would do for both.
fn told_apart(file: &PolicyFile, found: &[(String, String, Location)]) -> PolicyFile {
    let mut lines: Vec<String> = file.text.split('\n').map(str::to_owned).collect();
    for (at, (package, rule, location)) in
        found.iter().enumerate().filter(|(_, (.., location))| location.path == file.path)
    {
        let number = found[..at].iter().filter(|(other, name, _)| (other, name) == (package, rule)).count() + 1;
        let line = usize::try_from(location.line).ok().and_then(|line| lines.get_mut(line.checked_sub(1)?));
        // A test begins its line in every library we know; one that does not stays as it is, and its first namesake speaks for both.
        if let Some(line) = line.filter(|line| number > 1 && line.starts_with(rule.as_str())) {
            line.insert_str(rule.len(), &format!("{AGAIN}{number}"));
        }
    }
    PolicyFile { text: lines.join("\n").into(), ..file.clone() }
}

fn run(engine: &mut regorus::Engine) -> Vec<Test> {
    let ask = |(package, rule, location): (String, String, Location)| {
        let name = format!("{package}.{rule}");
        let outcome = if rule.starts_with(TODO) { Outcome::Skipped } else { ask(&mut engine.clone(), &name) };
        Test { name: name.replace(AGAIN, "#"), location, outcome }
    };
    named(&mut engine.clone()).into_iter().map(ask).collect()
}

fn ask(engine: &mut regorus::Engine, name: &str) -> Outcome {
    engine.set_input(Value::Undefined);
    match engine.eval_rule(format!("data.{name}")) {
        Ok(Value::Bool(true)) => Outcome::Passed,
        Ok(_) => {
            let printed = engine.take_prints().unwrap_or_default();
            Outcome::Failed(printed.into_iter().take(MAX_PRINTS).collect())
        }
        Err(error) => Outcome::Broken(EngineError::new(&error).text),
    }
}

/// Package, name and place of every test.
fn named(engine: &mut regorus::Engine) -> Vec<(String, String, Location)> {
    let mut found = Vec::new();
    for module in engine.get_modules().iter() {
        let package = module.package.refr.span().text().to_owned();
        for rule in &module.policy {
            let Rule::Spec { span, head: RuleHead::Compr { refr, .. } | RuleHead::Set { refr, .. }, .. } =
                rule.as_ref()
            else {
                continue;
            };
            let name = refr.span().text().to_owned();
            let is_test = name.strip_prefix(TODO).unwrap_or(&name).starts_with("test_");
            let Some(path) = span.source.file().parse().ok().filter(|_| is_test) else { continue };
            found.push((package.clone(), name, Location { path, line: span.line, column: span.col }));
        }
    }
    found.sort_by(|a, b| a.2.cmp(&b.2));
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::path::RepoPath;

    fn told(files: &[(&str, &str)]) -> String {
        let folder: RepoPath = "policies".parse().unwrap();
        let file = |(path, text): &(&str, &str)| PolicyFile {
            path: folder.join(path).unwrap(),
            folder: folder.clone(),
            text: (*text).into(),
        };
        let files = PolicyFiles { files: files.iter().map(file).collect(), problems: Vec::new() };
        let Verified { tests, problems } = verify(&files);
        let tests = tests.iter().map(|test| format!("{} {}: {:?}\n", test.location, test.name, test.outcome));
        let problems = problems.iter().map(|one| format!("{}: {}\n", one.location.as_ref().unwrap(), one.message));
        tests.chain(problems).collect()
    }

    #[test]
    fn tests_of_today_and_yesterday_run_and_say_where_they_stand() {
        let v1 = "package main\nimport rego.v1\n\ndeny contains \"no owner\" if not input.metadata.labels.owner\nhigh if input.replicas > data.limits.most\n";
        let v1_test = "package main\nimport rego.v1\n\ntest_owner_is_asked_for if {\n  \"no owner\" in deny with input as {\"kind\": \"Service\"}\n}\n\ntest_owner_is_enough if count(deny) == 0 with input as {\"metadata\": {\"labels\": {\"owner\": \"a\"}}}\n\ntest_fails if {\n  print(\"found\", deny)\n  count(deny) == 7 with input as {}\n}\n\ntest_data if high with input as {\"replicas\": 4}\ntest_other_data if not high with input as {\"replicas\": 4} with data.limits.most as 9\n\ntodo_test_later if false\n\ntest_number := 7\n";
        let v0_test = "package old\n\ntest_v0 {\n  count({1, 2}) == 2\n}\n\ntest_twice { true }\ntest_twice { false }\n\ntest_error { to_number(\"x\") == 1 }\n";
        insta::assert_snapshot!(told(&[
            ("main.rego", v1),
            ("main_test.rego", v1_test),
            ("limits/data.yaml", "most: 3\n"),
            ("old_test.rego", v0_test),
        ]), @r#"
        policies/main_test.rego:4:1 main.test_owner_is_asked_for: Passed
        policies/main_test.rego:8:1 main.test_owner_is_enough: Passed
        policies/main_test.rego:10:1 main.test_fails: Failed(["policies/main_test.rego:11: found {\"no owner\"}"])
        policies/main_test.rego:15:1 main.test_data: Passed
        policies/main_test.rego:16:1 main.test_other_data: Passed
        policies/main_test.rego:18:1 main.todo_test_later: Skipped
        policies/main_test.rego:20:1 main.test_number: Failed([])
        policies/old_test.rego:3:1 old.test_v0: Passed
        policies/old_test.rego:7:1 old.test_twice: Passed
        policies/old_test.rego:8:1 old.test_twice#2: Failed([])
        policies/old_test.rego:10:1 old.test_error: Broken("could not parse string as number")
        "#);
    }

    #[test]
    fn nothing_passes_beside_a_policy_that_does_not_parse() {
        let broken = "package main\n\ndeny contains msg if {\n";
        insta::assert_snapshot!(told(&[("a.rego", broken), ("a_test.rego", "package main\n\ntest_a if true\n")]), @"policies/a.rego:4:1: the policy does not parse: expecting expression");
        let clock = "package main\n\ntest_a if time.now_ns() > 0\n";
        insta::assert_snapshot!(told(&[("a_test.rego", clock)]), @"policies/a_test.rego:3: the policy calls `time.now_ns`, whose answer changes from run to run");
    }
}
