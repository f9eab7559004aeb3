//! What `serve` needs to know, from flags, environment variables and files.
