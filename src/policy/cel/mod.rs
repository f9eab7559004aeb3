//! CEL as Kubernetes has it: the language of the crate `cel`, the functions the API server adds, and limits of our own.
//!
//! An evaluation that fails is an error with its reason, never a value: what it means is for whoever asked to say.

mod bounds;
mod library;
mod macros;
pub(in crate::policy) mod value;

use std::sync::{Arc, LazyLock};

use cel::common::ast::{Expr, IdedExpr};
use cel::common::types::CelString;
use cel::common::value::CowVal;
use cel::{Context, Env, Value};

use self::value::Held;

/// Longer expressions are refused: the longest of public policy libraries has 3,300 bytes, and the parser's own limits stand further out.
const MAX_BYTES: usize = 4 * 1024;
/// The parser goes down its stack for each term of a sum: 4 KiB of `1+1+…` took more than 8 MiB of it, and less than 64.
const PARSER_STACK: usize = 64 << 20;
/// What a hundred parts within parts take to evaluate, without optimisation.
const STACK: usize = 1 << 20;
/// Engines quote whole values in their errors; what follows the first lines helps nobody.
const MAX_ERROR_CHARS: usize = 300;

static ENV: LazyLock<Arc<Env>> = LazyLock::new(|| Arc::new(library::environment()));

/// One expression, ready to be evaluated.
#[derive(Debug, Clone)]
pub(in crate::policy) struct Expression {
    expr: Arc<IdedExpr>,
    /// As it was written.
    pub(in crate::policy) source: Arc<str>,
}

/// The variables an expression sees.
pub(in crate::policy) struct Scope<'p>(Context<'p, 'static>);

impl Scope<'_> {
    /// No variables.
    pub(in crate::policy) fn new() -> Self {
        Self(Context::with_env(Arc::clone(&ENV)))
    }

    /// Sets a variable.
    pub(in crate::policy) fn set(&mut self, name: &str, value: Held) {
        self.0.add_variable_as_val(name, value);
    }
}

impl Expression {
    /// Reads an expression, or says in one line why it cannot be.
    pub(in crate::policy) fn compile(source: &str) -> Result<Self, String> {
        if source.len() > MAX_BYTES {
            return Err(format!("it is longer than {MAX_BYTES} bytes"));
        }
        stacker::grow(PARSER_STACK, || {
            let mut expr = ENV.parser().parse(source).map_err(|errors| {
                let first = errors.errors.first().map(|error| error.msg.clone());
                brief(&first.unwrap_or_else(|| errors.to_string()))
            })?;
            bounds::apply(&mut expr)?;
            Ok(Self { expr: Arc::new(expr), source: source.into() })
        })
    }

    /// Its value, or in one line why there is none.
    pub(in crate::policy) fn evaluate(&self, scope: &Scope<'_>) -> Result<Held, String> {
        bounds::start();
        stacker::maybe_grow(STACK, 8 * STACK, || {
            let value = Value::resolve_val(&self.expr, &scope.0).map_err(|error| brief(&error.to_string()))?;
            Ok(value.into_owned())
        })
    }

    /// Whether it reads a variable.
    pub(in crate::policy) fn reads(&self, variable: &str) -> bool {
        let mut reads = false;
        bounds::each(&self.expr, &mut |expr| reads |= matches!(&expr.expr, Expr::Ident(name) if name == variable));
        reads
    }

    /// The fields of a variable it reads, such as `spec`, `replicas`, longest way first.
    pub(in crate::policy) fn fields_of(&self, variable: &str) -> Vec<Vec<String>> {
        let mut ways = Vec::new();
        bounds::each(&self.expr, &mut |expr| {
            if let Some(way) = way(expr, variable) {
                ways.push(way);
            }
        });
        ways.sort_by_key(|way| std::cmp::Reverse(way.len()));
        ways
    }
}

/// A value that a text becomes by one of CEL's own conversions, such as `timestamp`; nothing when the text is none.
pub(in crate::policy) fn converted(function: &str, text: &str) -> Option<Held> {
    let text = CowVal::owned(CelString::from(text.to_owned()));
    let function = ENV.find_overload(function, std::slice::from_ref(&text))?;
    function(vec![text]).ok().map(CowVal::into_owned)
}

/// The fields selected one after the other from `variable`.
fn way(expr: &IdedExpr, variable: &str) -> Option<Vec<String>> {
    let (mut fields, mut at) = (Vec::new(), expr);
    loop {
        match &at.expr {
            Expr::Select(select) => {
                fields.push(select.field.clone());
                at = &select.operand;
            }
            Expr::Call(call) if call.func_name == "_?._" && call.args.len() == 2 => {
                let Expr::Literal(cel::common::ast::LiteralValue::String(field)) = &call.args[1].expr else {
                    return None;
                };
                fields.push(field.inner().to_owned());
                at = &call.args[0];
            }
            Expr::Ident(name) if name == variable && !fields.is_empty() => {
                fields.reverse();
                return Some(fields);
            }
            _ => return None,
        }
    }
}

fn brief(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    line.chars().take(MAX_ERROR_CHARS).collect()
}

#[cfg(test)]
mod tests;
