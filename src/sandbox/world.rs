//! What the sandbox knows: one plain, cloneable value, so that the world before the last write can still be read.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::Value;

/// Everything but git objects, behind shared pointers so that a copy costs little; refs are mirrored here so that a stale read sees the refs of its time.
#[derive(Debug, Clone, Default)]
pub(crate) struct World {
    pub(crate) last_id: u64,
    pub(crate) accounts: BTreeMap<String, Account>,
    pub(crate) teams: BTreeMap<(String, String), Team>,
    pub(crate) repos: BTreeMap<u64, Arc<Repo>>,
    pub(crate) installations: BTreeMap<u64, Installation>,
    pub(crate) tokens: BTreeMap<String, Token>,
    pub(crate) deliveries: BTreeMap<u64, Arc<Logged>>,
    /// Container images by name, without host.
    pub(crate) images: BTreeMap<String, super::registry::Image>,
    /// Old names, in lower case, of repositories that moved.
    pub(crate) moved: BTreeMap<String, u64>,
}

/// A person, an organisation or an App's bot user.
#[derive(Debug, Clone)]
pub(crate) struct Account {
    pub(crate) id: u64,
    pub(crate) login: String,
    pub(crate) kind: AccountKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AccountKind {
    User,
    Organization,
    Bot,
}

#[derive(Debug, Clone)]
pub(crate) struct Team {
    pub(crate) id: u64,
    pub(crate) org: String,
    pub(crate) slug: String,
    pub(crate) members: BTreeSet<String>,
}

/// What a person may do in a repository, from least to most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Role {
    None,
    Read,
    Triage,
    Write,
    Maintain,
    Admin,
}

impl Role {
    /// Reads a role as GitHub writes it.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "none" => Role::None,
            "read" | "pull" => Role::Read,
            "triage" => Role::Triage,
            "write" | "push" => Role::Write,
            "maintain" => Role::Maintain,
            "admin" => Role::Admin,
            _ => return None,
        })
    }

    /// The role's own name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Role::None => "none",
            Role::Read => "read",
            Role::Triage => "triage",
            Role::Write => "write",
            Role::Maintain => "maintain",
            Role::Admin => "admin",
        }
    }

    /// The coarse permission GitHub maps it to.
    pub(crate) fn coarse(self) -> &'static str {
        match self {
            Role::Triage => "read",
            Role::Maintain => "write",
            other => other.name(),
        }
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Repo {
    pub(crate) id: u64,
    pub(crate) owner: String,
    pub(crate) name: String,
    pub(crate) private: bool,
    pub(crate) fork_of: Option<u64>,
    pub(crate) default_branch: String,
    pub(crate) created_at: Timestamp,
    pub(crate) roles: BTreeMap<String, Role>,
    /// Full names (`refs/heads/main`) to object ids; `refs/pull/*` included.
    pub(crate) refs: BTreeMap<String, String>,
    pub(crate) pushers: BTreeMap<String, String>,
    /// Commits GitHub itself signed.
    pub(crate) signed: BTreeSet<String>,
    pub(crate) last_number: u64,
    pub(crate) issues: BTreeMap<u64, Issue>,
    pub(crate) pulls: BTreeMap<u64, Pull>,
    pub(crate) comments: BTreeMap<u64, Comment>,
    pub(crate) suites: BTreeMap<u64, Suite>,
    pub(crate) checks: BTreeMap<u64, Check>,
    pub(crate) statuses: Vec<Status>,
    pub(crate) labels: BTreeMap<String, Label>,
    pub(crate) deployments: BTreeMap<u64, Deployment>,
    pub(crate) settings: Settings,
    pub(crate) protection: BTreeMap<String, Protection>,
    /// Pull requests in merge queues, those of one branch in their order.
    pub(crate) queue: Vec<Queued>,
}

impl Repo {
    /// `owner/name`.
    pub(crate) fn full_name(&self) -> String {
        format!("{}/{}", self.owner, self.name)
    }

    /// The tip of a branch.
    pub(crate) fn branch(&self, branch: &str) -> Option<&String> {
        self.refs.get(&format!("refs/heads/{branch}"))
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) merge_commit: bool,
    pub(crate) squash: bool,
    pub(crate) rebase: bool,
    pub(crate) auto_merge: bool,
    pub(crate) delete_branch_on_merge: bool,
    /// GitHub has not worked out what merges, as for seconds after each push.
    pub(crate) computing: bool,
    pub(crate) issues: bool,
    pub(crate) archived: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            merge_commit: true,
            squash: true,
            rebase: true,
            auto_merge: false,
            delete_branch_on_merge: false,
            computing: false,
            issues: true,
            archived: false,
        }
    }
}

/// What a protected branch asks of a merge and of a push: one ruleset, or classic protection.
#[derive(Debug, Clone, Default)]
pub struct Protection {
    /// Check or status names that must have passed on the head.
    pub required_checks: Vec<String>,
    /// The same, posted by the App with this number.
    pub app_checks: Vec<(String, u64)>,
    /// How many approving reviews a merge needs.
    pub required_reviews: usize,
    /// The owners of the changed files, by CODEOWNERS, must have approved.
    pub code_owners: bool,
    /// A push takes approvals away.
    pub dismiss_stale: bool,
    /// Conversations must be resolved.
    pub conversations: bool,
    /// The head must hold the newest base.
    pub up_to_date: bool,
    /// Every commit must be signed.
    pub signatures: bool,
    /// No merge commits.
    pub linear: bool,
    /// The ways of merging that are left; empty: all.
    pub methods: Vec<String>,
    /// Merges go through a queue.
    pub queue: bool,
    /// How the queue merges: `MERGE`, `SQUASH` or `REBASE`; empty: `SQUASH`.
    pub queue_method: String,
    /// Environments to which the head must have been deployed.
    pub deployments: Vec<String>,
    /// Nobody changes the branch but who is in `bypass`.
    pub locked: bool,
    /// It is classic protection, of which only administrators see everything.
    pub classic: bool,
    /// No direct push; only the logins (or `<slug>[bot]`) in `bypass` may.
    pub no_push: bool,
    /// Who may push all the same, and merge whatever the rules ask.
    pub bypass: Vec<String>,
}

impl Protection {
    /// Whether the rules let somebody pass.
    pub(crate) fn lets_pass(&self, login: &str) -> bool {
        self.bypass.iter().any(|one| one.eq_ignore_ascii_case(login))
    }

    /// How its queue merges.
    pub(crate) fn queue_method(&self) -> &str {
        if self.queue_method.is_empty() { "SQUASH" } else { &self.queue_method }
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Label {
    pub(crate) id: u64,
    pub(crate) name: String,
    pub(crate) color: String,
    pub(crate) description: Option<String>,
}

/// The half that an issue and a pull request share.
#[derive(Debug, Clone)]
pub(crate) struct Issue {
    pub(crate) id: u64,
    pub(crate) number: u64,
    pub(crate) title: String,
    pub(crate) body: Option<String>,
    pub(crate) author: String,
    pub(crate) open: bool,
    pub(crate) labels: BTreeSet<String>,
    /// Every time a label was set or taken off, oldest first.
    pub(crate) labelings: Vec<Labeling>,
    pub(crate) assignees: BTreeSet<String>,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
    pub(crate) closed_at: Option<Timestamp>,
    pub(crate) closed_by: Option<String>,
}

/// A label set or taken off.
#[derive(Debug, Clone)]
pub(crate) struct Labeling {
    /// The label's key in the repository.
    pub(crate) label: String,
    pub(crate) set: bool,
    pub(crate) by: String,
    pub(crate) at: Timestamp,
}

#[derive(Debug, Clone)]
pub(crate) struct Pull {
    pub(crate) id: u64,
    pub(crate) number: u64,
    pub(crate) base: String,
    pub(crate) base_sha: String,
    pub(crate) head: String,
    pub(crate) head_sha: String,
    /// `None`: the fork it came from is gone.
    pub(crate) head_repo: Option<u64>,
    pub(crate) draft: bool,
    pub(crate) merged: Option<Merged>,
    pub(crate) reviews: Vec<Review>,
    pub(crate) threads: Vec<Thread>,
    /// Every time it was put into a merge queue or taken out, oldest first.
    pub(crate) queueings: Vec<Queueing>,
    /// When somebody deleted its branch.
    pub(crate) head_deleted_at: Option<Timestamp>,
    pub(crate) asked_users: BTreeSet<String>,
    pub(crate) asked_teams: BTreeSet<String>,
    pub(crate) auto_merge: Option<String>,
    pub(crate) maintainer_can_modify: bool,
}

#[derive(Debug, Clone)]
pub(crate) struct Merged {
    pub(crate) at: Timestamp,
    pub(crate) by: String,
    pub(crate) sha: String,
}

#[derive(Debug, Clone)]
pub(crate) struct Review {
    pub(crate) id: u64,
    pub(crate) author: String,
    pub(crate) state: String,
    pub(crate) body: String,
    pub(crate) commit: String,
    pub(crate) at: Timestamp,
    pub(crate) remarks: Vec<super::acts::reviews::Remark>,
}

/// A pull request in a merge queue.
#[derive(Debug, Clone)]
pub(crate) struct Queued {
    pub(crate) id: u64,
    pub(crate) number: u64,
    pub(crate) base: String,
    pub(crate) by: String,
    pub(crate) at: Timestamp,
    /// What was built of it on top of what stands before it.
    pub(crate) group: Option<Group>,
}

/// A merge group: a temporary branch with one pull request on top of those before it.
#[derive(Debug, Clone)]
pub(crate) struct Group {
    /// The branch's full name.
    pub(crate) name: String,
    pub(crate) base_sha: String,
    pub(crate) head_sha: String,
}

/// A pull request put into a merge queue, or taken out for a reason.
#[derive(Debug, Clone)]
pub(crate) struct Queueing {
    pub(crate) out: Option<&'static str>,
    pub(crate) by: String,
    pub(crate) at: Timestamp,
}

/// A conversation about a line.
#[derive(Debug, Clone)]
pub(crate) struct Thread {
    pub(crate) id: u64,
    pub(crate) resolved: bool,
}

#[derive(Debug, Clone)]
pub(crate) struct Comment {
    pub(crate) id: u64,
    pub(crate) number: u64,
    pub(crate) author: String,
    pub(crate) body: String,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
    pub(crate) edited_at: Option<Timestamp>,
    pub(crate) minimized: Option<String>,
    pub(crate) reactions: Vec<Reaction>,
}

#[derive(Debug, Clone)]
pub(crate) struct Reaction {
    pub(crate) id: u64,
    pub(crate) author: String,
    pub(crate) content: String,
    pub(crate) at: Timestamp,
}

#[derive(Debug, Clone)]
pub(crate) struct Suite {
    pub(crate) id: u64,
    pub(crate) app: String,
    pub(crate) head_sha: String,
    pub(crate) created_at: Timestamp,
}

#[derive(Debug, Clone)]
pub(crate) struct Check {
    pub(crate) id: u64,
    pub(crate) suite: u64,
    /// The slug of the App it belongs to.
    pub(crate) app: String,
    pub(crate) name: String,
    pub(crate) head_sha: String,
    pub(crate) external_id: String,
    pub(crate) details_url: Option<String>,
    pub(crate) status: String,
    pub(crate) conclusion: Option<String>,
    pub(crate) started_at: Timestamp,
    pub(crate) completed_at: Option<Timestamp>,
    pub(crate) title: Option<String>,
    pub(crate) summary: Option<String>,
    pub(crate) text: Option<String>,
    pub(crate) annotations: Vec<Value>,
    pub(crate) actions: Vec<Value>,
}

#[derive(Debug, Clone)]
pub(crate) struct Status {
    pub(crate) id: u64,
    pub(crate) sha: String,
    pub(crate) state: String,
    pub(crate) context: String,
    pub(crate) description: Option<String>,
    pub(crate) target_url: Option<String>,
    pub(crate) author: String,
    pub(crate) at: Timestamp,
}

#[derive(Debug, Clone)]
pub(crate) struct Deployment {
    pub(crate) id: u64,
    pub(crate) sha: String,
    pub(crate) git_ref: String,
    pub(crate) environment: String,
    pub(crate) task: String,
    pub(crate) payload: Value,
    pub(crate) description: Option<String>,
    pub(crate) author: String,
    pub(crate) at: Timestamp,
    pub(crate) statuses: Vec<DeploymentStatus>,
}

#[derive(Debug, Clone)]
pub(crate) struct DeploymentStatus {
    pub(crate) id: u64,
    pub(crate) state: String,
    pub(crate) description: String,
    pub(crate) log_url: String,
    pub(crate) environment_url: String,
    pub(crate) author: String,
    pub(crate) at: Timestamp,
}

#[derive(Debug, Clone)]
pub(crate) struct Installation {
    pub(crate) id: u64,
    pub(crate) account: String,
    /// `None`: all repositories of the account.
    pub(crate) repos: Option<BTreeSet<u64>>,
    pub(crate) created_at: Timestamp,
}

/// An installation token and how far it reaches.
#[derive(Debug, Clone)]
pub(crate) struct Token {
    pub(crate) installation: u64,
    pub(crate) repos: Option<BTreeSet<u64>>,
    pub(crate) permissions: BTreeMap<String, String>,
    pub(crate) expires_at: Timestamp,
}

/// A delivery as `/app/hook/deliveries` remembers it.
#[derive(Debug, Clone)]
pub(crate) struct Logged {
    pub(crate) delivery: super::Delivery,
    pub(crate) installation: Option<u64>,
    pub(crate) repository: Option<u64>,
    pub(crate) at: Timestamp,
    pub(crate) redelivery: bool,
    /// `None` until somebody tried.
    pub(crate) status_code: Option<u16>,
}

impl World {
    /// The next number for anything that wants one.
    pub(crate) fn id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    /// A repository by `owner/name`, without regard to case.
    pub(crate) fn repo_named(&self, owner: &str, name: &str) -> Option<&Repo> {
        self.repos
            .values()
            .map(Arc::as_ref)
            .find(|repo| repo.owner.eq_ignore_ascii_case(owner) && repo.name.eq_ignore_ascii_case(name))
    }

    /// Whether nothing in any repository differs: untouched ones are still the very same.
    pub(crate) fn same_repos(&self, other: &World) -> bool {
        self.repos.len() == other.repos.len()
            && self.repos.iter().all(|(id, repo)| other.repos.get(id).is_some_and(|one| Arc::ptr_eq(one, repo)))
    }

    /// The installation that covers a repository.
    pub(crate) fn installation_of(&self, repo: &Repo) -> Option<&Installation> {
        self.installations.values().find(|installation| {
            installation.account.eq_ignore_ascii_case(&repo.owner)
                && installation.repos.as_ref().is_none_or(|repos| repos.contains(&repo.id))
        })
    }

    /// The repositories an installation reaches.
    pub(crate) fn reach(&self, installation: &Installation) -> BTreeSet<u64> {
        self.repos
            .values()
            .filter(|repo| repo.owner.eq_ignore_ascii_case(&installation.account))
            .filter(|repo| installation.repos.as_ref().is_none_or(|repos| repos.contains(&repo.id)))
            .map(|repo| repo.id)
            .collect()
    }

    /// An account by its login, without regard to case.
    pub(crate) fn account(&self, login: &str) -> Option<&Account> {
        self.accounts.get(&login.to_ascii_lowercase())
    }

    /// What a person may do in a repository: the owner everything, everybody may read what is public.
    pub(crate) fn role(&self, repo: &Repo, login: &str) -> Role {
        if repo.owner.eq_ignore_ascii_case(login) {
            return Role::Admin;
        }
        let floor = if repo.private { Role::None } else { Role::Read };
        repo.roles.get(&login.to_ascii_lowercase()).copied().unwrap_or(floor).max(floor)
    }
}
