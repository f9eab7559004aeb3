//! What can happen on GitHub, whoever does it and by whichever door: each act changes the world and sets off its events.

pub(crate) mod checks;
pub(crate) mod pulls;
pub(crate) mod queue;
pub(crate) mod refs;
pub(crate) mod reviews;
pub(crate) mod rules;
pub(crate) mod talk;
