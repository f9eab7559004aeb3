//! What is checked before parsing: bytes that YAML forbids, and those on which its readers disagree.
//!
//! What is judged must be what is applied, so a file that kubectl, kustomize and we would cut differently is refused.

use crate::model::tree::MAX_BLOB_BYTES;

/// Checks what is checked on bytes; a refusal carries the offset, what is wrong, and what to do.
pub(super) fn readable(bytes: &[u8]) -> Result<&str, (usize, String, String)> {
    let refuse = |at, message: String, help: &str| Err((at, message, help.to_owned()));
    if bytes.len() as u64 > MAX_BLOB_BYTES {
        let message = format!("this file has {} bytes, more than the {MAX_BLOB_BYTES} that are read", bytes.len());
        return refuse(0, message, "Split it into smaller files.");
    }
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => return refuse(error.valid_up_to(), "this is not UTF-8 text".into(), "Save the file as UTF-8."),
    };
    let control = |c: char| c.is_control() && !matches!(c, '\t' | '\n' | '\r' | '\u{85}');
    // One pass over bytes finds candidates; only C0, DEL, and the lead bytes of C1 and U+2028/9 are looked at closer.
    for (at, byte) in bytes.iter().enumerate() {
        if !matches!(byte, 0..=0x08 | 0x0b..=0x1f | 0x7f | 0xc2 | 0xe2) {
            continue;
        }
        let Some(c) = text[at..].chars().next() else { break };
        if control(c) {
            let message = format!("control character U+{:04X}: YAML allows none", c as u32);
            return refuse(at, message, "Remove it, or write it as an escape in double quotes.");
        }
        let lone = c == '\r' && bytes.get(at + 1) != Some(&b'\n');
        if lone || matches!(c, '\u{85}' | '\u{2028}' | '\u{2029}') {
            let message = format!("U+{:04X} ends the line for some YAML readers and not for others", c as u32);
            return refuse(at, message, "Write a plain line break, or an escape in double quotes.");
        }
    }
    match glued_separator(text) {
        None => Ok(text),
        Some(at) => {
            let message = "text stands on the same line as `---`, where kustomize refuses it and kubectl ignores it";
            refuse(at, message.to_owned(), "Move it to the next line.")
        }
    }
}

/// Where a later `---` has text behind it: kubectl and kustomize split files at such lines, YAML does not always.
fn glued_separator(text: &str) -> Option<usize> {
    let mut lines = text.match_indices("\n---").map(|(at, _)| at + 1);
    lines.find(|at| {
        let rest = text[at + 3..].lines().next().unwrap_or_default();
        !(rest.trim().is_empty() || rest.trim_start().starts_with('#'))
    })
}
