//! A GitHub to run against, on loopback, with real git.
