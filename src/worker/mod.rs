//! The child process that evaluates, its limits and protocol.
