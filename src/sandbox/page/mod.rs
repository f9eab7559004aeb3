//! The small web page.
use super::Sandbox;
use axum::response::Response;
use std::collections::BTreeMap;
pub(crate) struct Visit {
    pub(crate) method: String,
    pub(crate) path: Vec<String>,
    pub(crate) query: BTreeMap<String, String>,
    pub(crate) form: BTreeMap<String, String>,
    pub(crate) origin: Option<String>,
    pub(crate) host: Option<String>,
    pub(crate) cookie: Option<String>,
}
pub(crate) fn visit(_s: &Sandbox, _v: &Visit) -> Response {
    super::http::plain(404, "Not Found")
}
