//! `semver("1.2.3-rc.1")` and what can be asked of it.

use cel::common::types::{CelBool, CelInt, CelString, Type};
use cel::{DeclarationError, Env, ExecutionError, add_member_overload, add_overload};
use semver::Version;

use super::{Known, Own, failed};

static KIND: Type = Type::new_unspecified_type("kubernetes.Semver");

impl Known for Version {
    fn kind() -> &'static Type {
        &KIND
    }
}

type Semver = Own<Version>;

pub(super) fn add(env: &mut Env) -> Result<(), DeclarationError> {
    add_overload!(env, fn semver_strict: (CelString) -> Result<Semver>, name = "semver")?;
    add_overload!(env, fn semver_lenient: (CelString, CelBool) -> Result<Semver>, name = "semver")?;
    add_overload!(env, fn is_semver: (CelString) -> CelBool)?;
    add_overload!(env, fn is_semver_lenient: (CelString, CelBool) -> CelBool, name = "isSemver")?;
    add_member_overload!(env, fn major: (Semver) -> CelInt)?;
    add_member_overload!(env, fn minor: (Semver) -> CelInt)?;
    add_member_overload!(env, fn patch: (Semver) -> CelInt)?;
    add_member_overload!(env, fn compare_to: (Semver, Semver) -> CelInt)?;
    add_member_overload!(env, fn is_greater_than: (Semver, Semver) -> CelBool)?;
    add_member_overload!(env, fn is_less_than: (Semver, Semver) -> CelBool)
}

fn parse(text: &str, normalize: bool) -> Option<Version> {
    if !normalize {
        return Version::parse(text).ok();
    }
    // A `v` in front, missing parts, and zeros in front of numbers are forgiven.
    let text = text.strip_prefix('v').unwrap_or(text);
    let end = text.find(['-', '+']).unwrap_or(text.len());
    let (core, rest) = text.split_at(end);
    let mut parts: Vec<&str> = core.split('.').collect();
    while parts.len() < 3 {
        parts.push("0");
    }
    let plain = |part: &&str| match part.trim_start_matches('0') {
        "" if !part.is_empty() => "0".to_owned(),
        rest => rest.to_owned(),
    };
    let parts: Vec<String> = parts.iter().map(plain).collect();
    Version::parse(&format!("{}{rest}", parts.join("."))).ok()
}

fn made(text: &CelString<'_>, normalize: bool) -> Result<Semver, ExecutionError> {
    parse(text.inner(), normalize).map(Own).ok_or_else(|| failed("semver", "the text is no semantic version"))
}

fn semver_strict(text: &CelString<'_>) -> Result<Semver, ExecutionError> {
    made(text, false)
}

fn semver_lenient(text: &CelString<'_>, normalize: &CelBool) -> Result<Semver, ExecutionError> {
    made(text, *normalize.inner())
}

fn is_semver(text: &CelString<'_>) -> CelBool {
    parse(text.inner(), false).is_some().into()
}

fn is_semver_lenient(text: &CelString<'_>, normalize: &CelBool) -> CelBool {
    parse(text.inner(), *normalize.inner()).is_some().into()
}

fn int(number: u64) -> CelInt {
    i64::try_from(number).unwrap_or(i64::MAX).into()
}

fn major(version: &Semver) -> CelInt {
    int(version.0.major)
}

fn minor(version: &Semver) -> CelInt {
    int(version.0.minor)
}

fn patch(version: &Semver) -> CelInt {
    int(version.0.patch)
}

fn compare_to(a: &Semver, b: &Semver) -> CelInt {
    (a.0.cmp_precedence(&b.0) as i64).into()
}

fn is_greater_than(a: &Semver, b: &Semver) -> CelBool {
    a.0.cmp_precedence(&b.0).is_gt().into()
}

fn is_less_than(a: &Semver, b: &Semver) -> CelBool {
    a.0.cmp_precedence(&b.0).is_lt().into()
}
