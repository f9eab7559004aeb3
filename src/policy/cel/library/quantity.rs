//! `quantity("1.5Gi")` and what can be asked of it.

use std::cmp::Ordering;

use cel::common::types::{CelBool, CelDouble, CelInt, CelString, Type};
use cel::{DeclarationError, Env, ExecutionError, add_member_overload, add_overload};

use super::{Known, Own, failed};

/// An amount in billionths, which is as fine as Kubernetes keeps it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Quantity(i128);

const NANO: i128 = 1_000_000_000;

static KIND: Type = Type::new_unspecified_type("kubernetes.Quantity");

impl Known for Quantity {
    fn kind() -> &'static Type {
        &KIND
    }
}

type Amount = Own<Quantity>;

pub(super) fn add(env: &mut Env) -> Result<(), DeclarationError> {
    add_overload!(env, fn quantity: (CelString) -> Result<Amount>)?;
    add_overload!(env, fn is_quantity: (CelString) -> CelBool)?;
    add_member_overload!(env, fn sign: (Amount) -> CelInt)?;
    add_member_overload!(env, fn is_integer: (Amount) -> CelBool)?;
    add_member_overload!(env, fn as_integer: (Amount) -> Result<CelInt>)?;
    add_member_overload!(env, fn as_approximate_float: (Amount) -> CelDouble)?;
    add_member_overload!(env, fn compare_to: (Amount, Amount) -> CelInt)?;
    add_member_overload!(env, fn is_greater_than: (Amount, Amount) -> CelBool)?;
    add_member_overload!(env, fn is_less_than: (Amount, Amount) -> CelBool)?;
    add_member_overload!(env, fn plus: (Amount, Amount) -> Result<Amount>, name = "add")?;
    add_member_overload!(env, fn plus_int: (Amount, CelInt) -> Result<Amount>, name = "add")?;
    add_member_overload!(env, fn minus: (Amount, Amount) -> Result<Amount>, name = "sub")?;
    add_member_overload!(env, fn minus_int: (Amount, CelInt) -> Result<Amount>, name = "sub")
}

fn quantity(text: &CelString<'_>) -> Result<Amount, ExecutionError> {
    parse(text.inner()).map(Own).ok_or_else(|| failed("quantity", "the text is no quantity"))
}

fn is_quantity(text: &CelString<'_>) -> CelBool {
    parse(text.inner()).is_some().into()
}

fn sign(amount: &Amount) -> CelInt {
    i64::try_from(amount.0.0.signum()).unwrap_or_default().into()
}

fn whole(amount: Quantity) -> Option<i64> {
    (amount.0 % NANO == 0).then(|| i64::try_from(amount.0 / NANO).ok())?
}

fn is_integer(amount: &Amount) -> CelBool {
    whole(amount.0).is_some().into()
}

fn as_integer(amount: &Amount) -> Result<CelInt, ExecutionError> {
    whole(amount.0).map(CelInt::from).ok_or_else(|| failed("asInteger", "the quantity is no whole number"))
}

fn as_approximate_float(amount: &Amount) -> CelDouble {
    (amount.0.0 as f64 / NANO as f64).into()
}

fn compare_to(a: &Amount, b: &Amount) -> CelInt {
    (a.0.cmp(&b.0) as i64).into()
}

fn is_greater_than(a: &Amount, b: &Amount) -> CelBool {
    (a.0.cmp(&b.0) == Ordering::Greater).into()
}

fn is_less_than(a: &Amount, b: &Amount) -> CelBool {
    (a.0.cmp(&b.0) == Ordering::Less).into()
}

fn sum(a: i128, b: Option<i128>) -> Result<Amount, ExecutionError> {
    let sum = b.and_then(|b| a.checked_add(b));
    sum.map(|sum| Own(Quantity(sum))).ok_or_else(|| failed("quantity", "the sum is too large"))
}

fn plus(a: &Amount, b: &Amount) -> Result<Amount, ExecutionError> {
    sum(a.0.0, Some(b.0.0))
}

fn plus_int(a: &Amount, b: &CelInt) -> Result<Amount, ExecutionError> {
    sum(a.0.0, i128::from(*b.inner()).checked_mul(NANO))
}

fn minus(a: &Amount, b: &Amount) -> Result<Amount, ExecutionError> {
    sum(a.0.0, b.0.0.checked_neg())
}

fn minus_int(a: &Amount, b: &CelInt) -> Result<Amount, ExecutionError> {
    sum(a.0.0, i128::from(*b.inner()).checked_mul(-NANO))
}

/// Digits with at most one point, then a suffix or an exponent. Finer than a billionth is rounded up, as Kubernetes does.
fn parse(text: &str) -> Option<Quantity> {
    let (negative, rest) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
    let (digits, suffix) = rest.split_at(end);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if fraction.contains('.') || (whole.is_empty() && fraction.is_empty()) {
        return None;
    }
    let mantissa: i128 = format!("{whole}{fraction}").parse().ok()?;
    let exponent = -i32::try_from(fraction.len()).ok()? + 9;
    let (base, power) = scale(suffix)?;
    let mut amount =
        if base == 2 { mantissa.checked_mul(1_i128.checked_shl(power.unsigned_abs())?)? } else { mantissa };
    let ten = exponent + if base == 10 { power } else { 0 };
    let factor = 10_i128.checked_pow(ten.unsigned_abs());
    amount = match (ten >= 0, factor) {
        (true, Some(factor)) => amount.checked_mul(factor)?,
        (true, None) => return (amount == 0).then_some(Quantity(0)),
        (false, Some(factor)) => amount / factor + i128::from(amount % factor != 0),
        (false, None) => i128::from(amount != 0),
    };
    Some(Quantity(if negative { -amount } else { amount }))
}

/// The base and the power a suffix stands for.
fn scale(suffix: &str) -> Option<(u32, i32)> {
    let decimal = ["n", "u", "m", "", "k", "M", "G", "T", "P", "E"];
    let binary = ["Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];
    let place = |list: &[&str]| list.iter().position(|known| *known == suffix).and_then(|at| i32::try_from(at).ok());
    if let Some(at) = place(&decimal) {
        return Some((10, (at - 3) * 3));
    }
    if let Some(at) = place(&binary) {
        return Some((2, (at + 1) * 10));
    }
    let power: i32 = suffix.strip_prefix(['e', 'E'])?.parse().ok()?;
    (-100..=100).contains(&power).then_some((10, power))
}
