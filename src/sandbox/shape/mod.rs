//! How GitHub shows things by REST and in webhooks: complete shapes, as its OpenAPI description asks.

mod commits;
mod people;
mod pulls;
mod repos;
mod runs;

pub(crate) use pulls::mergeable;

/// An opaque node id; the kind and the number can be read back by GraphQL's `node`.
pub(crate) fn node(kind: &str, id: impl std::fmt::Display) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(format!("{kind}:{id}"))
}

/// Reads a node id back.
pub(crate) fn unnode(text: &str) -> Option<(String, String)> {
    use base64::Engine as _;
    let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(text).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    text.split_once(':').map(|(kind, id)| (kind.to_owned(), id.to_owned()))
}
