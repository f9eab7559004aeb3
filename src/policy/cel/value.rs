//! Manifests as CEL values: integers stay integers, and mappings keep one order, so that a message is the same in every run.

use std::any::Any;
use std::sync::Arc;

use cel::ExecutionError;
use cel::common::traits::{Container, Indexer, Iterable, Iterator as Iterate, Sizer, Zeroer};
use cel::common::types::{
    CelBool, CelBytes, CelDouble, CelInt, CelList, CelMap, CelMapKey, CelNull, CelOptional, CelString, Type,
};
use cel::common::value::{CowVal, StaticVal, Val};

use crate::manifest::{Node, Value};

/// A value of any kind that owns what it holds.
pub(in crate::policy) type Held = Box<dyn Val>;

/// The value of a node. Recursion is bounded by the loader's own depth limit.
pub(in crate::policy) fn of(node: &Node) -> Held {
    match &node.value {
        Value::Null => Box::new(CelNull),
        Value::Bool(truth) => Box::new(CelBool::from(*truth)),
        Value::Int(number) => Box::new(CelInt::from(*number)),
        Value::Float(number) => Box::new(CelDouble::from(*number)),
        Value::String(text) => Box::new(CelString::from(text.to_string())),
        Value::List(list) => Box::new(CelList::from(list.iter().map(of).collect::<Vec<_>>())),
        Value::Map(map) => Box::new(Mapping::new(map.iter().map(|(key, value)| (key.text.to_string(), of(value))))),
    }
}

/// The value of what the program itself says, such as facts of a request. Positive integers are `int`, as Kubernetes has them.
pub(in crate::policy) fn of_json(value: &serde_json::Value) -> Held {
    match value {
        serde_json::Value::Null => Box::new(CelNull),
        serde_json::Value::Bool(truth) => Box::new(CelBool::from(*truth)),
        serde_json::Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(int), _) => Box::new(CelInt::from(int)),
            (None, float) => Box::new(CelDouble::from(float.unwrap_or(f64::NAN))),
        },
        serde_json::Value::String(text) => Box::new(CelString::from(text.clone())),
        serde_json::Value::Array(list) => Box::new(CelList::from(list.iter().map(of_json).collect::<Vec<_>>())),
        serde_json::Value::Object(map) => {
            Box::new(Mapping::new(map.iter().map(|(key, value)| (key.clone(), of_json(value)))))
        }
    }
}

/// Nothing.
pub(in crate::policy) fn null() -> Held {
    Box::new(CelNull)
}

/// A value that may not be there.
pub(in crate::policy) fn optional(value: Option<Held>) -> Held {
    Box::new(value.map_or_else(CelOptional::none, CelOptional::of))
}

/// A number that is no `int`, whatever it looks like.
pub(in crate::policy) fn double(number: f64) -> Held {
    Box::new(CelDouble::from(number))
}

/// Bytes.
pub(in crate::policy) fn bytes(bytes: Vec<u8>) -> Held {
    Box::new(CelBytes::from(bytes))
}

/// A list.
pub(in crate::policy) fn list(values: Vec<Held>) -> Held {
    Box::new(CelList::from(values))
}

/// The text, when the value is one.
pub(in crate::policy) fn text<'b>(value: &'b (dyn Val + '_)) -> Option<&'b str> {
    value.downcast_ref::<CelString>().map(|text| text.inner())
}

/// The boolean, when the value is one.
pub(in crate::policy) fn truth(value: &dyn Val) -> Option<bool> {
    value.downcast_ref::<CelBool>().map(|truth| *truth.inner())
}

/// A mapping with text keys, sorted; copies share it, since a comprehension copies every element it looks at.
#[derive(Debug, Clone)]
pub(in crate::policy) struct Mapping(Arc<Vec<(CelString<'static>, Held)>>);

impl Mapping {
    /// A mapping of entries with different keys.
    pub(in crate::policy) fn new(entries: impl Iterator<Item = (String, Held)>) -> Self {
        let mut entries: Vec<(String, Held)> = entries.collect();
        entries.sort_by(|(a, _), (b, _)| a.cmp(b));
        Self(Arc::new(entries.into_iter().map(|(key, value)| (CelString::from(key), value)).collect()))
    }

    fn find(&self, key: &dyn Val) -> Option<&Held> {
        let key = text(key)?;
        let at = self.0.binary_search_by(|(known, _)| known.inner().cmp(key)).ok()?;
        Some(&self.0[at].1)
    }

    fn get_or_error(&self, key: &dyn Val) -> Result<&Held, ExecutionError> {
        self.find(key).ok_or_else(|| match text(key) {
            Some(key) => ExecutionError::no_such_key(key),
            None => ExecutionError::function_error("[]", "the keys of this mapping are text"),
        })
    }
}

impl Val for Mapping {
    fn get_type(&self) -> &Type {
        Self::cel_type()
    }

    fn cel_type() -> &'static Type {
        <CelMap as Val>::cel_type()
    }

    fn as_container(&self) -> Option<&dyn Container> {
        Some(self)
    }

    fn as_indexer<'b, 'v>(&'b self) -> Option<&'b (dyn Indexer + 'v)>
    where
        Self: 'v,
    {
        Some(self)
    }

    fn as_iterable<'b, 'v>(&'b self) -> Option<&'b (dyn Iterable + 'v)>
    where
        Self: 'v,
    {
        Some(self)
    }

    fn as_sizer(&self) -> Option<&dyn Sizer> {
        Some(self)
    }

    fn as_zeroer(&self) -> Option<&dyn Zeroer> {
        Some(self)
    }

    fn equals(&self, other: &dyn Val) -> bool {
        if let Some(other) = other.downcast_ref::<Mapping>() {
            let same = |(a, b): (&(CelString, Held), &(CelString, Held))| a.0 == b.0 && a.1.equals(b.1.as_ref());
            return self.0.len() == other.0.len() && self.0.iter().zip(other.0.iter()).all(same);
        }
        let Some(literal) = other.downcast_ref::<CelMap>() else { return false };
        let has = |key: &CelMapKey, value: &dyn Val| self.find(key.inner()).is_some_and(|own| own.equals(value));
        self.0.len() == literal.inner().len() && literal.inner().iter().all(|(key, value)| has(key, value.as_ref()))
    }

    fn clone_as_boxed<'v>(&self) -> Box<dyn Val + 'v>
    where
        Self: 'v,
    {
        Box::new(self.clone())
    }

    fn as_any(&self) -> Option<&dyn Any> {
        Some(self)
    }
}

impl StaticVal for Mapping {}

impl Container for Mapping {
    fn contains(&self, value: &dyn Val) -> Result<bool, ExecutionError> {
        Ok(self.find(value).is_some())
    }
}

impl Sizer for Mapping {
    fn size(&self) -> CelInt {
        CelInt::from(i64::try_from(self.0.len()).unwrap_or(i64::MAX))
    }
}

impl Zeroer for Mapping {
    fn is_zero_value(&self) -> bool {
        self.0.is_empty()
    }
}

impl Indexer for Mapping {
    fn get<'b, 'v>(&'b self, key: &dyn Val) -> Result<CowVal<'b, 'v>, ExecutionError>
    where
        Self: 'v,
    {
        self.get_or_error(key).map(|value| CowVal::Borrowed(value.as_ref()))
    }

    fn steal<'v>(self: Box<Self>, key: &dyn Val) -> Result<Box<dyn Val + 'v>, ExecutionError>
    where
        Self: 'v,
    {
        self.get_or_error(key).cloned().map(|value| value as Box<dyn Val + 'v>)
    }
}

impl Iterable for Mapping {
    fn iter<'b, 'v>(&'b self) -> Box<dyn Iterate<'b, 'v> + 'b>
    where
        Self: 'v,
    {
        Box::new(Keys(self.0.iter()))
    }
}

struct Keys<'b>(std::slice::Iter<'b, (CelString<'static>, Held)>);

impl<'b, 'v> Iterate<'b, 'v> for Keys<'b> {
    fn next(&mut self) -> Option<&'b (dyn Val + 'v)> {
        self.0.next().map(|(key, _)| key as &dyn Val)
    }
}
