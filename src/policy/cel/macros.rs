//! The macros Kubernetes has and the crate has not: `cel.bind`, and comprehensions with two variables.

use cel::common::ast::{CallExpr, ComprehensionExpr, Expr, IdedExpr, ListExpr, LiteralValue, operators};
use cel::parser::{Macro, MacroExprHelper, ParseError};
use cel::{DeclarationError, Env};

/// The function that makes `[[index, value], …]` of a list and `[[key, value], …]` of a mapping.
pub(super) const PAIRS: &str = "@pairs";
/// The function that makes a mapping of pairs.
pub(super) const MAPPING: &str = "@mapping";
/// What one pair is called while it is taken apart.
const PAIR: &str = "@pair";
/// What a comprehension has so far.
const RESULT: &str = "@result";

type Expanded = Result<Option<IdedExpr>, ParseError>;

/// Adds them.
pub(super) fn add(env: &mut Env) -> Result<(), DeclarationError> {
    env.add_macro(Macro::receiver("bind", 3, bind))?;
    for name in ["all", "exists", "existsOne", "exists_one"] {
        let one = if name == "existsOne" { "exists_one" } else { name };
        env.add_macro(Macro::receiver(name, 3, move |helper, target, args| over_pairs(helper, target, args, one)))?;
    }
    for count in [3, 4] {
        env.add_macro(Macro::receiver("transformList", count, |helper, target, args| {
            transform(helper, target, args, false)
        }))?;
        env.add_macro(Macro::receiver("transformMap", count, |helper, target, args| {
            transform(helper, target, args, true)
        }))?;
    }
    Ok(())
}

/// `cel.bind(name, value, result)`.
fn bind(helper: &mut MacroExprHelper<'_>, target: &mut Option<IdedExpr>, args: &mut Vec<IdedExpr>) -> Expanded {
    if !matches!(target.as_ref().map(|target| &target.expr), Some(Expr::Ident(name)) if name == "cel") {
        return Ok(None);
    }
    target.take();
    let (Some(result), Some(value), Some(name)) = (args.pop(), args.pop(), args.pop()) else { return Ok(None) };
    let name = ident(helper, name)?;
    Ok(Some(named(helper, name, value, result)))
}

/// `result`, with `name` standing for `value`.
fn named(helper: &mut MacroExprHelper<'_>, name: String, value: IdedExpr, result: IdedExpr) -> IdedExpr {
    let comprehension = ComprehensionExpr {
        iter_range: helper.next_expr(Expr::List(ListExpr::new(Vec::new()))),
        iter_var: "#unused".to_owned(),
        iter_var2: None,
        loop_cond: helper.next_expr(Expr::Literal(LiteralValue::Boolean(false.into()))),
        loop_step: helper.next_expr(Expr::Ident(name.clone())),
        accu_var: name,
        accu_init: value,
        result,
    };
    helper.next_expr(Expr::Comprehension(Box::new(comprehension)))
}

fn ident(helper: &MacroExprHelper<'_>, expr: IdedExpr) -> Result<String, ParseError> {
    match expr.expr {
        Expr::Ident(name) => Ok(name),
        _ => Err(helper.new_error(expr.id, "a variable's name is needed here")),
    }
}

fn call(helper: &mut MacroExprHelper<'_>, name: &str, args: Vec<IdedExpr>) -> IdedExpr {
    helper.next_expr(Expr::Call(CallExpr { func_name: name.to_owned(), target: None, args }))
}

/// `body`, in which the two variables stand for the parts of a pair.
fn taken_apart(helper: &mut MacroExprHelper<'_>, [first, second]: [String; 2], body: IdedExpr) -> IdedExpr {
    let mut part = |at: i64| {
        let pair = helper.next_expr(Expr::Ident(PAIR.to_owned()));
        let at = helper.next_expr(Expr::Literal(LiteralValue::Int(at.into())));
        call(helper, "_[_]", vec![pair, at])
    };
    let (zero, one) = (part(0), part(1));
    let inner = named(helper, second, one, body);
    named(helper, first, zero, inner)
}

/// `list.all(i, v, condition)` and its like.
fn over_pairs(
    helper: &mut MacroExprHelper<'_>,
    target: &mut Option<IdedExpr>,
    args: &mut Vec<IdedExpr>,
    name: &str,
) -> Expanded {
    let (Some(body), Some(second), Some(first)) = (args.pop(), args.pop(), args.pop()) else { return Ok(None) };
    let Some(range) = target.take() else { return Ok(None) };
    let names = [ident(helper, first)?, ident(helper, second)?];
    let range = call(helper, PAIRS, vec![range]);
    let body = taken_apart(helper, names, body);
    let pair = helper.next_expr(Expr::Ident(PAIR.to_owned()));
    one_variable(helper, range, name, vec![pair, body]).map(Some)
}

/// `transformList(i, v, result)`, and with a condition before the result; `transformMap` makes a mapping with the same keys.
fn transform(
    helper: &mut MacroExprHelper<'_>,
    target: &mut Option<IdedExpr>,
    args: &mut Vec<IdedExpr>,
    keeps_keys: bool,
) -> Expanded {
    let (Some(body), Some(range)) = (args.pop(), target.take()) else { return Ok(None) };
    let condition = if args.len() == 3 { args.pop() } else { None };
    let (Some(second), Some(first)) = (args.pop(), args.pop()) else { return Ok(None) };
    let names = [ident(helper, first)?, ident(helper, second)?];
    let body = if keeps_keys {
        let key = helper.next_expr(Expr::Ident(names[0].clone()));
        helper.next_expr(Expr::List(ListExpr::new(vec![key, body])))
    } else {
        body
    };
    let range = call(helper, PAIRS, vec![range]);
    let mut inner = vec![helper.next_expr(Expr::Ident(PAIR.to_owned()))];
    inner.extend(condition.map(|condition| taken_apart(helper, names.clone(), condition)));
    inner.push(taken_apart(helper, names, body));
    let mapped = one_variable(helper, range, "map", inner)?;
    Ok(Some(if keeps_keys { call(helper, MAPPING, vec![mapped]) } else { mapped }))
}

/// A comprehension with one variable, as the crate's own macros make them; `args` are the variable, for `map` perhaps a condition, and the body.
fn one_variable(
    helper: &mut MacroExprHelper<'_>,
    range: IdedExpr,
    name: &str,
    mut args: Vec<IdedExpr>,
) -> Result<IdedExpr, ParseError> {
    let variable = ident(helper, args.remove(0))?;
    let mut so_far = || helper.next_expr(Expr::Ident(RESULT.to_owned()));
    let [held, kept, result] = [so_far(), so_far(), so_far()];
    let literal = |value| Expr::Literal(value);
    let truth = |value: bool| literal(LiteralValue::Boolean(value.into()));
    let number = |value: i64| literal(LiteralValue::Int(value.into()));
    let body = args.pop().unwrap_or_default();
    let (init, condition, step, result) = match name {
        "all" | "exists" => {
            let is_all = name == "all";
            let held = if is_all { held } else { call(helper, operators::LOGICAL_NOT, vec![held]) };
            let condition = call(helper, operators::NOT_STRICTLY_FALSE, vec![held]);
            let joins = if is_all { operators::LOGICAL_AND } else { operators::LOGICAL_OR };
            (truth(is_all), condition, call(helper, joins, vec![kept, body]), result)
        }
        "exists_one" => {
            let one = helper.next_expr(number(1));
            let more = call(helper, operators::ADD, vec![held, one]);
            let step = call(helper, operators::CONDITIONAL, vec![body, more, kept]);
            let one = helper.next_expr(number(1));
            (number(0), helper.next_expr(truth(true)), step, call(helper, operators::EQUALS, vec![result, one]))
        }
        _ => {
            let element = helper.next_expr(Expr::List(ListExpr::new(vec![body])));
            let mut step = call(helper, operators::ADD, vec![held, element]);
            if let Some(condition) = args.pop() {
                step = call(helper, operators::CONDITIONAL, vec![condition, step, kept]);
            }
            (Expr::List(ListExpr::new(Vec::new())), helper.next_expr(truth(true)), step, result)
        }
    };
    let comprehension = ComprehensionExpr {
        iter_range: range,
        iter_var: variable,
        iter_var2: None,
        accu_var: RESULT.to_owned(),
        accu_init: helper.next_expr(init),
        loop_cond: condition,
        loop_step: step,
        result,
    };
    Ok(helper.next_expr(Expr::Comprehension(Box::new(comprehension))))
}
