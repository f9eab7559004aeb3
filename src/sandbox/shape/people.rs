//! People, teams, Apps and installations.

use serde_json::{Map, Value, json};

use super::super::cx::{Cx, iso};
use super::super::refusal::Refusal;
use super::super::world::{AccountKind, Installation};
use super::node;

impl Cx<'_> {
    /// The address of the REST API.
    pub(crate) fn api(&self, path: &str) -> String {
        format!("{}/api/v3{path}", self.inner.options.base_url)
    }

    /// An address people open.
    pub(crate) fn html(&self, path: &str) -> String {
        format!("{}{path}", self.inner.options.base_url)
    }

    /// The address an account commits with.
    pub(crate) fn mail(&self, login: &str) -> String {
        let id = self.world.account(login).map_or(0, |account| account.id);
        format!("{id}+{login}@users.noreply.github.com")
    }

    /// A simple user; unknown logins are shown as GitHub shows its ghost.
    pub(crate) fn user(&self, login: &str) -> Value {
        let account = self.world.account(login);
        let (login, id) = account.map_or((login.to_owned(), 0), |account| (account.login.clone(), account.id));
        let kind = match account.map(|account| account.kind) {
            Some(AccountKind::Organization) => "Organization",
            Some(AccountKind::Bot) => "Bot",
            _ => "User",
        };
        let mut user = Map::new();
        user.insert("login".into(), login.clone().into());
        user.insert("id".into(), id.into());
        user.insert("node_id".into(), node("User", id).into());
        user.insert("avatar_url".into(), self.html(&format!("/avatars/{id}")).into());
        user.insert("gravatar_id".into(), "".into());
        user.insert("url".into(), self.api(&format!("/users/{login}")).into());
        user.insert("html_url".into(), self.html(&format!("/{login}")).into());
        for (name, path) in [
            ("followers_url", "followers"),
            ("following_url", "following{/other_user}"),
            ("gists_url", "gists{/gist_id}"),
            ("starred_url", "starred{/owner}{/repo}"),
            ("subscriptions_url", "subscriptions"),
            ("organizations_url", "orgs"),
            ("repos_url", "repos"),
            ("events_url", "events{/privacy}"),
            ("received_events_url", "received_events"),
        ] {
            user.insert(name.into(), self.api(&format!("/users/{login}/{path}")).into());
        }
        user.insert("type".into(), kind.into());
        user.insert("site_admin".into(), false.into());
        Value::Object(user)
    }

    /// A user as `/users/{login}` shows it.
    pub(crate) fn public_user(&self, login: &str) -> Value {
        let mut user = self.user(login);
        let born = "2020-01-01T00:00:00Z";
        for (name, value) in [
            ("name", Value::Null),
            ("company", Value::Null),
            ("blog", "".into()),
            ("location", Value::Null),
            ("email", Value::Null),
            ("hireable", Value::Null),
            ("bio", Value::Null),
            ("public_repos", 0.into()),
            ("public_gists", 0.into()),
            ("followers", 0.into()),
            ("following", 0.into()),
            ("created_at", born.into()),
            ("updated_at", born.into()),
        ] {
            user[name] = value;
        }
        user
    }

    /// The organisation that owns a repository, as webhooks carry it.
    pub(crate) fn organization(&self, login: &str) -> Option<Value> {
        let account = self.world.account(login).filter(|account| account.kind == AccountKind::Organization)?;
        let (id, login) = (account.id, &account.login);
        let mut org = json!({ "login": login, "id": id, "node_id": node("Organization", id) });
        org["url"] = self.api(&format!("/orgs/{login}")).into();
        for (name, path) in [
            ("repos_url", "repos"),
            ("events_url", "events"),
            ("hooks_url", "hooks"),
            ("issues_url", "issues"),
            ("members_url", "members{/member}"),
            ("public_members_url", "public_members{/member}"),
        ] {
            org[name] = self.api(&format!("/orgs/{login}/{path}")).into();
        }
        org["avatar_url"] = self.html(&format!("/avatars/{id}")).into();
        org["description"] = Value::Null;
        Some(org)
    }

    /// A team.
    pub(crate) fn team(&self, org: &str, slug: &str) -> Result<Value, Refusal> {
        let key = (org.to_ascii_lowercase(), slug.to_owned());
        let team = self.world.teams.get(&key).ok_or_else(Refusal::not_found)?;
        let api = self.api(&format!("/organizations/{org}/team/{}", team.id));
        Ok(json!({
            "id": team.id,
            "node_id": node("Team", team.id),
            "name": team.slug,
            "slug": team.slug,
            "description": null,
            "privacy": "closed",
            "notification_setting": "notifications_enabled",
            "permission": "pull",
            "url": api,
            "html_url": self.html(&format!("/orgs/{org}/teams/{slug}")),
            "members_url": format!("{api}/members{{/member}}"),
            "repositories_url": format!("{api}/repos"),
            "type": "organization",
            "parent": null,
        }))
    }

    /// An App: ours with its manifest, others with a name.
    pub(crate) fn integration(&self, slug: &str) -> Value {
        let app = &self.inner.options.app;
        let ours = app.slug == slug;
        let id = if ours { app.id } else { self.world.account(&format!("{slug}[bot]")).map_or(1, |bot| bot.id) };
        let owner = self.world.accounts.values().find(|account| account.kind != AccountKind::Bot);
        let owner = owner.map_or_else(|| "ghost".to_owned(), |owner| owner.login.clone());
        let (permissions, events) =
            if ours { (json!(app.permissions), json!(app.events)) } else { (json!({}), json!([])) };
        json!({
            "id": id,
            "slug": slug,
            "node_id": node("App", id),
            "client_id": super::super::auth::client_id(id),
            "owner": self.user(&owner),
            "name": if ours { &app.name } else { slug },
            "description": null,
            "external_url": self.html("/"),
            "html_url": self.html(&format!("/apps/{slug}")),
            "created_at": "2020-01-01T00:00:00Z",
            "updated_at": "2020-01-01T00:00:00Z",
            "permissions": permissions,
            "events": events,
        })
    }

    /// An installation of our App.
    pub(crate) fn installation(&self, installation: &Installation) -> Value {
        let (id, app) = (installation.id, &self.inner.options.app);
        let account = self.user(&installation.account);
        let mut permissions = app.permissions.clone();
        permissions.insert("metadata".into(), "read".into());
        json!({
            "id": id,
            "account": account,
            "repository_selection": if installation.repos.is_some() { "selected" } else { "all" },
            "access_tokens_url": self.api(&format!("/app/installations/{id}/access_tokens")),
            "repositories_url": self.api("/installation/repositories"),
            "html_url": self.html(&format!("/settings/installations/{id}")),
            "app_id": app.id,
            "client_id": super::super::auth::client_id(app.id),
            "app_slug": app.slug,
            "target_id": account["id"],
            "target_type": account["type"],
            "permissions": permissions,
            "events": app.events,
            "created_at": iso(installation.created_at),
            "updated_at": iso(installation.created_at),
            "single_file_name": null,
            "suspended_by": null,
            "suspended_at": null,
        })
    }
}
