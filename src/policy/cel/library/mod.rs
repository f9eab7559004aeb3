//! The functions Kubernetes adds to CEL, over those of the crate.

mod format;
mod ip;
mod lists;
mod quantity;
mod regex;
mod semver;
mod url;

use std::any::Any;
use std::fmt::Debug;

use cel::common::types::{DYN_TYPE, Type};
use cel::common::value::{StaticVal, Val};
use cel::{DeclarationError, Env, ExecutionError, extensions};

use super::{bounds, macros};

/// An environment as an expression of Kubernetes expects it.
pub(super) fn environment() -> Env {
    let mut env = Env::stdlib();
    // Fails for a name that is taken twice; a test calls a function of every library.
    let added: Result<(), DeclarationError> = [
        extensions::strings,
        extensions::lists,
        extensions::math,
        extensions::encoders,
        own,
        format::add,
        ip::add,
        lists::add,
        quantity::add,
        regex::add,
        semver::add,
        url::add,
        macros::add,
    ]
    .into_iter()
    .try_for_each(|add: fn(&mut Env) -> Result<(), DeclarationError>| add(&mut env));
    debug_assert_eq!(added, Ok(()), "two libraries declare one name");
    env
}

fn own(env: &mut Env) -> Result<(), DeclarationError> {
    env.add_overload(bounds::COUNTED, bounds::COUNTED, vec![DYN_TYPE], bounds::counted)
}

/// What a library's own values are called in CEL, and what it takes to be one.
trait Known: Debug + Clone + PartialEq + Send + Sync + 'static {
    fn kind() -> &'static Type;
}

/// A library's own value.
#[derive(Debug, Clone, PartialEq)]
struct Own<T>(T);

impl<T: Known> Val for Own<T> {
    fn get_type(&self) -> &Type {
        T::kind()
    }

    fn cel_type() -> &'static Type {
        T::kind()
    }

    fn equals(&self, other: &dyn Val) -> bool {
        other.downcast_ref::<Own<T>>().is_some_and(|other| self.0 == other.0)
    }

    fn clone_as_boxed<'v>(&self) -> Box<dyn Val + 'v> {
        Box::new(self.clone())
    }

    fn as_any(&self) -> Option<&dyn Any> {
        Some(self)
    }
}

impl<T: Known> StaticVal for Own<T> {}

fn failed(function: &str, why: impl ToString) -> ExecutionError {
    ExecutionError::function_error(function, why)
}
