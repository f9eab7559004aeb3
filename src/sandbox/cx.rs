//! What every act has at hand: the world, the time, who acts, and what it set off.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;

use jiff::Timestamp;

use super::Inner;
use super::auth::Actor;
use super::refusal::Refusal;
use super::world::{Account, AccountKind, Repo, World};

/// One act or one look, with the world it happens in.
pub(crate) struct Cx<'a> {
    pub(crate) inner: &'a Inner,
    pub(crate) world: &'a mut World,
    pub(crate) now: Timestamp,
    pub(crate) actor: Actor,
    /// Deliveries this act set off, by their number in the log.
    pub(crate) sent: Vec<u64>,
    /// Whether a mutation went through.
    pub(crate) wrote: bool,
    /// The repositories opened so far.
    open: RefCell<BTreeMap<u64, Rc<git2::Repository>>>,
}

impl<'a> Cx<'a> {
    /// Opens the world for one act.
    pub(crate) fn new(inner: &'a Inner, world: &'a mut World, actor: Actor) -> Self {
        let (now, open) = (inner.options.clock.now(), RefCell::default());
        Self { inner, world, now, actor, sent: Vec::new(), wrote: false, open }
    }

    /// A repository by its number.
    pub(crate) fn repo(&self, id: u64) -> Result<&Repo, Refusal> {
        self.world.repos.get(&id).map(Arc::as_ref).ok_or_else(Refusal::not_found)
    }

    /// The same, to change it.
    pub(crate) fn repo_mut(&mut self, id: u64) -> Result<&mut Repo, Refusal> {
        self.world.repos.get_mut(&id).map(Arc::make_mut).ok_or_else(Refusal::not_found)
    }

    /// Where a repository lies on disk.
    pub(crate) fn path(&self, id: u64) -> PathBuf {
        self.inner.repo_path(id)
    }

    /// A repository's objects; opened once, since a query asks for them at every field.
    pub(crate) fn git(&self, id: u64) -> Result<Rc<git2::Repository>, Refusal> {
        let mut open = self.open.borrow_mut();
        if let Some(git) = open.get(&id) {
            return Ok(Rc::clone(git));
        }
        let git = Rc::new(git2::Repository::open_bare(self.path(id))?);
        open.insert(id, Rc::clone(&git));
        Ok(git)
    }

    /// The login that stands beside what this act makes.
    pub(crate) fn login(&self) -> String {
        match &self.actor {
            Actor::User(login) => login.clone(),
            Actor::App | Actor::Installation(_) => self.inner.options.app.bot(),
            Actor::Anonymous => "ghost".to_owned(),
        }
    }

    /// Takes note of an account that does not exist yet, for instance another App's bot.
    pub(crate) fn ensure_account(&mut self, login: &str) {
        let kind = if login.ends_with("[bot]") { AccountKind::Bot } else { AccountKind::User };
        self.world.add_account(login, kind);
    }
}

impl Inner {
    /// Where a repository lies on disk.
    pub(crate) fn repo_path(&self, id: u64) -> PathBuf {
        self.options.dir.join("git").join(format!("{id}.git"))
    }
}

impl World {
    /// Adds an account unless its login is taken.
    pub(crate) fn add_account(&mut self, login: &str, kind: AccountKind) {
        let key = login.to_ascii_lowercase();
        if !self.accounts.contains_key(&key) {
            let id = self.id();
            self.accounts.insert(key, Account { id, login: login.to_owned(), kind });
        }
    }
}

/// A time as GitHub writes it.
pub(crate) fn iso(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}
