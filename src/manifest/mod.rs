//! YAML documents whose every node knows its file, line and column; object identity, semantic diff, format-preserving edits.

pub mod node;

pub use node::{Map, Node, Object, Span, Value};
