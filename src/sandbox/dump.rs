//! The whole visible world as stable text.
