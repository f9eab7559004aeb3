//! Receiver, health and metrics.
