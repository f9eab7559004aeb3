//! Bare caches, trees, blobs, tags, fetches.
