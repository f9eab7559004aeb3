//! Every call this program can make, and what each needs: the one table that builds requests, scopes tokens and is the App's manifest.

use http::Method;

/// Which token a call is made with; its permissions are the union of what its calls need (see [`Access::permissions`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Access {
    /// The App's own JWT.
    App,
    /// The whole installation: who is in which team.
    Members,
    /// The whole installation: which repositories there are, and one file of each. A sweep does both, with one token.
    Files,
    /// One repository: its content through git; all that most source repositories are ever asked for.
    ReadContents,
    /// One repository: everything but writing.
    Observe,
    /// One repository: writing.
    Work,
    /// One repository: its merge queues. Apart, so that an account that has not granted them yet loses nothing else.
    Queue,
    /// One repository: its deployments. Apart, so that an account that has not granted them yet loses nothing else.
    Deploy,
}

/// How much of a permission is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// To read.
    Read,
    /// To write, which includes reading.
    Write,
}

impl Level {
    /// GitHub's word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Level::Read => "read",
            Level::Write => "write",
        }
    }
}

/// One call.
#[derive(Debug)]
pub struct Call {
    /// What we call it.
    pub name: &'static str,
    /// The method.
    pub method: Method,
    /// The path as GitHub's API description writes it.
    pub path: &'static str,
    /// The GraphQL document, for the GraphQL path.
    pub document: Option<&'static str>,
    /// The token it is made with.
    pub access: Access,
    /// The permissions it needs.
    pub needs: &'static [(&'static str, Level)],
}

macro_rules! calls {
    ($($name:ident: $method:ident $path:literal $([$($document:literal),+])?, $access:ident $($permission:ident $level:ident)*;)*) => {
        /// A call by name.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum Op { $($name),* }

        /// Every call.
        pub static CALLS: &[Call] = &[$(Call {
            name: stringify!($name),
            method: Method::$method,
            path: $path,
            document: calls!(@document $($($document),+)?),
            access: Access::$access,
            needs: &[$((stringify!($permission), Level::$level)),*],
        }),*];
    };
    (@document) => { None };
    (@document $($document:literal),+) => { Some(concat!($(include_str!($document)),+)) };
}

calls! {
    App: GET "/app", App;
    Installations: GET "/app/installations", App;
    Token: POST "/app/installations/{installation_id}/access_tokens", App;
    Deliveries: GET "/app/hook/deliveries", App;
    Redeliver: POST "/app/hook/deliveries/{delivery_id}/attempts", App;

    Repositories: GET "/installation/repositories", Files metadata Read;
    Files: POST "/graphql" ["file_fields.graphql"], Files metadata Read contents Read;
    Member: GET "/orgs/{org}/teams/{team_slug}/memberships/{username}", Members members Read;
    Fetch: POST "/{owner}/{repo}.git/git-upload-pack", ReadContents contents Read metadata Read;

    Repo: POST "/graphql" ["repo.graphql", "repo_fields.graphql", "brief_fields.graphql"],
        Observe metadata Read contents Read pull_requests Read issues Read;
    Open: POST "/graphql" ["open.graphql", "brief_fields.graphql"], Observe metadata Read pull_requests Read;
    Pull: POST "/graphql" ["pull.graphql", "repo_fields.graphql", "pull_fields.graphql", "brief_fields.graphql",
        "comment_fields.graphql", "check_fields.graphql"],
        Observe metadata Read contents Read pull_requests Read issues Read checks Read members Read;
    Comments: POST "/graphql" ["comments.graphql", "comment_fields.graphql"],
        Observe metadata Read pull_requests Read issues Read;
    Head: POST "/graphql" ["head.graphql", "repo_fields.graphql", "pull_fields.graphql", "brief_fields.graphql",
        "check_fields.graphql"], Observe metadata Read contents Read pull_requests Read checks Read members Read;
    Heads: POST "/graphql" ["heads.graphql"], Observe metadata Read pull_requests Read;
    Branch: POST "/graphql" ["branch.graphql", "brief_fields.graphql"], Observe metadata Read pull_requests Read;
    Checks: POST "/graphql" ["checks.graphql"], Observe metadata Read contents Read checks Read statuses Read;
    Arrival: POST "/graphql" ["arrival.graphql", "brief_fields.graphql"],
        Observe metadata Read contents Read pull_requests Read checks Read;
    CameWith: POST "/graphql" ["came_with_fields.graphql"], Observe metadata Read contents Read pull_requests Read;
    Merging: POST "/graphql" ["merging.graphql"],
        Observe metadata Read contents Read pull_requests Read checks Read statuses Read;
    Commits: GET "/repos/{owner}/{repo}/commits", Observe contents Read metadata Read;
    Rules: GET "/repos/{owner}/{repo}/rules/branches/{branch}", Observe metadata Read;
    Ruleset: GET "/repos/{owner}/{repo}/rulesets/{ruleset_id}", Observe metadata Read;
    Turn: POST "/graphql" ["turn.graphql"], Observe metadata Read pull_requests Read checks Read;
    Landed: POST "/graphql" ["landed.graphql"], Observe metadata Read pull_requests Read;
    Labels: POST "/graphql" ["labels.graphql"], Observe metadata Read pull_requests Read;
    Reviews: GET "/repos/{owner}/{repo}/pulls/{pull_number}/reviews", Observe pull_requests Read metadata Read;
    Permission: GET "/repos/{owner}/{repo}/collaborators/{username}/permission", Observe metadata Read;
    Issues: GET "/repos/{owner}/{repo}/issues", Observe issues Read;

    CreateCheck: POST "/repos/{owner}/{repo}/check-runs", Work checks Write;
    UpdateCheck: PATCH "/repos/{owner}/{repo}/check-runs/{check_run_id}", Work checks Write;
    CreateComment: POST "/repos/{owner}/{repo}/issues/{issue_number}/comments", Work issues Write;
    UpdateComment: PATCH "/repos/{owner}/{repo}/issues/comments/{comment_id}", Work issues Write;
    CreateIssue: POST "/repos/{owner}/{repo}/issues", Work issues Write;
    UpdateIssue: PATCH "/repos/{owner}/{repo}/issues/{issue_number}", Work issues Write;
    React: POST "/repos/{owner}/{repo}/issues/comments/{comment_id}/reactions", Work issues Write;
    CreateRef: POST "/repos/{owner}/{repo}/git/refs", Work contents Write;
    GetRef: GET "/repos/{owner}/{repo}/git/ref/{ref}", Work contents Read;
    DeleteRef: DELETE "/repos/{owner}/{repo}/git/refs/{ref}", Work contents Write;
    CreateTree: POST "/repos/{owner}/{repo}/git/trees", Work contents Write;
    CreateCommit: POST "/repos/{owner}/{repo}/git/commits", Work contents Write;
    CommitOnBranch: POST "/graphql" ["commit.graphql"], Work contents Write;
    OpenPull: POST "/repos/{owner}/{repo}/pulls", Work pull_requests Write;
    FindPull: GET "/repos/{owner}/{repo}/pulls", Work pull_requests Read;
    UpdatePull: PATCH "/repos/{owner}/{repo}/pulls/{pull_number}", Work pull_requests Write;
    Merge: PUT "/repos/{owner}/{repo}/pulls/{pull_number}/merge", Work contents Write;
    UpdateBranch: PUT "/repos/{owner}/{repo}/pulls/{pull_number}/update-branch", Work pull_requests Write;
    Suggest: POST "/repos/{owner}/{repo}/pulls/{pull_number}/reviews", Work pull_requests Write;
    RequestReviews: POST "/repos/{owner}/{repo}/pulls/{pull_number}/requested_reviewers", Work pull_requests Write;

    Enqueue: POST "/graphql" ["enqueue.graphql"], Queue contents Write pull_requests Write merge_queues Write;
    Dequeue: POST "/graphql" ["dequeue.graphql"], Queue contents Write pull_requests Write merge_queues Write;

    Deployments: POST "/graphql" ["deployments.graphql"], Deploy metadata Read deployments Read;
    CreateDeployment: POST "/repos/{owner}/{repo}/deployments", Deploy deployments Write;
    SetDeployment: POST "/repos/{owner}/{repo}/deployments/{deployment_id}/statuses", Deploy deployments Write;
}

impl Op {
    /// Its row in the table.
    pub(super) fn call(self) -> &'static Call {
        &CALLS[self as usize]
    }
}

impl Access {
    /// The permissions a token of this kind is minted with: what its calls need and nothing more.
    pub fn permissions(self) -> Vec<(&'static str, Level)> {
        let mut union = std::collections::BTreeMap::new();
        for (permission, level) in CALLS.iter().filter(|call| call.access == self).flat_map(|call| call.needs) {
            let most = union.entry(*permission).or_insert(*level);
            *most = (*most).max(*level);
        }
        union.into_iter().collect()
    }

    /// Whose token also serves, when one is at hand: it may read all that this may and writes as little, so that another would
    /// only be another request. It is never minted for this alone.
    pub(super) fn served_by(self) -> Option<Access> {
        (self == Access::ReadContents).then_some(Access::Observe)
    }
}

/// Every event we ask GitHub to send, and the permission a subscription to it needs.
///
/// `installation`, `installation_repositories` and `ping` come unasked.
pub static EVENTS: &[(&str, &str)] = &[
    ("check_run", "checks"),
    ("check_suite", "checks"),
    ("issue_comment", "issues"),
    ("merge_group", "merge_queues"),
    ("pull_request", "pull_requests"),
    ("pull_request_review", "pull_requests"),
    ("pull_request_review_thread", "pull_requests"),
    ("push", "contents"),
    ("repository", "metadata"),
    ("status", "statuses"),
];

/// Fills the holes of a path template, percent-encoding what stands in them; refs keep their slashes.
pub(super) fn fill(template: &str, values: &[&str]) -> String {
    let mut out = String::new();
    let mut values = values.iter();
    let mut rest = template;
    while let Some((before, tail)) = rest.split_once('{') {
        let (name, after) = tail.split_once('}').unwrap_or((tail, ""));
        out.push_str(before);
        encode(values.next().copied().unwrap_or_default(), name == "ref", &mut out);
        rest = after;
    }
    out + rest
}

/// Percent-encodes for a path or a query.
pub(super) fn encode(text: &str, keep_slash: bool, out: &mut String) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) || (keep_slash && byte == b'/') {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t18_hostile_names_stay_in_their_hole() {
        assert_eq!(
            fill("/repos/{owner}/{repo}/git/ref/{ref}", &["acme", "../x?y", "heads/a b/..%2f#é"]),
            "/repos/acme/..%2Fx%3Fy/git/ref/heads/a%20b/..%252f%23%C3%A9"
        );
    }

    #[test]
    fn tokens_carry_the_least() {
        let text = |access: Access| {
            access.permissions().iter().map(|(p, l)| format!("{p}:{}", l.as_str())).collect::<Vec<_>>().join(" ")
        };
        insta::assert_snapshot!(text(Access::Members), @"members:read");
        insta::assert_snapshot!(text(Access::Files), @"contents:read metadata:read");
        insta::assert_snapshot!(text(Access::ReadContents), @"contents:read metadata:read");
        insta::assert_snapshot!(text(Access::Observe), @"checks:read contents:read issues:read members:read metadata:read pull_requests:read statuses:read");
        insta::assert_snapshot!(text(Access::Deploy), @"deployments:write metadata:read");
        insta::assert_snapshot!(text(Access::Queue), @"contents:write merge_queues:write pull_requests:write");
        insta::assert_snapshot!(text(Access::Work), @"checks:write contents:write issues:write pull_requests:write");
    }

    #[test]
    fn a_token_that_serves_another_job_reads_as_much_and_writes_nothing() {
        for access in [Access::App, Access::Members, Access::Files, Access::ReadContents, Access::Observe, Access::Work]
        {
            let Some(serves) = access.served_by() else { continue };
            let may = serves.permissions();
            assert!(may.iter().all(|(_, level)| *level == Level::Read), "{serves:?} writes");
            assert!(access.permissions().iter().all(|need| may.contains(need)), "{serves:?} cannot do {access:?}");
        }
    }

    #[test]
    fn t46_the_manifest_asks_for_what_the_calls_need_and_no_more() {
        let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/app-manifest.yml")).unwrap();
        let manifest: serde_json::Value = serde_yaml::from_str(&text).unwrap();
        let mut needed = std::collections::BTreeMap::new();
        for (permission, level) in CALLS.iter().flat_map(|call| call.needs) {
            let most = needed.entry((*permission).to_owned()).or_insert(*level);
            *most = (*most).max(*level);
        }
        for (event, permission) in EVENTS {
            // An event whose permission no call needs asks for it all the same: to read.
            needed.entry((*permission).to_owned()).or_insert(Level::Read);
            assert!(!event.is_empty());
        }
        let needed: std::collections::BTreeMap<_, _> = needed.iter().map(|(p, l)| (p.as_str(), l.as_str())).collect();
        let asked = manifest["default_permissions"].as_object().unwrap();
        let asked: std::collections::BTreeMap<_, _> =
            asked.iter().map(|(p, l)| (p.as_str(), l.as_str().unwrap())).collect();
        assert_eq!(asked, needed);
        // What would let a stolen token change what runs, who may do what, or what is secret.
        for never in ["actions", "administration", "secrets", "workflows", "organization_administration"] {
            assert!(!asked.contains_key(never), "{never}");
        }
        let events: Vec<_> =
            manifest["default_events"].as_array().unwrap().iter().map(|e| e.as_str().unwrap()).collect();
        assert_eq!(events, EVENTS.iter().map(|(event, _)| *event).collect::<Vec<_>>());
    }
}
