// A real GitHub client, with its own App authentication, tells one story against the sandbox; any surprise ends it.
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import assert from "node:assert/strict";

const require = createRequire(process.cwd() + "/.tools/");
const load = (name) => import(pathToFileURL(require.resolve(name)));
const { Octokit } = await load("@octokit/rest");
const { createAppAuth } = await load("@octokit/auth-app");

const { BASE, APP_ID, PEM, INSTALLATION } = process.env;
const octokit = new Octokit({
  baseUrl: `${BASE}/api/v3`,
  authStrategy: createAppAuth,
  auth: { appId: APP_ID, privateKey: PEM, installationId: INSTALLATION },
});
const at = { owner: "acme", repo: "env" };

const app = await octokit.rest.apps.getAuthenticated();
assert.equal(app.data.slug, "trunkline");
const main = await octokit.rest.git.getRef({ ...at, ref: "heads/main" });
await octokit.rest.git.createRef({ ...at, ref: "refs/heads/bot/v1", sha: main.data.object.sha });
const { createCommitOnBranch } = await octokit.graphql(
  `mutation($input: CreateCommitOnBranchInput!) { createCommitOnBranch(input: $input) { commit { oid } } }`,
  { input: {
      branch: { repositoryNameWithOwner: "acme/env", branchName: "bot/v1" },
      message: { headline: "Promote v1" },
      expectedHeadOid: main.data.object.sha,
      fileChanges: { additions: [{ path: "new.yaml", contents: Buffer.from("a: 1\n").toString("base64") }] },
  } });
const head_sha = createCommitOnBranch.commit.oid;
const pull = await octokit.rest.pulls.create({ ...at, head: "bot/v1", base: "main", title: "Promote v1" });
assert.equal(pull.data.head.sha, head_sha);
assert.equal(pull.data.user.login, "trunkline[bot]");
await octokit.rest.checks.create({
  ...at, name: "trunkline", head_sha, status: "completed", conclusion: "success",
  output: { title: "Fine", summary: "All fine" },
});
for (let i = 0; i < 5; i++) await octokit.rest.issues.createComment({ ...at, issue_number: pull.data.number, body: `c${i}` });
const comments = await octokit.paginate(octokit.rest.issues.listComments, { ...at, issue_number: pull.data.number, per_page: 2 });
assert.deepEqual(comments.map((comment) => comment.body), ["c0", "c1", "c2", "c3", "c4"]);
await assert.rejects(
  octokit.rest.checks.create({ ...at, name: "x", head_sha: "0".repeat(40), output: { title: "t", summary: "s" } }),
  (error) => error.status === 422 && /No commit found/.test(error.message),
);
await assert.rejects(octokit.rest.repos.get({ owner: "acme", repo: "nowhere" }), (error) => error.status === 404);
const merged = await octokit.rest.pulls.merge({ ...at, pull_number: pull.data.number, sha: head_sha, merge_method: "squash" });
assert.equal(merged.data.merged, true);
const file = await octokit.rest.repos.getContent({ ...at, path: "new.yaml" });
assert.equal(Buffer.from(file.data.content, "base64").toString(), "a: 1\n");
console.log("story told");
