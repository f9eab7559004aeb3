//! The nouns: plain data that every other module shares, and nothing that awaits.

pub mod authorship;
pub mod facts;
pub mod finding;
pub mod id;
pub mod image;
pub mod ledger;
pub mod merging;
pub mod onboarding;
pub mod pack;
pub mod path;
pub mod pipeline;
pub mod plan;
pub mod snapshot;
pub mod suggestion;
pub mod tree;
pub mod verdict;
pub mod version;
pub mod wide;
