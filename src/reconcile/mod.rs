//! The loop: observe, decide, apply, acknowledge.
