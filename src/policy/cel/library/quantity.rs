//! `quantity("1.5Gi")` and what can be asked of it.

use std::cmp::Ordering;

use cel::common::types::{CelBool, CelDouble, CelInt, CelString, Type};
use cel::{DeclarationError, Env, ExecutionError, add_member_overload, add_overload};

use super::{Known, Own, failed};
use crate::manifest::quantity::{BILLION, billionths};

/// An amount in billionths, which is as fine as Kubernetes keeps it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Quantity(i128);

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
    billionths(text.inner())
        .map(|amount| Own(Quantity(amount)))
        .ok_or_else(|| failed("quantity", "the text is no quantity"))
}

fn is_quantity(text: &CelString<'_>) -> CelBool {
    billionths(text.inner()).is_some().into()
}

fn sign(amount: &Amount) -> CelInt {
    i64::try_from(amount.0.0.signum()).unwrap_or_default().into()
}

fn whole(amount: Quantity) -> Option<i64> {
    (amount.0 % BILLION == 0).then(|| i64::try_from(amount.0 / BILLION).ok())?
}

fn is_integer(amount: &Amount) -> CelBool {
    whole(amount.0).is_some().into()
}

fn as_integer(amount: &Amount) -> Result<CelInt, ExecutionError> {
    whole(amount.0).map(CelInt::from).ok_or_else(|| failed("asInteger", "the quantity is no whole number"))
}

fn as_approximate_float(amount: &Amount) -> CelDouble {
    (amount.0.0 as f64 / BILLION as f64).into()
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
    sum(a.0.0, i128::from(*b.inner()).checked_mul(BILLION))
}

fn minus(a: &Amount, b: &Amount) -> Result<Amount, ExecutionError> {
    sum(a.0.0, b.0.0.checked_neg())
}

fn minus_int(a: &Amount, b: &CelInt) -> Result<Amount, ExecutionError> {
    sum(a.0.0, i128::from(*b.inner()).checked_mul(-BILLION))
}
