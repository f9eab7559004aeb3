//! Verdicts and findings → Markdown, check output, SARIF.
