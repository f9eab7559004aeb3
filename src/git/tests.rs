use super::*;
use crate::model::path::RepoPath;
use crate::model::tree::Tree;

struct World {
    _dir: tempfile::TempDir,
    bare: git2::Repository,
    remotes: Remotes,
    cache: Cache,
}

fn world() -> World {
    let dir = tempfile::tempdir().unwrap();
    let bare = git2::Repository::init_bare(dir.path().join("acme/shop.git")).unwrap();
    bare.set_head("refs/heads/main").unwrap();
    let remotes = Remotes::folder("https://github.example", dir.path());
    let cache = Cache::new(&dir.path().join("cache")).unwrap();
    World { _dir: dir, bare, remotes, cache }
}

impl World {
    fn commit(&self, branch: &str, parents: &[Oid], files: &[(&str, &str)], message: &str) -> Oid {
        let mut root: BTreeTree = BTreeTree::default();
        for (path, text) in files {
            root.0.insert((*path).to_owned(), self.bare.blob(text.as_bytes()).unwrap());
        }
        let tree = self.bare.find_tree(root.write(&self.bare)).unwrap();
        let time = git2::Time::new(1_700_000_000 + i64::try_from(message.len()).unwrap(), 0);
        let who = git2::Signature::new("Ann", "ann@example.com", &time).unwrap();
        let parents: Vec<_> = parents.iter().map(|id| self.bare.find_commit(objects::to_git(*id)).unwrap()).collect();
        let parents: Vec<_> = parents.iter().collect();
        let id = self.bare.commit(None, &who, &who, message, &tree, &parents).unwrap();
        self.bare.reference(&format!("refs/heads/{branch}"), id, true, "").unwrap();
        objects::from_git(id)
    }

    async fn sync(&self, want: &Want) -> (Repo, Refs) {
        let remote = self.remotes.of(&"acme/shop".parse().unwrap(), SecretString::from("secret"));
        self.cache.sync((InstallationId(1), RepoId(2)), &remote, want).await.unwrap()
    }
}

/// One level of folders is all these tests need.
#[derive(Default)]
struct BTreeTree(std::collections::BTreeMap<String, git2::Oid>);

impl BTreeTree {
    fn write(&self, repo: &git2::Repository) -> git2::Oid {
        let mut root = repo.treebuilder(None).unwrap();
        let mut folders: std::collections::BTreeMap<&str, git2::TreeBuilder<'_>> = std::collections::BTreeMap::new();
        for (path, blob) in &self.0 {
            match path.split_once('/') {
                None => drop(root.insert(path, *blob, 0o100_644).unwrap()),
                Some((folder, name)) => {
                    let builder = folders.entry(folder).or_insert_with(|| repo.treebuilder(None).unwrap());
                    builder.insert(name, *blob, 0o100_644).unwrap();
                }
            }
        }
        for (folder, builder) in folders {
            root.insert(folder, builder.write().unwrap(), 0o040_000).unwrap();
        }
        root.write().unwrap()
    }
}

#[tokio::test]
async fn a_sync_brings_what_is_new_and_only_that() {
    let world = world();
    let first = world.commit("main", &[], &[("env/a", "1")], "one");
    let (repo, refs) = world.sync(&Want::default()).await;
    assert_eq!(refs.head.as_deref(), Some("main"));
    assert_eq!(refs.heads["main"], first);
    let tree = repo.tree_of(first).unwrap();
    assert_eq!(&*Tree::new(tree, &repo).read(&"env/a".parse().unwrap()).unwrap(), b"1");

    let second = world.commit("main", &[first], &[("env/a", "2")], "two");
    let other = world.commit("topic", &[first], &[("env/a", "1"), ("b", "x")], "other");
    let (repo, _) = world.sync(&Want { commits: vec![other], ..Want::default() }).await;
    assert!(repo.missing(&[second, other]).unwrap().is_empty());
    assert_eq!(world.sync(&Want::default()).await.1.heads["main"], second);
}

#[tokio::test]
async fn previews_merge_here_and_name_conflicts() {
    let world = world();
    let base = world.commit("main", &[], &[("env/a", "1\n"), ("env/b", "1\n")], "one");
    let main = world.commit("main", &[base], &[("env/a", "2\n"), ("env/b", "1\n")], "two");
    let clean = world.commit("clean", &[base], &[("env/a", "1\n"), ("env/b", "3\n")], "clean");
    let clash = world.commit("clash", &[base], &[("env/a", "9\n"), ("env/b", "1\n")], "clash!");
    let (repo, _) = world.sync(&Want { commits: vec![clean, clash], ..Want::default() }).await;
    let MergePreview::Tree(tree) = repo.merge_preview(main, clean).unwrap() else { panic!("conflict") };
    let tree = Tree::new(tree, &repo);
    assert_eq!(&*tree.read(&"env/a".parse().unwrap()).unwrap(), b"2\n");
    assert_eq!(&*tree.read(&"env/b".parse().unwrap()).unwrap(), b"3\n");
    assert_eq!(repo.merge_preview(main, clash).unwrap(), MergePreview::Conflict(vec!["env/a".into()]));
    assert_eq!(repo.merge_preview(base, main).unwrap(), MergePreview::Tree(repo.tree_of(main).unwrap()));
}

#[tokio::test]
async fn history_tells_when_a_folder_changed_and_what_lies_between() {
    let world = world();
    let one = world.commit("main", &[], &[("env/a", "1"), ("x", "1")], "one");
    let two = world.commit("main", &[one], &[("env/a", "1"), ("x", "2")], "two!");
    let three = world.commit("main", &[two], &[("env/a", "2"), ("x", "2")], "three");
    world.bare.tag_lightweight("v1.0", &world.bare.find_object(objects::to_git(two), None).unwrap(), false).unwrap();
    let (repo, refs) = world.sync(&Want { tags: true, ..Want::default() }).await;
    assert_eq!(refs.tags, [TagRef { name: "v1.0".into(), object: two, commit: two }]);
    let steps = repo.first_parent_history(three, &"env".parse::<RepoPath>().unwrap(), 10).unwrap();
    assert_eq!(steps.iter().map(|step| step.commit).collect::<Vec<_>>(), [three, one]);
    let log = repo.log_between(Some(one), three, 1).unwrap();
    assert_eq!((log.total, log.commits.len(), log.commits[0].subject.as_str()), (2, 1, "three"));
    assert!(repo.ancestors(&[three]).unwrap().contains(&one));
    assert_eq!(repo.find_commit(&two.to_string()[..8]), Some(two));
    assert_eq!(repo.find_commit("v1.0"), None);
    let follows = repo.descendants(&[one].into(), &[three].into()).unwrap();
    assert_eq!(follows[&one], [three]);
}

#[tokio::test]
async fn e8_an_annotated_tag_is_peeled() {
    let world = world();
    let one = world.commit("main", &[], &[("a", "1")], "one");
    let who = git2::Signature::new("Ann", "a@example.com", &git2::Time::new(0, 0)).unwrap();
    let object = world.bare.find_object(objects::to_git(one), None).unwrap();
    let tag = world.bare.tag("v2.0", &object, &who, "two", false).unwrap();
    let (_, refs) = world.sync(&Want { tags: true, ..Want::default() }).await;
    assert_eq!(refs.tags, [TagRef { name: "v2.0".into(), object: objects::from_git(tag), commit: one }]);
}

#[tokio::test]
async fn t41_caches_never_cross_installations() {
    let world = world();
    world.commit("main", &[], &[("a", "1")], "one");
    let remote = world.remotes.of(&"acme/shop".parse().unwrap(), SecretString::from("secret"));
    let (_, refs) = world.cache.sync((InstallationId(1), RepoId(2)), &remote, &Want::default()).await.unwrap();
    let other = world.cache.slot(world.cache.path((InstallationId(9), RepoId(2)), false)).await.unwrap();
    assert_eq!(other.repo.missing(&[refs.heads["main"]]).unwrap().len(), 1);
}

#[test]
fn t18_hostile_refs_are_left_out() {
    let mut refs = Refs::default();
    for name in ["refs/heads/--upload-pack=x", "refs/tags/a\u{1b}[31m", "refs/heads/a..b", "refs/pull/1/head"] {
        refs.take(name, Oid([1; 20]), None);
    }
    assert_eq!(refs, Refs::default());
}
