//! `Snapshot → Plan`: cheap, total, deterministic.
