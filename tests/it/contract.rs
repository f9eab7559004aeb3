//! Requests and responses held against GitHub's published descriptions: OpenAPI for REST, the SDL for GraphQL.
//!
//! `tests/tools/install` brings the descriptions; without them every test here says so and passes.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock};

use apollo_compiler::validation::Valid;
use apollo_compiler::{ExecutableDocument, Schema};
use jsonschema::{Registry, Validator};
use serde_json::{Value, json};

fn tool(path: &str) -> Option<String> {
    let place = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(".tools/node_modules/@octokit").join(path);
    let text = std::fs::read_to_string(&place).ok();
    if text.is_none() {
        eprintln!("skipped: {} is not there; run tests/tools/install", place.display());
    }
    text
}

/// One operation of the description, ready to be matched.
struct Route {
    method: String,
    template: String,
    /// A literal, or a parameter and whether it takes slashes.
    parts: Vec<Part>,
    query: Vec<String>,
}

enum Part {
    Literal(String),
    One,
    Many,
}

/// GitHub's REST description.
pub(crate) struct Contract {
    document: Value,
    registry: Registry<'static>,
    routes: Vec<Route>,
    validators: Mutex<HashMap<String, Arc<Validator>>>,
}

impl Contract {
    /// The description, read once; `None` (with a printed reason) where it is not installed.
    pub(crate) fn load() -> Option<&'static Contract> {
        static CONTRACT: OnceLock<Option<Contract>> = OnceLock::new();
        CONTRACT.get_or_init(|| Contract::read(&tool("openapi/generated/api.github.com.json")?)).as_ref()
    }

    fn read(text: &str) -> Option<Contract> {
        let mut document: Value = serde_json::from_str(text).unwrap();
        // An account is a user or an enterprise; this one place asks for both at once.
        let account =
            "/paths/~1app~1installations/get/responses/200/content/application~1json/schema/items/properties/account";
        if let Some(Value::Object(account)) = document.pointer_mut(account)
            && let Some(both) = account.remove("allOf")
        {
            account.insert("anyOf".into(), both);
        }
        modernise(&mut document);
        let mut routes = Vec::new();
        for (template, methods) in document["paths"].as_object()? {
            for (method, operation) in methods.as_object()? {
                if ["get", "post", "put", "patch", "delete"].contains(&method.as_str()) {
                    routes.push(route(&document, template, method, operation));
                }
            }
        }
        // What has more literals is the better match: `/pulls/comments` before `/pulls/{n}`.
        routes.sort_by_key(|route| {
            std::cmp::Reverse(route.parts.iter().filter(|part| matches!(part, Part::Literal(_))).count())
        });
        let registry = Registry::new().add("gh://openapi", document.clone()).unwrap().prepare().unwrap();
        Some(Contract { document, registry, routes, validators: Mutex::default() })
    }

    /// What is wrong with one exchange; nothing, when the answer is empty.
    pub(crate) fn check_exchange(
        &self,
        method: &str,
        path: &str,
        query: &str,
        request: Option<&Value>,
        status: u16,
        response: Option<&Value>,
    ) -> Vec<String> {
        let path = path.trim_start_matches("/api/v3");
        // The address by number is not described, but answers as the one by name.
        let by_name = path
            .strip_prefix("/repositories/")
            .map(|rest| format!("/repos/o/r{}", rest.find('/').map_or("", |at| &rest[at..])));
        let path = by_name.as_deref().unwrap_or(path);
        let segments: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
        let wanted = method.to_lowercase();
        let Some(route) = self.routes.iter().find(|route| route.method == wanted && fits(&route.parts, &segments))
        else {
            return vec![format!("{method} {path}: GitHub describes no such operation")];
        };
        let operation = &self.document["paths"][&route.template][&wanted];
        let at = format!("{method} {}", route.template);
        let mut wrong = Vec::new();
        for name in
            query.split('&').filter(|pair| !pair.is_empty()).map(|pair| pair.split('=').next().unwrap_or_default())
        {
            if !route.query.iter().any(|known| known == name) {
                wrong.push(format!("{at}: unknown query parameter `{name}`"));
            }
        }
        let base = format!("/paths/{}/{wanted}", escape(&route.template));
        if let Some(request) = request.filter(|request| !request.is_null()) {
            self.check_request(operation, &base, request, &at, &mut wrong);
        }
        let described = &operation["responses"][status.to_string()];
        match response {
            _ if described.is_null() && status < 400 => wrong.push(format!("{at}: status {status} is not described")),
            Some(response) if status < 300 => {
                let pointer = self.response_pointer(described, &format!("{base}/responses/{status}"));
                if let Some(pointer) = pointer {
                    wrong.extend(
                        self.errors(&pointer, response).into_iter().map(|error| format!("{at} -> {status}: {error}")),
                    );
                } else if !response.is_null() {
                    wrong.push(format!("{at} -> {status}: a body where none is described"));
                }
            }
            Some(response) if status >= 400 && response["message"].as_str().is_none() => {
                wrong.push(format!("{at} -> {status}: an error without a message"));
            }
            _ => {}
        }
        wrong
    }

    fn check_request(&self, operation: &Value, base: &str, request: &Value, at: &str, wrong: &mut Vec<String>) {
        let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
        if schema.is_null() {
            // GitHub lets a few clients send an empty object where nothing is described.
            if request.as_object().is_none_or(|fields| !fields.is_empty()) {
                wrong.push(format!("{at}: a body where none is described"));
            }
            return;
        }
        let pointer = format!("{base}/requestBody/content/application~1json/schema");
        wrong.extend(self.errors(&pointer, request).into_iter().map(|error| format!("{at}: {error}")));
        let known = self.properties(schema);
        if let (Some(fields), false) = (request.as_object(), known.is_empty()) {
            let strange = fields.keys().filter(|field| !known.contains(field));
            wrong.extend(strange.map(|field| format!("{at}: unknown field `{field}`")));
        }
    }

    /// All top-level fields a schema knows, through references and alternatives.
    fn properties(&self, schema: &Value) -> Vec<String> {
        let mut found: Vec<String> =
            schema["properties"].as_object().into_iter().flatten().map(|(name, _)| name.clone()).collect();
        if let Some(target) = schema["$ref"].as_str() {
            found.extend(
                self.properties(&self.document.pointer(target.trim_start_matches('#')).cloned().unwrap_or_default()),
            );
        }
        for word in ["oneOf", "anyOf", "allOf"] {
            for one in schema[word].as_array().into_iter().flatten() {
                found.extend(self.properties(one));
            }
        }
        found
    }

    fn response_pointer(&self, described: &Value, base: &str) -> Option<String> {
        let (described, base) = match described["$ref"].as_str() {
            Some(target) => {
                let target = target.trim_start_matches('#');
                (self.document.pointer(target)?, target.to_owned())
            }
            None => (described, base.to_owned()),
        };
        described["content"]["application/json"]["schema"]
            .is_object()
            .then(|| format!("{base}/content/application~1json/schema"))
    }

    fn errors(&self, pointer: &str, instance: &Value) -> Vec<String> {
        let mut known = self.validators.lock().unwrap();
        let validator = known.entry(pointer.to_owned()).or_insert_with(|| {
            let fragment = pointer.replace('{', "%7B").replace('}', "%7D");
            let schema = json!({ "$schema": "https://json-schema.org/draft/2020-12/schema", "$ref": format!("gh://openapi#{fragment}") });
            Arc::new(jsonschema::options().with_registry(&self.registry).build(&schema).unwrap())
        });
        let validator = validator.clone();
        drop(known);
        // Ten are enough to see what is wrong.
        validator
            .iter_errors(instance)
            .take(10)
            .map(|error| {
                // The instance comes first and may be long; the reason comes last.
                let text: Vec<char> = error.to_string().chars().collect();
                let text: String = text[text.len().saturating_sub(300)..].iter().collect();
                format!("at {}: {text}", error.instance_path())
            })
            .collect()
    }

    /// What is wrong with a webhook's body.
    pub(crate) fn check_event(&self, event: &str, action: Option<&str>, body: &Value) -> Vec<String> {
        let name = match action {
            Some(action) => format!("{event}-{action}").replace('_', "-"),
            None => event.replace('_', "-"),
        };
        if self.document["x-webhooks"][&name].is_null() {
            return vec![format!("{name}: GitHub describes no such webhook")];
        }
        let pointer = format!("/x-webhooks/{name}/post/requestBody/content/application~1json/schema");
        self.errors(&pointer, body).into_iter().map(|error| format!("{name} {error}")).collect()
    }
}

fn escape(template: &str) -> String {
    template.replace('~', "~0").replace('/', "~1")
}

fn route(document: &Value, template: &str, method: &str, operation: &Value) -> Route {
    let parameters: Vec<&Value> = operation["parameters"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|one| one["$ref"].as_str().and_then(|target| document.pointer(&target[1..])).unwrap_or(one))
        .collect();
    let parts = template.split('/').filter(|part| !part.is_empty()).map(|part| {
        let Some(name) = part.strip_prefix('{').and_then(|part| part.strip_suffix('}')) else {
            return Part::Literal(part.to_owned());
        };
        let many = parameters.iter().any(|one| one["name"] == name && one["x-multi-segment"] == true);
        if many { Part::Many } else { Part::One }
    });
    let query = parameters.iter().filter(|one| one["in"] == "query").filter_map(|one| one["name"].as_str());
    Route {
        method: method.to_owned(),
        template: template.to_owned(),
        parts: parts.collect(),
        query: query.map(str::to_owned).collect(),
    }
}

fn fits(parts: &[Part], segments: &[&str]) -> bool {
    match (parts, segments) {
        ([], []) => true,
        ([Part::Literal(word), parts @ ..], [first, rest @ ..]) => word == first && fits(parts, rest),
        ([Part::One, parts @ ..], [_, rest @ ..]) => fits(parts, rest),
        ([Part::Many, parts @ ..], [_, ..]) => (1..=segments.len()).any(|taken| fits(parts, &segments[taken..])),
        _ => false,
    }
}

/// OpenAPI 3.0 to JSON Schema 2020-12: only `nullable` needs work.
fn modernise(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(modernise),
        Value::Object(fields) => {
            fields.values_mut().for_each(modernise);
            if fields.get("nullable") != Some(&Value::Bool(true)) {
                return;
            }
            fields.remove("nullable");
            match fields.get_mut("type") {
                Some(Value::String(kind)) => {
                    let kind = kind.clone();
                    fields.insert("type".into(), json!([kind, "null"]));
                    if let Some(Value::Array(words)) = fields.get_mut("enum") {
                        words.push(Value::Null);
                    }
                }
                _ => {
                    let inner = Value::Object(std::mem::take(fields));
                    fields.insert("anyOf".into(), json!([inner, { "type": "null" }]));
                }
            }
        }
        _ => {}
    }
}

fn schema() -> Option<&'static Valid<Schema>> {
    static SCHEMA: OnceLock<Option<Valid<Schema>>> = OnceLock::new();
    SCHEMA
        .get_or_init(|| {
            let text = tool("graphql-schema/schema.graphql")?;
            // GitHub's own schema names some fields twice; what remains is sound.
            Some(Schema::parse_and_validate(text, "schema.graphql").unwrap_or_else(|e| Valid::assume_valid(e.partial)))
        })
        .as_ref()
}

/// What GitHub's schema finds wrong with a GraphQL document; nothing where the schema is not installed.
pub(crate) fn check_graphql(document: &str) -> Vec<String> {
    let Some(schema) = schema() else { return Vec::new() };
    match ExecutableDocument::parse_and_validate(schema, document, "document.graphql") {
        Ok(_) => Vec::new(),
        Err(wrong) => wrong.errors.iter().map(|one| one.to_string()).collect(),
    }
}

mod scenario {
    use trunkline::sandbox::Protection;

    use super::super::sandbox::{Stage, stage};
    use super::*;

    /// One story, every exchange of which is held against the description.
    struct Story {
        stage: Stage,
        contract: &'static Contract,
        token: String,
        wrong: Mutex<Vec<String>>,
    }

    impl Story {
        async fn exchange(&self, method: &str, address: &str, auth: &str, body: Value) -> (u16, Value) {
            let sent = (!body.is_null()).then(|| body.clone());
            let (status, answer) = self.stage.call(method, address, auth, body).await;
            let (path, query) = address.split_once('?').unwrap_or((address, ""));
            let shown = (status != 204).then_some(&answer);
            let wrong = self.contract.check_exchange(method, path, query, sent.as_ref(), status, shown);
            self.wrong.lock().unwrap().extend(wrong);
            (status, answer)
        }

        async fn get(&self, path: &str, auth: &str) -> Value {
            let (status, body) = self.exchange("GET", &format!("/api/v3{path}"), auth, Value::Null).await;
            assert_eq!(status, 200, "{path}: {body}");
            body
        }

        async fn send(&self, method: &str, path: &str, body: Value, wanted: u16) -> Value {
            let path = format!("/api/v3/repos/acme/env{path}");
            let (status, answer) = self.exchange(method, &path, &self.token, body).await;
            assert_eq!(status, wanted, "{method} {path}: {answer}");
            answer
        }
    }

    /// What the story made, by its numbers.
    struct Made {
        head: String,
        tag: String,
        check: Value,
        comment: Value,
        deployment: Value,
    }

    #[tokio::test]
    async fn every_exchange_of_a_story_is_as_github_describes_it() {
        let Some(contract) = Contract::load() else { return };
        let mut story = Story { stage: stage().await, contract, token: String::new(), wrong: Mutex::default() };
        let jwt = story.stage.jwt(-60, 540);
        for path in ["/app", "/app/installations", "/app/hook/deliveries?per_page=5", "/repos/acme/env/installation"] {
            story.get(path, &jwt).await;
        }
        let tokens = format!("/api/v3/app/installations/{}/access_tokens", story.stage.installation);
        let permissions = json!({ "contents": "write", "pull_requests": "write", "checks": "write", "statuses": "write",
            "issues": "write", "deployments": "write", "members": "read" });
        let ask = json!({ "repositories": ["env"], "permissions": permissions });
        let (status, body) = story.exchange("POST", &tokens, &jwt, ask).await;
        assert_eq!(status, 201);
        story.token = format!("token {}", body["token"].as_str().unwrap());
        let made = writes(&story).await;
        reads(&story, &made).await;
        ends(&story, &made).await;
        queue(&story).await;
        let delivery = story.get("/app/hook/deliveries?per_page=1", &jwt).await[0]["id"].clone();
        story.get(&format!("/app/hook/deliveries/{delivery}"), &jwt).await;
        let again = format!("/api/v3/app/hook/deliveries/{delivery}/attempts");
        assert_eq!(story.exchange("POST", &again, &jwt, Value::Null).await.0, 202);
        let convert = "/api/v3/app-manifests/code/conversions";
        assert_eq!(story.exchange("POST", convert, "", Value::Null).await.0, 201);
        let wrong = story.wrong.lock().unwrap().join("\n");
        assert!(wrong.is_empty(), "{wrong}");
        events(contract, &story.stage.sandbox.take_deliveries());
    }

    async fn writes(story: &Story) -> Made {
        let sandbox = &story.stage.sandbox;
        let main = story.get("/repos/acme/env/git/ref/heads/main", &story.token).await;
        let main = main["object"]["sha"].as_str().unwrap();
        story.send("POST", "/git/refs", json!({ "ref": "refs/heads/bot/x", "sha": main }), 201).await;
        let files = [("a/b.yaml", Some(b"a: 1\n".to_vec())), ("README.md", None)];
        let head = sandbox.push_files("acme/env", "bot/x", "bob", "Edit\n\nMore", &files);
        let pull =
            json!({ "title": "Edit", "head": "bot/x", "base": "main", "body": "b", "maintainer_can_modify": false });
        story.send("POST", "/pulls", pull.clone(), 201).await;
        story.send("POST", "/pulls", pull, 422).await;
        story.send("PATCH", "/pulls/1", json!({ "title": "Edit more", "body": "b2" }), 200).await;
        let note = json!({ "path": "a/b.yaml", "start_line": 1, "end_line": 1, "annotation_level": "warning", "message": "m", "title": "t" });
        let run = json!({ "name": "trunkline", "head_sha": head, "status": "in_progress", "external_id": "x",
            "started_at": "2026-03-02T09:00:00Z", "output": { "title": "t", "summary": "s", "annotations": [note] },
            "actions": [{ "label": "Retry", "description": "again", "identifier": "retry" }] });
        let check = story.send("POST", "/check-runs", run, 201).await["id"].clone();
        let done =
            json!({ "status": "completed", "conclusion": "failure", "output": { "summary": "s", "title": "t" } });
        story.send("PATCH", &format!("/check-runs/{check}"), done, 200).await;
        let comment = story.send("POST", "/issues/1/comments", json!({ "body": "hello" }), 201).await["id"].clone();
        let at = format!("/issues/comments/{comment}");
        story.send("PATCH", &at, json!({ "body": "hello!" }), 200).await;
        story.send("POST", &format!("{at}/reactions"), json!({ "content": "rocket" }), 201).await;
        let status =
            json!({ "state": "success", "context": "ci", "description": "d", "target_url": "https://example.com" });
        story.send("POST", &format!("/statuses/{head}"), status, 201).await;
        story.send("POST", "/issues", json!({ "title": "Environments", "body": "desk" }), 201).await;
        story.send("POST", "/issues/1/labels", json!({ "labels": ["trunkline"] }), 200).await;
        let ask = json!({ "reviewers": ["alice"], "team_reviewers": ["sre"] });
        story.send("POST", "/pulls/1/requested_reviewers", ask, 201).await;
        let remark = json!({ "path": "a/b.yaml", "line": 1, "side": "RIGHT", "body": "```suggestion\nx\n```" });
        let review = json!({ "commit_id": head, "event": "COMMENT", "body": "b", "comments": [remark] });
        story.send("POST", "/pulls/1/reviews", review, 200).await;
        sandbox.review("acme/env", "alice", 1, "APPROVED");
        let thread = sandbox.start_conversation("acme/env", "alice", 1);
        sandbox.resolve_conversation("acme/env", "alice", 1, thread);
        sandbox.protect("acme/env", "guarded", guarded());
        let deployment = json!({ "ref": "main", "environment": "dev", "auto_merge": false, "required_contexts": [],
            "payload": { "trunkline": { "app": "shop" } }, "description": "shop v1.0" });
        let deployment = story.send("POST", "/deployments", deployment, 201).await["id"].clone();
        let outcome = json!({ "state": "success", "description": "d", "log_url": "https://github.test/acme/env/pull/1",
            "environment_url": "https://dev.example.com" });
        story.send("POST", &format!("/deployments/{deployment}/statuses"), outcome, 201).await;
        let tag = sandbox.create_tag("acme/env", "v1.0", main, "bob", true);
        sandbox.push_files("acme/env", "main", "bob", "Base moves", &[("c", Some(b"c".to_vec()))]);
        Made { head, tag, check, comment, deployment }
    }

    /// A branch that asks everything a ruleset can ask.
    fn guarded() -> Protection {
        Protection {
            required_checks: vec!["ci".into()],
            app_checks: vec![("scan".into(), 7)],
            required_reviews: 1,
            code_owners: true,
            dismiss_stale: true,
            conversations: true,
            up_to_date: true,
            signatures: true,
            linear: true,
            methods: vec!["squash".into()],
            queue: true,
            deployments: vec!["stage".into()],
            locked: true,
            bypass: vec!["trunkline[bot]".into()],
            ..Protection::default()
        }
    }

    async fn reads(story: &Story, made: &Made) {
        let Made { head, tag, check, comment, deployment } = made;
        let fixed = "|/pulls?state=all&head=acme:bot/x&per_page=100|/pulls/1|/pulls/1/files|/pulls/1/commits|/pulls/1/reviews|/pulls/1/comments\
            |/pulls/1/requested_reviewers|/issues/1|/issues?state=open&labels=trunkline|/issues/1/comments?per_page=100\
            |/issues/1/labels|/commits/bot/x/check-suites|/commits?sha=bot/x&per_page=1|/branches|/branches/bot/x\
            |/contents/a/b.yaml?ref=bot/x|/contents/environments|/compare/main...bot/x|/rules/branches/main\
            |/rules/branches/guarded?per_page=100|/rulesets/1\
            |/git/matching-refs/heads/bot|/git/trees/main?recursive=1|/tags|/collaborators/alice/permission|/deployments";
        let made = [
            format!("/issues/comments/{comment}"),
            format!("/issues/comments/{comment}/reactions?content=rocket"),
            format!("/check-runs/{check}"),
            format!("/check-runs/{check}/annotations"),
            format!("/commits/{head}/check-runs?check_name=trunkline&filter=latest"),
            format!("/commits/{head}/status"),
            format!("/commits/{head}/statuses"),
            format!("/commits/{head}/pulls"),
            format!("/commits/{head}"),
            format!("/git/tags/{tag}"),
            format!("/git/commits/{head}"),
            format!("/deployments/{deployment}/statuses"),
        ];
        for path in fixed.split('|').chain(made.iter().map(String::as_str)) {
            story.get(&format!("/repos/acme/env{path}"), &story.token).await;
        }
        for path in [
            "/installation/repositories",
            "/rate_limit",
            "/meta",
            "/users/alice",
            "/orgs/acme/teams/sre/members",
            "/orgs/acme/teams/sre/memberships/bob",
        ] {
            story.get(path, &story.token).await;
        }
        story.get("/user", "token ghp_bob").await;
    }

    async fn ends(story: &Story, made: &Made) {
        let old = &made.head;
        story.send("PUT", "/pulls/1/update-branch", json!({ "expected_head_sha": old }), 202).await;
        story.send("PUT", "/pulls/1/merge", json!({ "sha": old, "merge_method": "merge" }), 409).await;
        let head = story.get("/repos/acme/env/pulls/1", &story.token).await["head"]["sha"].clone();
        let merge = json!({ "sha": head, "merge_method": "merge", "commit_title": "T" });
        story.send("PUT", "/pulls/1/merge", merge, 200).await;
        story.send("DELETE", "/git/refs/heads/bot/x", Value::Null, 204).await;
        story.send("DELETE", &format!("/issues/comments/{}", made.comment), Value::Null, 204).await;
    }

    /// A pull request that a merge queue throws out, takes again, and merges.
    async fn queue(story: &Story) {
        let sandbox = &story.stage.sandbox;
        let rules = Protection { queue: true, required_checks: vec!["ci".into()], ..Protection::default() };
        sandbox.protect("acme/env", "main", rules);
        let head = sandbox.push_files("acme/env", "queued", "bob", "Queue", &[("d", Some(b"d".to_vec()))]);
        let number = sandbox.open_pull("acme/env", "bob", "queued", "main", "Queue", "");
        sandbox.set_status("acme/env", "bob", &head, "ci", "success");
        for outcome in ["failure", "success"] {
            sandbox.enqueue_pull("acme/env", "bob", number);
            let built = sandbox.merge_queue("acme/env").remove(0).1.unwrap();
            sandbox.set_status("acme/env", "bob", built, "ci", outcome);
            // Built within the same second it would be the very same commit.
            sandbox.clock().advance(std::time::Duration::from_secs(1));
        }
        let rules = story.get("/repos/acme/env/rules/branches/main", &story.token).await;
        assert!(rules.as_array().unwrap().iter().any(|rule| rule["type"] == "merge_queue"), "{rules}");
        let merged = story.get(&format!("/repos/acme/env/pulls/{number}"), &story.token).await;
        assert_eq!(merged["merged"], true);
    }

    fn events(contract: &Contract, deliveries: &[trunkline::sandbox::Delivery]) {
        let mut wrong = std::collections::BTreeSet::new();
        for delivery in deliveries {
            let body: Value = serde_json::from_slice(&delivery.body).unwrap();
            wrong.extend(contract.check_event(&delivery.event, delivery.action.as_deref(), &body));
        }
        // One of them was delivered twice.
        let told = |event: &str, action: &str| {
            let those = deliveries.iter().filter(|one| one.event == event && one.action.as_deref() == Some(action));
            those.map(|one| one.guid.as_str()).collect::<std::collections::BTreeSet<_>>().len()
        };
        assert_eq!((told("merge_group", "checks_requested"), told("merge_group", "destroyed")), (2, 2));
        assert_eq!((told("pull_request", "enqueued"), told("pull_request", "dequeued")), (2, 2));
        assert!(deliveries.len() > 15, "{}", deliveries.len());
        assert!(wrong.is_empty(), "{}", wrong.into_iter().collect::<Vec<_>>().join("\n"));
    }

    #[test]
    fn the_contract_finds_what_is_wrong() {
        let Some(contract) = Contract::load() else { return };
        let check = |body: Value| contract.check_exchange("POST", "/repos/o/r/check-runs", "", Some(&body), 201, None);
        assert_eq!(check(json!({ "name": "n", "head_sha": "s" })), Vec::<String>::new());
        assert!(check(json!({ "name": "n" }))[0].contains("head_sha"));
        assert_eq!(
            check(json!({ "name": "n", "head_sha": "s", "conclsion": "x" })),
            ["POST /repos/{owner}/{repo}/check-runs: unknown field `conclsion`"]
        );
        let notes = vec![
            json!({ "path": "a", "start_line": 1, "end_line": 1, "annotation_level": "failure", "message": "x" });
            51
        ];
        assert!(!check(json!({ "name": "n", "head_sha": "s", "output": { "title": "t", "summary": "s", "annotations": notes } })).is_empty());
        let none = contract.check_exchange("POST", "/repos/o/r/nothing", "", None, 200, None);
        assert!(none[0].contains("no such operation"));
        let query = contract.check_exchange("GET", "/repos/o/r/git/ref/heads/a/b", "x=1", None, 200, None);
        assert_eq!(query, ["GET /repos/{owner}/{repo}/git/ref/{ref}: unknown query parameter `x`"]);
    }

    #[test]
    fn graphql_documents_are_held_against_githubs_schema() {
        if schema().is_none() {
            return;
        }
        assert!(check_graphql("{ viewer { login } }").is_empty());
        assert!(!check_graphql("{ viewer { lgin } }").is_empty());
        assert!(
            check_graphql(
                "mutation($i: CreateCommitOnBranchInput!) { createCommitOnBranch(input: $i) { commit { oid } } }"
            )
            .is_empty()
        );
        assert!(
            !check_graphql(
                "{ repository(owner: \"a\", name: \"b\") { pullRequests(states: [NOPE], first: 1) { totalCount } } }"
            )
            .is_empty()
        );
    }
}
