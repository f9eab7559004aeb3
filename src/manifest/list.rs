//! A sequence whose copies share their items until one of them is changed.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use super::node::Node;

/// A sequence: a `Vec` that costs nothing to copy and is copied when it is first changed.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct List(Arc<Vec<Node>>);

impl From<Vec<Node>> for List {
    fn from(items: Vec<Node>) -> Self {
        Self(Arc::new(items))
    }
}

impl FromIterator<Node> for List {
    fn from_iter<I: IntoIterator<Item = Node>>(items: I) -> Self {
        Self(Arc::new(items.into_iter().collect()))
    }
}

impl Deref for List {
    type Target = Vec<Node>;

    fn deref(&self) -> &Vec<Node> {
        &self.0
    }
}

impl DerefMut for List {
    fn deref_mut(&mut self) -> &mut Vec<Node> {
        Arc::make_mut(&mut self.0)
    }
}

impl IntoIterator for List {
    type Item = Node;
    type IntoIter = std::vec::IntoIter<Node>;

    fn into_iter(self) -> Self::IntoIter {
        Arc::unwrap_or_clone(self.0).into_iter()
    }
}

impl<'l> IntoIterator for &'l List {
    type Item = &'l Node;
    type IntoIter = std::slice::Iter<'l, Node>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

impl<'l> IntoIterator for &'l mut List {
    type Item = &'l mut Node;
    type IntoIter = std::slice::IterMut<'l, Node>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter_mut()
    }
}
