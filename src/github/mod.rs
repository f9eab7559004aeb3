//! The only user of octocrab: observe, apply, App auth, rate budget.
