//! `isSorted`, `sum`, `min`, `max`, `indexOf`, `lastIndexOf` of lists, `sets.*`, and what our macros are made of.

use std::cmp::Ordering;

use cel::common::types::{CelBool, CelInt, CelList, CelMap, CelMapKey, DYN_TYPE, LIST_TYPE};
use cel::common::value::{CowVal, Val};
use cel::{DeclarationError, Env, ExecutionError};

use super::failed;
use crate::policy::cel::macros::{MAPPING, PAIRS};
use crate::policy::cel::value;

type Args<'b, 'v> = Vec<CowVal<'b, 'v>>;
type Answer<'b, 'v> = Result<CowVal<'b, 'v>, ExecutionError>;

pub(super) fn add(env: &mut Env) -> Result<(), DeclarationError> {
    let none: [(&str, cel::common::functions::Function); 4] =
        [("isSorted", is_sorted), ("sum", sum), ("min", min), ("max", max)];
    for (name, function) in none {
        env.add_member_overload(name, &format!("list.{name}()"), LIST_TYPE, vec![], function)?;
    }
    env.add_member_overload("indexOf", "list.indexOf(dyn)", LIST_TYPE, vec![DYN_TYPE], index_of)?;
    env.add_member_overload("lastIndexOf", "list.lastIndexOf(dyn)", LIST_TYPE, vec![DYN_TYPE], last_index_of)?;
    let sets: [(&str, cel::common::functions::Function); 3] =
        [("contains", contains), ("equivalent", equivalent), ("intersects", intersects)];
    for (name, function) in sets {
        env.add_overload(&format!("sets.{name}"), &format!("sets.{name}"), vec![LIST_TYPE, LIST_TYPE], function)?;
    }
    env.add_overload(PAIRS, PAIRS, vec![DYN_TYPE], pairs)?;
    env.add_overload(MAPPING, MAPPING, vec![LIST_TYPE], mapping)
}

/// The elements of a list, or the keys of a mapping.
fn items<'v>(list: &CowVal<'_, 'v>) -> Vec<Box<dyn Val + 'v>> {
    let mut all = Vec::new();
    let Some(list) = list.as_iterable() else { return all };
    let mut items = list.iter();
    while let Some(item) = items.next() {
        all.push(item.clone_as_boxed());
    }
    all
}

fn order(function: &str, a: &dyn Val, b: &dyn Val) -> Result<Ordering, ExecutionError> {
    a.as_comparer().ok_or_else(|| failed(function, "its elements have no order"))?.compare(b)
}

fn is_sorted<'b, 'v>(args: Args<'b, 'v>) -> Answer<'b, 'v> {
    let all = args.first().map(items).unwrap_or_default();
    for pair in all.windows(2) {
        if order("isSorted", pair[0].as_ref(), pair[1].as_ref())? == Ordering::Greater {
            return Ok(CowVal::owned(CelBool::from(false)));
        }
    }
    Ok(CowVal::owned(CelBool::from(true)))
}

fn sum<'b, 'v>(args: Args<'b, 'v>) -> Answer<'b, 'v> {
    let mut all = args.first().map(items).unwrap_or_default().into_iter();
    let Some(mut total) = all.next() else { return Ok(CowVal::owned(CelInt::from(0))) };
    for item in all {
        let adder = total.as_adder().ok_or_else(|| failed("sum", "its elements cannot be added"))?;
        let next = adder.add(item.as_ref())?.into_owned();
        total = next;
    }
    Ok(CowVal::Owned(total))
}

fn extreme<'b, 'v>(function: &str, wanted: Ordering, args: &Args<'b, 'v>) -> Answer<'b, 'v> {
    let mut all = args.first().map(items).unwrap_or_default().into_iter();
    let mut best = all.next().ok_or_else(|| failed(function, "the list is empty"))?;
    for item in all {
        if order(function, item.as_ref(), best.as_ref())? == wanted {
            best = item;
        }
    }
    Ok(CowVal::Owned(best))
}

fn min<'b, 'v>(args: Args<'b, 'v>) -> Answer<'b, 'v> {
    extreme("min", Ordering::Less, &args)
}

fn max<'b, 'v>(args: Args<'b, 'v>) -> Answer<'b, 'v> {
    extreme("max", Ordering::Greater, &args)
}

fn place<'b, 'v>(args: &Args<'b, 'v>, last: bool) -> Answer<'b, 'v> {
    let all = args.first().map(items).unwrap_or_default();
    let is = |item: &dyn Val| args.get(1).is_some_and(|wanted| item.equals(wanted.as_ref()));
    let mut all = all.iter().map(AsRef::as_ref);
    let at = if last { all.rposition(is) } else { all.position(is) };
    Ok(CowVal::owned(CelInt::from(at.and_then(|at| i64::try_from(at).ok()).unwrap_or(-1))))
}

fn index_of<'b, 'v>(args: Args<'b, 'v>) -> Answer<'b, 'v> {
    place(&args, false)
}

fn last_index_of<'b, 'v>(args: Args<'b, 'v>) -> Answer<'b, 'v> {
    place(&args, true)
}

/// The items of a list.
type Items<'v> = Vec<Box<dyn Val + 'v>>;

fn sides<'v>(args: &[CowVal<'_, 'v>]) -> (Items<'v>, Items<'v>) {
    let side = |at: usize| args.get(at).map(items).unwrap_or_default();
    (side(0), side(1))
}

fn has(all: &[Box<dyn Val + '_>], wanted: &dyn Val) -> bool {
    all.iter().any(|item| item.equals(wanted))
}

fn answer<'b, 'v>(truth: bool) -> Answer<'b, 'v> {
    Ok(CowVal::owned(CelBool::from(truth)))
}

fn contains<'b, 'v>(args: Args<'b, 'v>) -> Answer<'b, 'v> {
    let (a, b) = sides(&args);
    answer(b.iter().all(|item| has(&a, item.as_ref())))
}

fn equivalent<'b, 'v>(args: Args<'b, 'v>) -> Answer<'b, 'v> {
    let (a, b) = sides(&args);
    answer(b.iter().all(|item| has(&a, item.as_ref())) && a.iter().all(|item| has(&b, item.as_ref())))
}

fn intersects<'b, 'v>(args: Args<'b, 'v>) -> Answer<'b, 'v> {
    let (a, b) = sides(&args);
    answer(b.iter().any(|item| has(&a, item.as_ref())))
}

fn pairs<'b, 'v>(args: Args<'b, 'v>) -> Answer<'b, 'v> {
    let range = args.first().ok_or(ExecutionError::MissingArgumentOrTarget)?;
    let is_list = *range.get_type() == LIST_TYPE;
    let mut all: Vec<Box<dyn Val + 'v>> = Vec::new();
    for (at, item) in items(range).into_iter().enumerate() {
        let pair: Vec<Box<dyn Val + 'v>> = if is_list {
            vec![Box::new(CelInt::from(i64::try_from(at).unwrap_or(i64::MAX))), item]
        } else {
            let indexer =
                range.as_indexer().ok_or_else(|| failed("comprehension", "it goes over a list or a mapping"))?;
            let value = indexer.get(item.as_ref())?.into_owned();
            vec![item, value]
        };
        all.push(Box::new(CelList::from(pair)));
    }
    Ok(CowVal::owned(CelList::from(all)))
}

/// What `transformMap` makes: the pairs as a mapping.
fn mapping<'b, 'v>(args: Args<'b, 'v>) -> Answer<'b, 'v> {
    let mut entries = std::collections::HashMap::new();
    for pair in args.first().map(items).unwrap_or_default() {
        let pair = pair.downcast_ref::<CelList>().map(|pair| pair.inner());
        let Some([key, value]) = pair else { return Err(failed("transformMap", "there is no pair")) };
        let key = match (value::text(key.as_ref()), key.downcast_ref::<CelInt>()) {
            (Some(text), _) => CelMapKey::String(text.to_owned().into()),
            (None, Some(int)) => CelMapKey::Int((*int.inner()).into()),
            _ => return Err(failed("transformMap", "a key is text or a whole number")),
        };
        entries.insert(key, value.clone());
    }
    Ok(CowVal::owned(CelMap::from(entries)))
}
