//! What a GraphQL document walks over: the kinds of node, their names, their fields.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::super::auth::{Actor, Level};
use super::super::cx::{Cx, iso};
use super::super::refusal::Refusal;
use super::super::shape;
use super::super::world::AccountKind;
use super::Args;

/// Something with fields.
#[derive(Debug, Clone)]
pub(crate) enum Node {
    Query,
    Mutation,
    Repo(u64),
    Pull(u64, u64),
    Issue(u64, u64),
    Comment(u64, u64),
    Review(u64, u64, u64),
    Ref(u64, String),
    Commit(u64, String),
    Tag(u64, String),
    Tree(u64, String),
    Blob(u64, String),
    Suite(u64, u64),
    Check(u64, u64),
    Account(String),
    Team(String, String),
    /// A small object whose fields are all known already.
    Plain(&'static str, BTreeMap<&'static str, Out>),
}

/// What a field holds.
#[derive(Debug, Clone)]
pub(crate) enum Out {
    Value(Value),
    Node(Node),
    List(Vec<Node>),
    /// A connection, cut to what is asked for later.
    Page(&'static str, Vec<Node>),
}

/// `None`: there is no such field.
pub(crate) type Found = Result<Option<Out>, Refusal>;

impl Out {
    /// A scalar.
    pub(crate) fn of(value: impl Into<Value>) -> Found {
        Ok(Some(Out::Value(value.into())))
    }

    /// A node, or null.
    pub(crate) fn maybe(node: Option<Node>) -> Found {
        Ok(Some(node.map_or(Out::Value(Value::Null), Out::Node)))
    }
}

impl Node {
    /// A small object.
    pub(crate) fn plain<const N: usize>(kind: &'static str, fields: [(&'static str, Out); N]) -> Self {
        Node::Plain(kind, fields.into_iter().collect())
    }

    /// The name of its type.
    pub(crate) fn typename(&self, cx: &Cx<'_>) -> &'static str {
        match self {
            Node::Query => "Query",
            Node::Mutation => "Mutation",
            Node::Repo(_) => "Repository",
            Node::Pull(..) => "PullRequest",
            Node::Issue(..) => "Issue",
            Node::Comment(..) => "IssueComment",
            Node::Review(..) => "PullRequestReview",
            Node::Ref(..) => "Ref",
            Node::Commit(..) => "Commit",
            Node::Tag(..) => "Tag",
            Node::Tree(..) => "Tree",
            Node::Blob(..) => "Blob",
            Node::Suite(..) => "CheckSuite",
            Node::Check(..) => "CheckRun",
            Node::Account(login) => match cx.world.account(login).map(|account| account.kind) {
                Some(AccountKind::Bot) => "Bot",
                Some(AccountKind::Organization) => "Organization",
                _ => "User",
            },
            Node::Team(..) => "Team",
            Node::Plain(kind, _) => kind,
        }
    }

    /// Whether a fragment on `kind` (an own type, an interface or a union) takes this node.
    pub(crate) fn is(&self, cx: &Cx<'_>, kind: &str) -> bool {
        let own = self.typename(cx);
        let among: &[&str] = match kind {
            "Actor" | "RepositoryOwner" | "ProfileOwner" => &["User", "Bot", "Organization"],
            "GitObject" => &["Commit", "Tag", "Tree", "Blob"],
            "RequestedReviewer" => &["User", "Bot", "Team"],
            "StatusCheckRollupContext" => &["CheckRun", "StatusContext"],
            "IssueOrPullRequest" | "Closable" | "Assignable" | "Labelable" => &["Issue", "PullRequest"],
            "Comment" | "Updatable" | "Minimizable" | "Reactable" => {
                &["Issue", "PullRequest", "IssueComment", "PullRequestReview"]
            }
            "Node" | "UniformResourceLocatable" => return true,
            _ => return own == kind,
        };
        among.contains(&own)
    }

    /// One of its fields.
    pub(crate) fn field(&self, cx: &Cx<'_>, name: &str, args: &Args) -> Found {
        match self {
            Node::Query => query(cx, name, args),
            Node::Mutation => Ok(None),
            Node::Repo(id) => super::repo::repository(cx, *id, name, args),
            Node::Ref(repo, full) => super::repo::reference(cx, (*repo, full), name, args),
            Node::Pull(repo, number) => super::pull::pull(cx, (*repo, *number), name, args),
            Node::Issue(repo, number) => super::pull::issue(cx, (*repo, *number), name, args),
            Node::Comment(repo, id) => super::pull::comment(cx, (*repo, *id), name, args),
            Node::Review(repo, number, id) => super::pull::review(cx, (*repo, *number, *id), name),
            Node::Commit(repo, sha) => super::commit::commit(cx, (*repo, sha), name, args),
            Node::Tag(repo, sha) => super::commit::tag(cx, (*repo, sha), name),
            Node::Tree(repo, sha) => super::commit::tree(cx, (*repo, sha), name),
            Node::Blob(repo, sha) => super::commit::blob(cx, (*repo, sha), name),
            Node::Suite(repo, id) => super::commit::suite(cx, (*repo, *id), name, args),
            Node::Check(repo, id) => super::commit::check(cx, (*repo, *id), name),
            Node::Account(login) => account(cx, login, name),
            Node::Team(org, slug) => team(cx, (org, slug), name),
            Node::Plain(_, fields) => Ok(fields.get(name).cloned()),
        }
    }
}

fn query(cx: &Cx<'_>, name: &str, args: &Args) -> Found {
    let text = |name: &str| args.get(name).and_then(Value::as_str).unwrap_or_default();
    match name {
        "repository" => {
            let missing = || {
                let what =
                    format!("Could not resolve to a Repository with the name '{}/{}'.", text("owner"), text("name"));
                Refusal::new(404, what)
            };
            let repo = cx.world.repo_named(text("owner"), text("name")).ok_or_else(missing)?;
            cx.allow(repo.id, "metadata", Level::Read).map_err(|_| missing())?;
            Ok(Some(Out::Node(Node::Repo(repo.id))))
        }
        "node" => Ok(Some(Out::Node(by_id(cx, text("id"))?))),
        "nodes" => {
            let ids = args.get("ids").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
            Ok(Some(Out::List(ids.map(|id| by_id(cx, id)).collect::<Result<_, _>>()?)))
        }
        "viewer" => Ok(Some(Out::Node(Node::Plain("User", viewer(cx))))),
        "organization" => {
            let org = cx.world.account(text("login")).filter(|account| account.kind == AccountKind::Organization);
            Out::maybe(org.map(|org| Node::Account(org.login.clone())))
        }
        "user" => Out::maybe(cx.world.account(text("login")).map(|user| Node::Account(user.login.clone()))),
        "rateLimit" => {
            let now = cx.now.as_second();
            let reset = jiff::Timestamp::from_second(now - now.rem_euclid(3600) + 3600).map(iso).unwrap_or_default();
            let number = |value: u64| Out::Value(value.into());
            Ok(Some(Out::Node(Node::plain(
                "RateLimit",
                [
                    ("limit", number(5000)),
                    ("cost", number(1)),
                    ("remaining", number(4999)),
                    ("used", number(1)),
                    ("nodeCount", number(1)),
                    ("resetAt", Out::Value(reset.into())),
                ],
            ))))
        }
        _ => Ok(None),
    }
}

fn viewer(cx: &Cx<'_>) -> BTreeMap<&'static str, Out> {
    let login = match &cx.actor {
        Actor::User(login) => login.clone(),
        _ => cx.inner.options.app.bot(),
    };
    let id = cx.world.account(&login).map_or(0, |account| account.id);
    [
        ("login", Out::Value(login.into())),
        ("id", Out::Value(shape::node("User", id).into())),
        ("databaseId", Out::Value(id.into())),
    ]
    .into_iter()
    .collect()
}

/// The node behind a global id, if the caller may see it.
pub(crate) fn by_id(cx: &Cx<'_>, id: &str) -> Result<Node, Refusal> {
    let missing = || Refusal::new(404, format!("Could not resolve to a node with the global id of '{id}'"));
    let (kind, rest) = shape::unnode(id).ok_or_else(missing)?;
    let (repo, inner) = rest.split_once(':').unwrap_or((&rest, ""));
    let repo: u64 = repo.parse().map_err(|_| missing())?;
    cx.allow(repo, "metadata", Level::Read).map_err(|_| missing())?;
    let found = cx.repo(repo)?;
    let number: u64 = inner.parse().unwrap_or_default();
    let node = match kind.as_str() {
        "Repository" => Some(Node::Repo(repo)),
        "PullRequest" => found.pulls.get(&number).map(|_| Node::Pull(repo, number)),
        "Issue" => found.issues.get(&number).map(|_| Node::Issue(repo, number)),
        "IssueComment" => found.comments.get(&number).map(|_| Node::Comment(repo, number)),
        "CheckRun" => found.checks.get(&number).map(|_| Node::Check(repo, number)),
        "CheckSuite" => found.suites.get(&number).map(|_| Node::Suite(repo, number)),
        "Ref" => found.refs.get(inner).map(|_| Node::Ref(repo, inner.to_owned())),
        "Commit" => cx
            .git(repo)
            .ok()
            .filter(|git| super::super::git::is_commit(git, inner))
            .map(|_| Node::Commit(repo, inner.to_owned())),
        _ => None,
    };
    node.ok_or_else(missing)
}

fn account(cx: &Cx<'_>, login: &str, name: &str) -> Found {
    let account = cx.world.account(login);
    let id = account.map_or(0, |account| account.id);
    // GraphQL leaves out what REST appends to the logins of bots.
    let shown = login.strip_suffix("[bot]").unwrap_or(login);
    match name {
        "login" => Out::of(shown),
        "id" => Out::of(shape::node("User", id)),
        "databaseId" => Out::of(id),
        "url" => Out::of(cx.html(&format!("/{shown}"))),
        "resourcePath" => Out::of(format!("/{shown}")),
        "avatarUrl" => Out::of(cx.html(&format!("/avatars/{id}"))),
        "name" => Out::of(Value::Null),
        "email" => Out::of(""),
        "team" => Ok(None),
        _ => Ok(None),
    }
}

fn team(cx: &Cx<'_>, (org, slug): (&str, &str), name: &str) -> Found {
    let key = (org.to_ascii_lowercase(), slug.to_owned());
    let team = cx.world.teams.get(&key).ok_or_else(Refusal::not_found)?;
    match name {
        "id" => Out::of(shape::node("Team", team.id)),
        "databaseId" => Out::of(team.id),
        "slug" | "name" => Out::of(slug),
        "combinedSlug" => Out::of(format!("{}/{slug}", team.org)),
        "organization" => Ok(Some(Out::Node(Node::Account(team.org.clone())))),
        "url" => Out::of(cx.html(&format!("/orgs/{org}/teams/{slug}"))),
        "members" => Ok(Some(Out::Page(
            "TeamMemberConnection",
            team.members.iter().map(|login| Node::Account(login.clone())).collect(),
        ))),
        _ => Ok(None),
    }
}

/// Reactions by kind, with what the caller did himself.
pub(crate) fn reaction_groups(cx: &Cx<'_>, reactions: &[super::super::world::Reaction]) -> Found {
    let me = cx.login();
    let kinds = [
        ("THUMBS_UP", "+1"),
        ("THUMBS_DOWN", "-1"),
        ("LAUGH", "laugh"),
        ("HOORAY", "hooray"),
        ("CONFUSED", "confused"),
        ("HEART", "heart"),
        ("ROCKET", "rocket"),
        ("EYES", "eyes"),
    ];
    let groups = kinds.iter().map(|(shown, content)| {
        let mine: Vec<_> = reactions.iter().filter(|one| one.content == *content).collect();
        let reactors = mine.iter().map(|one| Node::Account(one.author.clone())).collect();
        Node::plain(
            "ReactionGroup",
            [
                ("content", Out::Value((*shown).into())),
                ("viewerHasReacted", Out::Value(mine.iter().any(|one| one.author == me).into())),
                ("createdAt", Out::Value(json!(mine.first().map(|one| iso(one.at))))),
                ("reactors", Out::Page("ReactorConnection", reactors)),
            ],
        )
    });
    Ok(Some(Out::List(groups.collect())))
}
