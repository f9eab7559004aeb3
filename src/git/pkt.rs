//! pkt-lines: the framing of git's protocol. Source: gitprotocol-common(5).

use bytes::{Buf, Bytes, BytesMut};

/// The longest line the protocol allows.
const MAX_LINE: usize = 65_520;

/// One frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Packet {
    /// The end of a message.
    Flush,
    /// Between sections.
    Delimiter,
    /// The end of a stateless answer.
    ResponseEnd,
    /// Content.
    Data(Bytes),
}

/// Appends one line.
pub(super) fn line(out: &mut Vec<u8>, text: &str) {
    out.extend(format!("{:04x}{text}\n", text.len() + 5).into_bytes());
}

/// Takes the next whole frame off the front of `buffer`; `None` when more bytes are needed.
pub(super) fn next(buffer: &mut BytesMut) -> Result<Option<Packet>, String> {
    let Some(head) = buffer.get(..4) else { return Ok(None) };
    let text = std::str::from_utf8(head).ok().filter(|text| text.bytes().all(|b| b.is_ascii_hexdigit()));
    let length = text.and_then(|text| usize::from_str_radix(text, 16).ok()).ok_or("a line without a length")?;
    match length {
        0..=2 => {
            buffer.advance(4);
            Ok(Some([Packet::Flush, Packet::Delimiter, Packet::ResponseEnd][length].clone()))
        }
        3 => Err("a line of length 3".to_owned()),
        length if length > MAX_LINE => Err(format!("a line of {length} bytes")),
        length if buffer.len() < length => Ok(None),
        length => {
            let mut frame = buffer.split_to(length).freeze();
            frame.advance(4);
            Ok(Some(Packet::Data(frame)))
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn frames_come_back_whole() {
        let mut out = Vec::new();
        line(&mut out, "want 1");
        out.extend(b"0001000400000");
        let mut buffer = BytesMut::from(&out[..]);
        assert_eq!(next(&mut buffer), Ok(Some(Packet::Data(Bytes::from_static(b"want 1\n")))));
        assert_eq!(next(&mut buffer), Ok(Some(Packet::Delimiter)));
        assert_eq!(next(&mut buffer), Ok(Some(Packet::Data(Bytes::new()))));
        assert_eq!(next(&mut buffer), Ok(Some(Packet::Flush)));
        assert_eq!(next(&mut buffer), Ok(None));
        for bad in ["0003", "zzzz", "+001x", "fff1x"] {
            assert!(next(&mut BytesMut::from(bad)).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn t17_no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut buffer = BytesMut::from(&bytes[..]);
            while let Ok(Some(_)) = next(&mut buffer) {}
        }
    }
}
