//! Comment text → commands, Markdown-aware.
