//! Git's packet lines: four hex digits of length, then that many bytes less four. Everything read here is hostile.

use bytes::{Buf, Bytes, BytesMut};

use super::GitError;

/// The longest line git sends.
const MAX_LINE: usize = 65_520;

/// One packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Packet {
    /// `0000`: the end of a message.
    Flush,
    /// `0001`: the end of a section.
    Delimiter,
    /// `0002`: the end of the answer.
    End,
    /// A line.
    Line(Bytes),
}

/// Cuts a stream of bytes into packets.
#[derive(Debug, Default)]
pub(super) struct Packets {
    held: BytesMut,
}

impl Packets {
    /// Adds what arrived.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.held.extend_from_slice(bytes);
    }

    /// The next whole packet, when there is one; what is held is never more than one line and one frame.
    pub(super) fn next(&mut self) -> Result<Option<Packet>, GitError> {
        let Some(head) = self.held.get(..4) else { return Ok(None) };
        let bad = || GitError::Refused("an answer that is not git's".to_owned());
        // `from_str_radix` takes a sign, git does not.
        let hex = std::str::from_utf8(head).ok().filter(|hex| hex.bytes().all(|b| b.is_ascii_hexdigit()));
        let length = hex.and_then(|hex| usize::from_str_radix(hex, 16).ok()).ok_or_else(bad)?;
        let packet = match length {
            0 => Packet::Flush,
            1 => Packet::Delimiter,
            2 => Packet::End,
            4..=MAX_LINE if self.held.len() < length => return Ok(None),
            4..=MAX_LINE => {
                self.held.advance(4);
                return Ok(Some(Packet::Line(self.held.split_to(length - 4).freeze())));
            }
            _ => return Err(bad()),
        };
        self.held.advance(4);
        Ok(Some(packet))
    }

    /// Whether nothing is left over.
    pub(super) fn is_empty(&self) -> bool {
        self.held.is_empty()
    }
}

/// A request of protocol version 2, written.
#[derive(Debug)]
pub(super) struct Command(Vec<u8>);

impl Command {
    /// A command with what every one carries.
    pub(super) fn new(name: &str) -> Self {
        let mut command = Self(Vec::new());
        command.line(&format!("command={name}\n"));
        command.line(concat!("agent=trunkline/", env!("CARGO_PKG_VERSION"), "\n"));
        command.line("object-format=sha1\n");
        command.0.extend(b"0001");
        command
    }

    /// One more argument. Arguments are ours or ids; names have been checked as refs, so none holds a line break.
    pub(super) fn line(&mut self, text: &str) {
        self.0.extend(format!("{:04x}", text.len() + 4).bytes());
        self.0.extend(text.bytes());
    }

    /// The whole request.
    pub(super) fn finish(mut self) -> Bytes {
        self.0.extend(b"0000");
        self.0.into()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn all(bytes: &[u8], step: usize) -> Result<Vec<Packet>, GitError> {
        let (mut packets, mut out) = (Packets::default(), Vec::new());
        for part in bytes.chunks(step) {
            packets.push(part);
            while let Some(packet) = packets.next()? {
                out.push(packet);
            }
        }
        Ok(out)
    }

    #[test]
    fn packets_are_cut_whatever_the_pieces() {
        let text = b"0009hello0001000400020000";
        let whole = all(text, 100).unwrap();
        assert_eq!(whole[0], Packet::Line("hello".into()));
        assert_eq!(whole[1..], [Packet::Delimiter, Packet::Line("".into()), Packet::End, Packet::Flush]);
        assert_eq!(all(text, 1).unwrap(), whole);
        for bad in ["0003", "fff5", "zzzz", "+001", "-001", "<htm"] {
            assert!(all(bad.as_bytes(), 9).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn t17_no_bytes_break_the_parser(bytes in proptest::collection::vec(any::<u8>(), 0..300), step in 1usize..50) {
            let _ = all(&bytes, step);
        }
    }
}
