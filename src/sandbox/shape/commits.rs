//! Commits, refs, tags and files.

use git2::Oid;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::super::cx::{Cx, iso};
use super::super::git::{self, FileDiff};
use super::super::refusal::Refusal;
use super::super::world::Repo;
use super::node;

/// A signature's time as GitHub writes it.
pub(crate) fn when(signature: &git2::Signature<'_>) -> String {
    Timestamp::from_second(signature.when().seconds()).map(iso).unwrap_or_default()
}

fn verification(signed: bool) -> Value {
    json!({
        "verified": signed,
        "reason": if signed { "valid" } else { "unsigned" },
        "signature": signed.then_some("-----BEGIN PGP SIGNATURE-----\nsandbox\n-----END PGP SIGNATURE-----"),
        "payload": signed.then_some("sandbox"),
        "verified_at": null,
    })
}

impl Cx<'_> {
    /// The account a commit's address belongs to.
    pub(crate) fn account_of_mail(&self, mail: &str) -> Option<String> {
        let (id, login) = mail.strip_suffix("@users.noreply.github.com")?.split_once('+')?;
        let account = self.world.account(login)?;
        (id == account.id.to_string()).then(|| account.login.clone())
    }

    /// A commit as webhooks carry it.
    pub(crate) fn push_commit(&self, repo: u64, sha: Oid) -> Result<Value, Refusal> {
        let git = self.git(repo)?;
        let commit = git.find_commit(sha)?;
        let person = |signature: &git2::Signature<'_>| {
            let (name, mail) = git::people(signature);
            let mut person = json!({ "name": name, "email": mail, "date": when(signature) });
            if let Some(login) = self.account_of_mail(&mail) {
                person["username"] = login.into();
            }
            person
        };
        let touched = git::touched(&git, sha)?;
        let of = |kind: char| touched.iter().filter(|(one, _)| *one == kind).map(|(_, path)| path).collect::<Vec<_>>();
        Ok(json!({
            "id": sha.to_string(),
            "tree_id": commit.tree_id().to_string(),
            "distinct": true,
            "message": commit.message().unwrap_or_default(),
            "timestamp": when(&commit.committer()),
            "url": self.repo_html(self.repo(repo)?, &format!("/commit/{sha}")),
            "author": person(&commit.author()),
            "committer": person(&commit.committer()),
            "added": of('+'),
            "removed": of('-'),
            "modified": of('~'),
        }))
    }

    /// A commit as REST shows it.
    pub(crate) fn commit(&self, id: u64, sha: &str) -> Result<Value, Refusal> {
        let (repo, git) = (self.repo(id)?, self.git(id)?);
        let commit = git.find_commit(git::oid(sha)?)?;
        let api = self.repo_api(repo, &format!("/commits/{sha}"));
        let html = |sha: &str| self.repo_html(repo, &format!("/commit/{sha}"));
        let person = |signature: &git2::Signature<'_>| {
            let (name, mail) = git::people(signature);
            json!({ "name": name, "email": mail, "date": when(signature) })
        };
        let user = |signature: &git2::Signature<'_>| match self.account_of_mail(&git::people(signature).1) {
            Some(login) => self.user(&login),
            None => Value::Null,
        };
        let parents: Vec<Value> = commit
            .parent_ids()
            .map(|parent| parent.to_string())
            .map(|parent| {
                json!({ "sha": parent, "url": self.repo_api(repo, &format!("/commits/{parent}")), "html_url": html(&parent) })
            })
            .collect();
        let tree = commit.tree_id().to_string();
        Ok(json!({
            "sha": sha,
            "node_id": node("Commit", format!("{id}:{sha}")),
            "url": api,
            "html_url": html(sha),
            "comments_url": format!("{api}/comments"),
            "commit": {
                "author": person(&commit.author()),
                "committer": person(&commit.committer()),
                "message": commit.message().unwrap_or_default().trim_end(),
                "tree": { "sha": tree, "url": self.repo_api(repo, &format!("/git/trees/{tree}")) },
                "url": self.repo_api(repo, &format!("/git/commits/{sha}")),
                "comment_count": 0,
                "verification": verification(repo.signed.contains(sha)),
            },
            "author": user(&commit.author()),
            "committer": user(&commit.committer()),
            "parents": parents,
        }))
    }

    /// A commit as the Git Data API shows it.
    pub(crate) fn git_commit(&self, id: u64, sha: &str) -> Result<Value, Refusal> {
        let whole = self.commit(id, sha)?;
        let (inner, parents) = (&whole["commit"], &whole["parents"]);
        Ok(json!({
            "sha": sha, "node_id": whole["node_id"], "url": inner["url"], "html_url": whole["html_url"],
            "author": inner["author"], "committer": inner["committer"], "message": inner["message"],
            "tree": inner["tree"], "parents": parents, "verification": inner["verification"],
        }))
    }

    /// A changed file.
    pub(crate) fn file(&self, repo: &Repo, sha: &str, file: &FileDiff) -> Value {
        let path = &file.path;
        let mut shape = json!({
            "sha": file.sha,
            "filename": path,
            "status": file.status,
            "additions": file.additions,
            "deletions": file.deletions,
            "changes": file.additions + file.deletions,
            "blob_url": self.repo_html(repo, &format!("/blob/{sha}/{path}")),
            "raw_url": self.repo_html(repo, &format!("/raw/{sha}/{path}")),
            "contents_url": self.repo_api(repo, &format!("/contents/{path}?ref={sha}")),
        });
        if let Some(patch) = &file.patch {
            shape["patch"] = patch.clone().into();
        }
        if let Some(previous) = &file.previous {
            shape["previous_filename"] = previous.clone().into();
        }
        shape
    }

    /// A ref.
    pub(crate) fn git_ref(&self, id: u64, name: &str, sha: &str) -> Result<Value, Refusal> {
        let (repo, git) = (self.repo(id)?, self.git(id)?);
        let kind = git.find_object(git::oid(sha)?, None)?.kind();
        let kind = if kind == Some(git2::ObjectType::Tag) { "tag" } else { "commit" };
        Ok(json!({
            "ref": name,
            "node_id": node("Ref", format!("{id}:{name}")),
            "url": self.repo_api(repo, &format!("/git/{name}")),
            "object": { "sha": sha, "type": kind, "url": self.repo_api(repo, &format!("/git/{kind}s/{sha}")) },
        }))
    }

    /// An annotated tag.
    pub(crate) fn git_tag(&self, id: u64, sha: &str) -> Result<Value, Refusal> {
        let (repo, git) = (self.repo(id)?, self.git(id)?);
        let tag = git.find_tag(git::oid(sha)?)?;
        let target = tag.target_id().to_string();
        let tagger = tag.tagger();
        let (name, mail) = tagger.as_ref().map(git::people).unwrap_or_default();
        Ok(json!({
            "node_id": node("Tag", format!("{id}:{sha}")),
            "sha": sha,
            "url": self.repo_api(repo, &format!("/git/tags/{sha}")),
            "tag": tag.name().unwrap_or_default(),
            "message": tag.message().ok().flatten().unwrap_or_default(),
            "tagger": { "name": name, "email": mail, "date": tagger.as_ref().map(when).unwrap_or_default() },
            "object": { "sha": target, "type": "commit", "url": self.repo_api(repo, &format!("/git/commits/{target}")) },
            "verification": verification(false),
        }))
    }
}
