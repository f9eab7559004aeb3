//! `url("https://example.com:80/path?query=val")` and what can be asked of it.

use std::collections::BTreeMap;

use cel::common::types::{CelBool, CelList, CelString, Type};
use cel::common::value::Val;
use cel::{DeclarationError, Env, ExecutionError, add_member_overload, add_overload};

use super::{Known, Own, failed};
use crate::policy::cel::value::Mapping;

/// An absolute address or an absolute path, in its parts.
#[derive(Debug, Clone, PartialEq, Default)]
struct Url {
    scheme: String,
    host: String,
    path: String,
    query: String,
}

static KIND: Type = Type::new_unspecified_type("kubernetes.URL");

impl Known for Url {
    fn kind() -> &'static Type {
        &KIND
    }
}

type Address = Own<Url>;

pub(super) fn add(env: &mut Env) -> Result<(), DeclarationError> {
    add_overload!(env, fn url: (CelString) -> Result<Address>)?;
    add_overload!(env, fn is_url: (CelString) -> CelBool, name = "isURL")?;
    add_member_overload!(env, fn get_scheme: (Address) -> CelString)?;
    add_member_overload!(env, fn get_host: (Address) -> CelString)?;
    add_member_overload!(env, fn get_hostname: (Address) -> CelString)?;
    add_member_overload!(env, fn get_port: (Address) -> CelString)?;
    add_member_overload!(env, fn get_escaped_path: (Address) -> CelString)?;
    add_member_overload!(env, fn get_query: (Address) -> Mapping)
}

/// Whether every `%` begins two hexadecimal digits.
fn is_escaped_well(text: &str) -> bool {
    text.split('%').skip(1).all(|rest| rest.get(..2).is_some_and(|two| two.bytes().all(|b| b.is_ascii_hexdigit())))
}

pub(super) fn is_address(text: &str) -> bool {
    parse(text).is_some()
}

fn parse(text: &str) -> Option<Url> {
    if text.is_empty() || text.bytes().any(|byte| byte < 0x20 || byte == 0x7f) {
        return None;
    }
    if text == "*" {
        return Some(Url { path: text.to_owned(), ..Url::default() });
    }
    let (scheme, rest) = match text.split_once(':') {
        _ if text.starts_with('/') => ("", text),
        Some((scheme, rest)) => (scheme, rest),
        None => return None,
    };
    let of_scheme = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
    if !scheme.is_empty() && (!scheme.starts_with(|c: char| c.is_ascii_alphabetic()) || !scheme.chars().all(of_scheme))
    {
        return None;
    }
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    // `mailto:a@b`: what follows the scheme has no parts.
    if !rest.starts_with('/') {
        let (scheme, query) = (scheme.to_lowercase(), query.to_owned());
        return (!scheme.is_empty()).then(|| Url { scheme, query, ..Url::default() });
    }
    let (host, path) = match rest.strip_prefix("//").filter(|_| !scheme.is_empty()) {
        Some(after) => after.split_at(after.find('/').unwrap_or(after.len())),
        None => ("", rest),
    };
    let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
    if !is_host(host) || !is_escaped_well(path) {
        return None;
    }
    let [scheme, host, path, query] = [&scheme.to_lowercase(), host, path, query].map(str::to_owned);
    Some(Url { scheme, host, path, query })
}

fn is_host(host: &str) -> bool {
    let after = host.rsplit_once(']').map_or(host, |(_, after)| after);
    let port = after.split_once(':').is_none_or(|(_, port)| port.bytes().all(|byte| byte.is_ascii_digit()));
    let plain = |c: char| !c.is_whitespace() && !matches!(c, '<' | '>' | '"' | '{' | '}' | '\\' | '^' | '`' | '|');
    port && host.starts_with('[') == host.contains(']') && host.chars().all(plain) && is_escaped_well(host)
}

fn url(text: &CelString<'_>) -> Result<Address, ExecutionError> {
    parse(text.inner()).map(Own).ok_or_else(|| failed("url", "the text is no absolute address"))
}

fn is_url(text: &CelString<'_>) -> CelBool {
    is_address(text.inner()).into()
}

fn get_scheme(url: &Address) -> CelString<'static> {
    url.0.scheme.clone().into()
}

fn get_host(url: &Address) -> CelString<'static> {
    url.0.host.clone().into()
}

/// The host's name and port; an IPv6 address stands in brackets.
fn apart(host: &str) -> (&str, &str) {
    if let Some((name, after)) = host.strip_prefix('[').and_then(|host| host.split_once(']')) {
        return (name, after.strip_prefix(':').unwrap_or_default());
    }
    host.rsplit_once(':').unwrap_or((host, ""))
}

fn get_hostname(url: &Address) -> CelString<'static> {
    apart(&url.0.host).0.to_owned().into()
}

fn get_port(url: &Address) -> CelString<'static> {
    apart(&url.0.host).1.to_owned().into()
}

fn get_escaped_path(url: &Address) -> CelString<'static> {
    url.0.path.replace(' ', "%20").into()
}

fn get_query(url: &Address) -> Mapping {
    let mut all: BTreeMap<String, Vec<Box<dyn Val>>> = BTreeMap::new();
    for pair in url.0.query.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        all.entry(plain(key)).or_default().push(Box::new(CelString::from(plain(value))));
    }
    Mapping::new(all.into_iter().map(|(key, values)| (key, Box::new(CelList::from(values)) as Box<dyn Val>)))
}

fn plain(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        let code = after.get(..2).and_then(|two| std::str::from_utf8(two).ok());
        let code = code.and_then(|two| u8::from_str_radix(two, 16).ok());
        match (byte, code) {
            (b'%', Some(code)) => {
                bytes.push(code);
                rest = &after[2..];
                continue;
            }
            (b'+', _) => bytes.push(b' '),
            (byte, _) => bytes.push(*byte),
        }
        rest = after;
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
