//! Objects × rules → findings.
