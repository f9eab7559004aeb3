//! An environment’s tree → the objects Flux would apply.
