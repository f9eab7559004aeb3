//! Everything that needs more than one module: one binary, so that it links once.

mod manifest;
mod queue;
mod receiver;
mod schema;
mod tidy;
mod worker;
mod features;
mod world;
