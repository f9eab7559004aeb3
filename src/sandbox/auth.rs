//! Who is asking and what they may do: App JWTs, installation tokens, people.

use std::collections::{BTreeMap, BTreeSet};

use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jiff::{Timestamp, ToSpan as _};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::Inner;
use super::cx::Cx;
use super::refusal::Refusal;
use super::world::{Role, Token, World};

/// Whoever makes a request.
#[derive(Debug, Clone)]
pub(crate) enum Actor {
    /// The App itself, by JWT.
    App,
    /// The App in one installation, by token.
    Installation(Grant),
    /// A person.
    User(String),
    /// Nobody in particular.
    Anonymous,
}

/// What an installation token reaches.
#[derive(Debug, Clone)]
pub(crate) struct Grant {
    pub(crate) installation: u64,
    pub(crate) repos: BTreeSet<u64>,
    pub(crate) permissions: BTreeMap<String, String>,
}

/// How much of a permission an act takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    Read,
    Write,
}

/// The client id that goes with an App's number.
pub(crate) fn client_id(app: u64) -> String {
    format!("Iv23li{app:014}")
}

/// Reads an Authorization header.
pub(crate) fn actor(inner: &Inner, world: &World, header: Option<&str>) -> Result<Actor, Refusal> {
    let Some(header) = header else { return Ok(Actor::Anonymous) };
    let (scheme, rest) = header.split_once(' ').ok_or_else(Refusal::bad_credentials)?;
    let now = inner.options.clock.now();
    if scheme.eq_ignore_ascii_case("basic") {
        let (user, password) = basic(rest).ok_or_else(Refusal::bad_credentials)?;
        return match user.as_str() {
            "x-access-token" => token(world, &password, now),
            _ => person(world, &user),
        };
    }
    if !scheme.eq_ignore_ascii_case("bearer") && !scheme.eq_ignore_ascii_case("token") {
        return Err(Refusal::bad_credentials());
    }
    let rest = rest.trim();
    if !rest.starts_with("gh") && rest.split('.').count() == 3 {
        jwt(inner, rest, now)?;
        return Ok(Actor::App);
    }
    token(world, rest, now)
}

fn basic(text: &str) -> Option<(String, String)> {
    let text = String::from_utf8(STANDARD.decode(text.trim()).ok()?).ok()?;
    text.split_once(':').map(|(user, password)| (user.to_owned(), password.to_owned()))
}

fn person(world: &World, login: &str) -> Result<Actor, Refusal> {
    world.account(login).map(|account| Actor::User(account.login.clone())).ok_or_else(Refusal::bad_credentials)
}

fn token(world: &World, token: &str, now: Timestamp) -> Result<Actor, Refusal> {
    if let Some(login) = token.strip_prefix("ghp_") {
        return person(world, login);
    }
    let found = world.tokens.get(token).filter(|token| token.expires_at > now).ok_or_else(Refusal::bad_credentials)?;
    let installation = world.installations.get(&found.installation).ok_or_else(Refusal::bad_credentials)?;
    let mut repos = world.reach(installation);
    if let Some(only) = &found.repos {
        repos.retain(|repo| only.contains(repo));
    }
    let permissions = found.permissions.clone();
    Ok(Actor::Installation(Grant { installation: found.installation, repos, permissions }))
}

/// Holds an App JWT to GitHub's rules: RS256 by our key, from us, issued by now, and over within ten minutes.
fn jwt(inner: &Inner, token: &str, now: Timestamp) -> Result<(), Refusal> {
    let undecoded = || Refusal::new(401, "A JSON web token could not be decoded");
    let (signed, signature) = token.rsplit_once('.').ok_or_else(undecoded)?;
    let (header, claims) = signed.split_once('.').ok_or_else(undecoded)?;
    let part = |text: &str| URL_SAFE_NO_PAD.decode(text).map_err(|_| undecoded());
    let header: Value = serde_json::from_slice(&part(header)?).map_err(|_| undecoded())?;
    let claims: Value = serde_json::from_slice(&part(claims)?).map_err(|_| undecoded())?;
    if header["alg"] != "RS256" {
        return Err(undecoded());
    }
    UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, &inner.key.public)
        .verify(signed.as_bytes(), &part(signature)?)
        .map_err(|_| undecoded())?;
    let id = inner.options.app.id;
    let from_us = match &claims["iss"] {
        Value::Number(number) => number.as_u64() == Some(id),
        Value::String(text) => *text == id.to_string() || *text == client_id(id),
        _ => false,
    };
    if !from_us {
        let message = "'Issuer' claim ('iss') must be an Integer or the client ID of the App";
        return Err(Refusal::new(401, message));
    }
    let second = |field: &str| claims[field].as_i64().or_else(|| claims[field].as_f64().map(|at| at as i64));
    let Some(issued) = second("iat") else {
        return Err(Refusal::new(401, "Missing 'issued at' claim ('iat') in assertion"));
    };
    let Some(ends) = second("exp") else {
        return Err(Refusal::new(401, "Missing 'expiration' claim ('exp') in assertion"));
    };
    let now = now.as_second();
    let message = if issued > now {
        "'Issued at' claim ('iat') must be an Integer representing the time that the assertion was issued"
    } else if ends <= now {
        "'Expiration time' claim ('exp') must be a numeric value representing the future time at which the assertion expires"
    } else if ends > now + 600 {
        "'Expiration time' claim ('exp') is too far in the future"
    } else {
        return Ok(());
    };
    Err(Refusal::new(401, message))
}

/// Makes an installation token for `request` (`repositories`, `repository_ids`, `permissions`), and never for more than there is.
pub(crate) fn mint(cx: &mut Cx<'_>, installation: u64, request: &Value, long: Option<bool>) -> Result<String, Refusal> {
    let found = cx.world.installations.get(&installation).ok_or_else(Refusal::not_found)?;
    let reach = cx.world.reach(found);
    let repos = asked_repos(cx.world, request, &found.account)?;
    let stranger =
        "There is at least one repository that does not exist or is not accessible to the parent installation.";
    if repos.as_ref().is_some_and(|repos| !repos.is_subset(&reach)) {
        return Err(Refusal::new(422, stranger));
    }
    let granted = &cx.inner.options.app.permissions;
    let mut permissions = granted.clone();
    if let Some(asked) = request["permissions"].as_object().filter(|asked| !asked.is_empty()) {
        permissions = BTreeMap::new();
        for (name, level) in asked {
            let level = level.as_str().unwrap_or_default();
            let most = granted.get(name).map_or(0, |level| rank(level));
            if rank(level) == 0 || rank(level) > most {
                return Err(Refusal::new(422, "The permissions requested are not granted to this installation."));
            }
            permissions.insert(name.clone(), level.to_owned());
        }
    }
    permissions.insert("metadata".into(), "read".into());
    let number = cx.world.id();
    // Without a word from the caller both formats take turns, so that neither is ever a surprise.
    let text = spell(cx, number, long.unwrap_or(number.is_multiple_of(2)));
    let expires_at = cx.now.checked_add(1.hour()).unwrap_or(Timestamp::MAX);
    // What is over is dropped here, so that the table never outgrows an hour.
    let now = cx.now;
    cx.world.tokens.retain(|_, token| token.expires_at > now);
    cx.world.tokens.insert(text.clone(), Token { installation, repos, permissions, expires_at });
    Ok(text)
}

fn rank(level: &str) -> u8 {
    match level {
        "read" => 1,
        "write" => 2,
        "admin" => 3,
        _ => 0,
    }
}

fn asked_repos(world: &World, request: &Value, owner: &str) -> Result<Option<BTreeSet<u64>>, Refusal> {
    let (ids, names) = (request["repository_ids"].as_array(), request["repositories"].as_array());
    if ids.is_none() && names.is_none() {
        return Ok(None);
    }
    let mut repos: BTreeSet<u64> = ids.into_iter().flatten().filter_map(Value::as_u64).collect();
    for name in names.into_iter().flatten() {
        let repo = name.as_str().and_then(|name| world.repo_named(owner, name));
        repos.insert(repo.map_or(0, |repo| repo.id));
    }
    // GitHub takes at most 500 repositories in one token.
    if repos.len() > 500 {
        return Err(Refusal::new(422, "Too many repositories"));
    }
    Ok(Some(repos))
}

/// A token's text, in the old form of 40 characters or the stateless one of about 520.
fn spell(cx: &Cx<'_>, number: u64, long: bool) -> String {
    let seed = format!("{number} {} {}", cx.now, cx.inner.key.pem);
    let block = |part: u8| URL_SAFE_NO_PAD.encode(Sha256::digest(format!("{part} {seed}")));
    if !long {
        let plain: String =
            block(0).chars().filter(char::is_ascii_alphanumeric).chain("0".repeat(36).chars()).collect();
        return format!("ghs_{}", &plain[..36]);
    }
    let claims: String = (1..10).map(block).collect();
    format!("ghs_{}_{}.{}.{}", cx.inner.options.app.id, block(0), claims, block(20))
}

impl Cx<'_> {
    /// Lets only those pass who may do this: an App by its permission, a person by their role.
    ///
    /// `permission` may name alternatives (`issues|pull_requests`), as GitHub does for what both own.
    pub(crate) fn allow(&self, repo: u64, permission: &str, level: Level) -> Result<(), Refusal> {
        let repo = self.world.repos.get(&repo).ok_or_else(Refusal::not_found)?;
        match &self.actor {
            Actor::Installation(grant) => {
                if !grant.repos.contains(&repo.id) {
                    return Err(Refusal::not_found());
                }
                let needed = if level == Level::Write { 2 } else { 1 };
                let has = |name: &str| grant.permissions.get(name).map_or(0, |level| rank(level)) >= needed;
                if permission.split('|').any(has) { Ok(()) } else { Err(Refusal::forbidden()) }
            }
            Actor::App => Err(Refusal::forbidden()),
            Actor::User(login) => {
                let role = self.world.role(repo, login);
                if role < Role::Read {
                    return Err(Refusal::not_found());
                }
                if role < needed_role(permission, level) {
                    return Err(Refusal::new(403, "Must have write access to the repository."));
                }
                Ok(())
            }
            Actor::Anonymous if repo.private => Err(Refusal::not_found()),
            Actor::Anonymous if level == Level::Write => Err(Refusal::new(401, "Requires authentication")),
            Actor::Anonymous => Ok(()),
        }
    }

    /// Lets only the App itself pass (by JWT).
    pub(crate) fn app_only(&self) -> Result<(), Refusal> {
        match self.actor {
            Actor::App => Ok(()),
            _ => Err(Refusal::new(401, "A JSON web token could not be decoded")),
        }
    }

    /// Lets only an installation of the App pass, for what GitHub keeps for Apps.
    pub(crate) fn installation_only(&self) -> Result<(), Refusal> {
        match self.actor {
            Actor::Installation(_) => Ok(()),
            _ => Err(Refusal::new(403, "You must authenticate via a GitHub App.")),
        }
    }
}

fn needed_role(permission: &str, level: Level) -> Role {
    match (level, permission) {
        (Level::Read, _) => Role::Read,
        // Anybody who can read may open, comment, react and review.
        (Level::Write, "issues" | "pull_requests" | "issues|pull_requests") => Role::Read,
        (Level::Write, "labels" | "triage") => Role::Triage,
        (Level::Write, "administration") => Role::Admin,
        (Level::Write, _) => Role::Write,
    }
}
