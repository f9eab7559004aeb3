//! Durable wakes and timers.
