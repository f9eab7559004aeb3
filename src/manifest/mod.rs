//! YAML documents whose every node knows its file, line and column; object identity, semantic diff, format-preserving edits.

pub mod at;
pub mod diff;
pub mod edit;
pub mod emit;
mod lines;
pub mod load;
pub mod mask;
pub mod node;
pub mod objects;
mod places;
mod readable;
pub(crate) mod scalar;

#[cfg(test)]
mod load_tests;

pub use diff::{changes, image_changes};
pub use edit::{EditError, insert_after, remove_key, set_scalar, set_scalars};
pub use emit::yaml;
pub use load::{Document, Loaded, load};
pub use mask::{MaskKey, mask};
pub use node::{Map, Node, Object, Span, Value};
pub use objects::objects;
