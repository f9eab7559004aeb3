//! YAML documents whose every node knows its file, line and column; object identity, semantic diff, format-preserving edits.

pub mod emit;
pub mod load;
pub mod node;
pub mod objects;
mod scalar;

#[cfg(test)]
mod load_tests;

pub use emit::yaml;
pub use load::{Document, Loaded, load};
pub use node::{Map, Node, Object, Span, Value};
pub use objects::objects;
