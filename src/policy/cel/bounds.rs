//! What keeps an expression's cost bounded: how deep comprehensions nest, and how many elements one evaluation looks at.

use std::cell::Cell;

use cel::ExecutionError;
use cel::common::ast::{CallExpr, EntryExpr, Expr, IdedExpr, operators};
use cel::common::value::CowVal;

/// Comprehensions within comprehensions: Gatekeeper's library has four. How long they run is bounded by the elements they go over.
const MAX_NESTING: u32 = 4;
/// Elements one evaluation may go over: a second's work; the API server's own budget is about as large.
const MAX_ELEMENTS: u64 = 1_000_000;
/// Parts within parts, such as the terms of a long sum: evaluation goes down its stack for each.
const MAX_DEPTH: u32 = 100;
/// The function that counts; no author can write its name.
pub(super) const COUNTED: &str = "@counted";

thread_local! {
    static SEEN: Cell<u64> = const { Cell::new(0) };
}

/// Begins to count anew.
pub(super) fn start() {
    SEEN.set(0);
}

/// Hands a list or mapping on, once its elements are within what one evaluation may go over.
pub(super) fn counted<'b, 'v>(mut args: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let Some(range) = args.pop() else { return Err(ExecutionError::MissingArgumentOrTarget) };
    let size = range.as_sizer().map_or(0, |sizer| u64::try_from(*sizer.size().inner()).unwrap_or(0));
    let seen = SEEN.get().saturating_add(size + 1);
    SEEN.set(seen);
    if seen > MAX_ELEMENTS {
        return Err(ExecutionError::function_error("comprehension", format!("it goes over {MAX_ELEMENTS} elements")));
    }
    Ok(range)
}

/// Refuses what nests too deep, and has every comprehension counted.
pub(super) fn apply(expr: &mut IdedExpr) -> Result<(), String> {
    walk(expr, 0, 0)
}

fn walk(expr: &mut IdedExpr, depth: u32, below: u32) -> Result<(), String> {
    if below > MAX_DEPTH {
        return Err(format!("its parts nest deeper than {MAX_DEPTH}"));
    }
    let below = below + 1;
    match &mut expr.expr {
        Expr::Comprehension(inner) => {
            walk(&mut inner.iter_range, depth, below)?;
            // A name for a value (`cel.bind`) is a comprehension over nothing.
            let is_bind = matches!(&inner.iter_range.expr, Expr::List(list) if list.elements.is_empty());
            let depth = depth + u32::from(!is_bind);
            if depth > MAX_NESTING {
                return Err(format!("its comprehensions nest deeper than {MAX_NESTING}"));
            }
            for part in [&mut inner.accu_init, &mut inner.loop_cond, &mut inner.loop_step, &mut inner.result] {
                walk(part, depth, below)?;
            }
            if !is_bind {
                let range = std::mem::take(&mut inner.iter_range);
                let call = CallExpr { func_name: COUNTED.to_owned(), target: None, args: vec![range] };
                inner.iter_range = IdedExpr { id: expr.id, expr: Expr::Call(call) };
            }
        }
        Expr::Call(call) => {
            let compares = [operators::EQUALS, operators::NOT_EQUALS].contains(&call.func_name.as_str());
            // A mapping written in the expression knows nothing of an object's; that knows both.
            if compares && call.args.len() == 2 && matches!(call.args[0].expr, Expr::Map(_)) {
                call.args.swap(0, 1);
            }
            call.target.iter_mut().try_for_each(|target| walk(target, depth, below))?;
            call.args.iter_mut().try_for_each(|arg| walk(arg, depth, below))?;
        }
        Expr::List(list) => list.elements.iter_mut().try_for_each(|element| walk(element, depth, below))?,
        Expr::Map(map) => {
            for entry in &mut map.entries {
                if let EntryExpr::MapEntry(entry) = &mut entry.expr {
                    walk(&mut entry.key, depth, below)?;
                    walk(&mut entry.value, depth, below)?;
                }
            }
        }
        Expr::Select(select) => walk(&mut select.operand, depth, below)?,
        Expr::Struct(_) => return Err("it makes a message, and Kubernetes has none to make".to_owned()),
        Expr::Ident(_) | Expr::Literal(_) | Expr::Unspecified => {}
    }
    Ok(())
}

/// Every part of an expression, itself first.
pub(super) fn each(expr: &IdedExpr, tell: &mut dyn FnMut(&IdedExpr)) {
    tell(expr);
    match &expr.expr {
        Expr::Comprehension(inner) => {
            for part in [&inner.iter_range, &inner.accu_init, &inner.loop_cond, &inner.loop_step, &inner.result] {
                each(part, tell);
            }
        }
        Expr::Call(call) => {
            call.target.iter().map(|target| &**target).chain(&call.args).for_each(|part| each(part, tell))
        }
        Expr::List(list) => list.elements.iter().for_each(|part| each(part, tell)),
        Expr::Map(map) => {
            for entry in &map.entries {
                if let EntryExpr::MapEntry(entry) = &entry.expr {
                    each(&entry.key, tell);
                    each(&entry.value, tell);
                }
            }
        }
        Expr::Select(select) => each(&select.operand, tell),
        Expr::Struct(_) | Expr::Ident(_) | Expr::Literal(_) | Expr::Unspecified => {}
    }
}
