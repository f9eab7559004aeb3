//! Frames between parent and child: one byte for what it is, four for the length, then the content.
//!
//! Trees and blobs are sent as bytes, the rest as JSON. Every length is bounded before anything is allocated, in both directions: the child
//! may have been taken over by what it reads.

use std::io::{self, Read, Write};
use std::sync::Arc;

use crate::model::id::Oid;
use crate::model::tree::{Entry, EntryKind, MAX_BLOB_BYTES, ObjectError};

/// What a frame is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tag {
    /// Parent: the limits, before anything hostile.
    Limits = b'L' as isize,
    /// Parent: the request.
    Request = b'R' as isize,
    /// Parent: a tree, its id first.
    Tree = b'T' as isize,
    /// Parent: a blob, its id first.
    Blob = b'B' as isize,
    /// Parent: why an object cannot be had, its id first.
    Missing = b'M' as isize,
    /// Parent: all that was asked for has been sent.
    Done = b'.' as isize,
    /// Child: wants a tree.
    WantTree = b't' as isize,
    /// Child: wants a blob.
    WantBlob = b'b' as isize,
    /// Child: what it begins to work on.
    Progress = b'p' as isize,
    /// Child: the evaluation; the last frame.
    Answer = b'a' as isize,
}

const TAGS: [Tag; 10] = [
    Tag::Limits,
    Tag::Request,
    Tag::Tree,
    Tag::Blob,
    Tag::Missing,
    Tag::Done,
    Tag::WantTree,
    Tag::WantBlob,
    Tag::Progress,
    Tag::Answer,
];

/// What the parent accepts from the child: an answer of 100 environments with 100 changes of 10 kB each is 100 MB too much to show anyway.
pub(super) const MAX_FROM_CHILD: usize = 32 << 20;
/// What the child accepts from the parent: one object and its id, or a request with thousands of policy ids.
pub(super) const MAX_FROM_PARENT: usize = MAX_BLOB_BYTES as usize * 2;

pub(super) fn write(to: &mut impl Write, tag: Tag, parts: &[&[u8]]) -> io::Result<()> {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    let length = u32::try_from(length).map_err(io::Error::other)?;
    to.write_all(&[tag as u8])?;
    to.write_all(&length.to_be_bytes())?;
    parts.iter().try_for_each(|part| to.write_all(part))
}

pub(super) fn read(from: &mut impl Read, limit: usize) -> io::Result<(Tag, Vec<u8>)> {
    let mut head = [0; 5];
    from.read_exact(&mut head)?;
    let [tag, length @ ..] = head;
    let tag = TAGS.into_iter().find(|known| *known as u8 == tag).ok_or_else(|| io::Error::other("an unknown frame"))?;
    let length = u32::from_be_bytes(length) as usize;
    if length > limit {
        return Err(io::Error::other(TooLong));
    }
    let mut content = vec![0; length];
    from.read_exact(&mut content)?;
    Ok((tag, content))
}

/// A frame over its limit.
#[derive(Debug, thiserror::Error)]
#[error("a frame is longer than allowed")]
pub(super) struct TooLong;

/// An id and what follows it.
pub(super) fn split_id(content: &[u8]) -> io::Result<(Oid, &[u8])> {
    let (id, rest) = content.split_first_chunk::<20>().ok_or_else(|| io::Error::other("a frame without id"))?;
    Ok((Oid(*id), rest))
}

pub(super) fn encode_tree(entries: &[Entry]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(entries.len() * 48);
    for entry in entries {
        bytes.push(entry.kind as u8);
        bytes.extend(entry.id.0);
        bytes.extend((entry.name.len() as u32).to_be_bytes());
        bytes.extend(entry.name.bytes());
    }
    bytes
}

pub(super) fn decode_tree(mut bytes: &[u8]) -> Option<Arc<[Entry]>> {
    const KINDS: [EntryKind; 5] =
        [EntryKind::File, EntryKind::Executable, EntryKind::Symlink, EntryKind::Folder, EntryKind::Submodule];
    let mut entries = Vec::new();
    while let Some((kind, rest)) = bytes.split_first() {
        let kind = KINDS.into_iter().find(|known| *known as u8 == *kind)?;
        let (id, rest) = rest.split_first_chunk::<20>()?;
        let (length, rest) = rest.split_first_chunk::<4>()?;
        let (name, rest) = rest.split_at_checked(u32::from_be_bytes(*length) as usize)?;
        entries.push(Entry { name: String::from_utf8(name.to_vec()).ok()?, kind, id: Oid(*id) });
        bytes = rest;
    }
    Some(entries.into())
}

pub(super) fn decode_error(id: Oid, bytes: &[u8]) -> ObjectError {
    serde_json::from_slice(bytes).unwrap_or(ObjectError::Missing(id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trees_survive_a_round_trip_and_cuts_are_refused() {
        let entry = |name: &str, kind| Entry { name: name.into(), kind, id: Oid([7; 20]) };
        let entries = [entry("a", EntryKind::File), entry("ü/b", EntryKind::Folder), entry("", EntryKind::Submodule)];
        let bytes = encode_tree(&entries);
        assert_eq!(&*decode_tree(&bytes).unwrap(), &entries);
        for end in 1..bytes.len() {
            let whole = decode_tree(&bytes[..end]).is_none_or(|cut| cut.len() < entries.len());
            assert!(whole, "{end}");
        }
    }

    #[test]
    fn t11_lengths_are_refused_before_they_are_allocated() {
        let frame = [b'a', 0xff, 0xff, 0xff, 0xff];
        assert!(read(&mut &frame[..], MAX_FROM_CHILD).is_err());
        assert!(read(&mut &[b'?', 0, 0, 0, 0][..], MAX_FROM_CHILD).is_err());
    }
}
