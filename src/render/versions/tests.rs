use super::*;
use crate::model::tree::MemoryObjects;

const WEB: &str = "ghcr.io/acme/web";
const DEPLOYMENT: &str = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec:\n  template:\n    spec:\n      containers:\n        - name: web\n          image: ghcr.io/acme/web:0.1\n";

fn path(text: &str) -> RepoPath {
    text.parse().unwrap()
}

/// An application of these images.
pub(super) fn app(images: &[&str]) -> App {
    App::of_images("shop", images)
}

/// A repository with a base and an overlay `env/prod`.
fn with<T>(overlay: &str, base: &str, act: impl FnOnce(&Tree<'_>) -> T) -> T {
    let mut objects = MemoryObjects::default();
    let files = [
        ("env/base/kustomization.yaml", base),
        ("env/base/web.yaml", DEPLOYMENT),
        ("env/prod/kustomization.yaml", overlay),
        ("env/prod/own/kustomization.yaml", "images:\n  - name: ghcr.io/acme/api\n    newTag: \"7\"\n"),
    ];
    let root = objects.add_text(files).unwrap();
    act(&Tree::new(root, &objects))
}

fn plain_base<T>(overlay: &str, act: impl FnOnce(&Tree<'_>) -> T) -> T {
    with(overlay, "resources: [web.yaml]\n", act)
}

fn edited(overlay: &str, tag: &str, digest: Option<&str>) -> Result<String, String> {
    let new = NewVersion { image: WEB.into(), tag: tag.into(), digest: digest.map(Into::into) };
    plain_base(overlay, |tree| version_edits(tree, &path("env/prod"), &app(&[WEB]), &[new]))
        .map(|files| files.into_iter().map(|(_, bytes)| String::from_utf8(bytes).unwrap()).collect())
        .map_err(|problems| {
            problems.iter().map(|p| format!("{}: {}", p.location.as_ref().unwrap(), p.message)).collect()
        })
}

#[test]
fn the_tag_is_found_and_written_where_it_stands() {
    let overlay =
        "resources: [../base]\nimages:\n  # the web\n  - name: ghcr.io/acme/web   # here\n    newTag: v1.0  # now\n";
    let fields = plain_base(overlay, |tree| version_fields(tree, &path("env/prod"), &app(&[WEB]))).unwrap();
    assert_eq!(fields.len(), 1);
    assert_eq!((fields[0].kind, fields[0].value.as_str(), fields[0].location.line), (VersionKind::NewTag, "v1.0", 5));
    assert_eq!(edited(overlay, "v1.1", None).unwrap(), overlay.replace("v1.0", "v1.1"));
    assert_eq!(edited(overlay, "v1.0", None).unwrap(), "", "nothing changes");
    assert_eq!(edited(overlay, "1.10", None).unwrap(), overlay.replace("v1.0", "\"1.10\""), "a tag is text");
}

#[test]
fn digests_are_set_added_or_taken_away() {
    let start = "resources: [../base]\nimages:\n  - name: ghcr.io/acme/web\n";
    let tag = format!("{start}    newTag: v1\n");
    let both = format!("{tag}    digest: sha256:aa\n");
    let only = format!("{start}    digest: sha256:aa\n");
    let tag2 = format!("{start}    newTag: v2\n");
    assert_eq!(edited(&tag, "v2", Some("sha256:bb")).unwrap(), format!("{tag2}    digest: sha256:bb\n"));
    assert_eq!(edited(&both, "v2", Some("sha256:bb")).unwrap(), format!("{tag2}    digest: sha256:bb\n"));
    assert_eq!(edited(&both, "v2", None).unwrap(), tag2, "a digest that stays would pin the old image");
    assert_eq!(edited(&only, "v2", Some("sha256:bb")).unwrap(), format!("{tag2}    digest: sha256:bb\n"));
    assert_eq!(edited(&only, "v2", None).unwrap(), tag2);
    assert_eq!(edited(start, "v2", None).unwrap(), tag2);
}

#[test]
fn entries_in_flow_style_and_renamed_images_are_met() {
    let flow = "resources: [../base]\nimages: [{name: web, newName: ghcr.io/acme/web, newTag: \"1\"}]\n";
    assert_eq!(edited(flow, "2", None).unwrap(), flow.replace("\"1\"", "\"2\""));
}

#[test]
fn lines_that_flux_writes_are_left_to_it() {
    let overlay = "resources: [../base]\nimages:\n  - name: ghcr.io/acme/web\n    newTag: v1 # {\"$imagepolicy\": \"flux-system:web:tag\"}\n";
    assert_eq!(
        edited(overlay, "v2", None).unwrap_err(),
        "env/prod/kustomization.yaml:4:13: this line is written by Flux (`$imagepolicy`), so the version of ghcr.io/acme/web is left to it"
    );
    let suffixed = "resources: [../base]\nimages:\n  - {name: ghcr.io/acme/web, tagSuffix: -alpine}\n";
    assert!(edited(suffixed, "v2", None).unwrap_err().contains("would silence the `tagSuffix`"));
}

#[test]
fn a_version_in_a_shared_base_gets_an_entry_of_its_own() {
    let overlay = "resources: [../base]\n# the end\n";
    let added = format!("{overlay}images:\n  - name: ghcr.io/acme/web\n    newTag: v2\n");
    assert_eq!(edited(overlay, "v2", None).unwrap(), added);
    let pinned = format!("{added}    digest: sha256:bb\n");
    assert_eq!(edited(overlay, "v2", Some("sha256:bb")).unwrap(), pinned);
    let says = |overlay: &str, base: &str| {
        let problems = with(overlay, base, |tree| shared_versions(tree, &path("env/prod"), &app(&[WEB])));
        problems
            .iter()
            .map(|p| format!("{}: {}. {}", p.location.as_ref().unwrap(), p.message, p.help.as_deref().unwrap()))
            .collect::<String>()
    };
    assert_eq!(
        says(overlay, "resources: [web.yaml]\n"),
        "env/base/web.yaml:9:18: the tag of ghcr.io/acme/web is set in env/base, which other environments share. The first promotion adds `images: [{ name: ghcr.io/acme/web, newTag: 0.1 }]` to env/prod/kustomization.yaml, with its own tag; add that now to split it earlier."
    );
    let based = "resources: [web.yaml]\nimages:\n  - {name: ghcr.io/acme/web, newTag: v1}\n";
    assert!(says(overlay, based).contains("newTag: v1 }"), "the base's entry wins over its manifest");
    let patched = "resources: [../base]\npatches:\n  - target: {kind: Deployment}\n    patch: |-\n      - {op: replace, path: /spec/template/spec/containers/0/image, value: 'ghcr.io/acme/web:v3'}\n";
    assert!(says(patched, based).contains("newTag: v3 }"), "the patch wins over the base");
    assert_eq!(says("resources: [../base]\nimages: [{name: ghcr.io/acme/web, newTag: v1}]\n", based), "");
}

#[test]
fn what_an_entry_would_not_change_is_explained() {
    let ask = |overlay: &str, base: &str, image: &str| {
        let problems = with(overlay, base, |tree| version_fields(tree, &path("env/prod"), &app(&[image]))).unwrap_err();
        let [one] = problems.as_slice() else { panic!("{problems:?}") };
        let place = one.location.as_ref().map_or_else(String::new, ToString::to_string);
        format!("{place}: {}. {}", one.message, one.help.as_deref().unwrap_or_default())
    };
    let overlay = "resources: [../base]\n";
    assert_eq!(
        ask(overlay, "resources: [web.yaml]\nimages:\n  - {name: ghcr.io/acme/web, newName: quay.io/acme/web}\n", WEB),
        "env/base/kustomization.yaml:3:39: a base turns ghcr.io/acme/web into quay.io/acme/web, so nothing above it can be matched by the old name. Write quay.io/acme/web in `images` of the app in .github/trunkline.yaml."
    );
    assert_eq!(
        ask(overlay, "resources: [web.yaml]\n", "ghcr.io/acme/other"),
        ": nothing in env/prod uses the image ghcr.io/acme/other. Check `images` of the app in .github/trunkline.yaml."
    );
}

#[test]
fn kustomizations_inside_the_folder_are_its_own() {
    let overlay = "resources: [../base]\ncomponents: [own]\n";
    let fields = plain_base(overlay, |tree| version_fields(tree, &path("env/prod"), &app(&["ghcr.io/acme/api"])));
    assert_eq!(fields.unwrap()[0].file, path("env/prod/own/kustomization.yaml"));
}

#[test]
fn a_folder_without_kustomization_holds_versions_in_its_manifests() {
    let mut objects = MemoryObjects::default();
    let root = objects.add_text([("env/prod/web.yaml", DEPLOYMENT)]).unwrap();
    let tree = Tree::new(root, &objects);
    let fields = version_fields(&tree, &path("env/prod"), &app(&[WEB])).unwrap();
    assert_eq!((fields[0].holder, fields[0].value.as_str(), fields[0].location.line), (Holder::Container, "0.1", 9));
}
