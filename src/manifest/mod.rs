//! YAML documents whose every node knows its file, line and column; object identity, semantic diff, format-preserving edits.

mod alike;
mod amounts;
pub mod at;
mod cost;
pub mod diff;
mod digest;
pub mod edit;
pub mod emit;
pub mod images;
mod keys;
mod lines;
mod list;
pub mod load;
pub mod mask;
pub mod mend;
pub mod node;
pub mod objects;
mod outline;
mod pairs;
mod places;
pub mod quantity;
mod readable;
pub(crate) mod scalar;
mod simple;
mod simple_scalars;

#[cfg(test)]
mod load_tests;

pub use alike::named_as;
pub use amounts::amount_changes;
pub use cost::cost;
pub use diff::changes;
pub use digest::digest;
pub use edit::{EditError, insert_after, remove_key, set_scalar, set_scalars};
pub use emit::yaml;
pub use images::image_changes;
pub use list::List;
pub use load::{Document, Loaded, load};
#[doc(hidden)]
pub use load::{is_simple, load_generally};
pub use mask::{MaskKey, mask};
pub use node::{Map, Node, Object, Span, Value};
pub use objects::objects;
