mod diffs;
mod hostile;
mod limits;
mod texts;

use crate::model::finding::{
    AmountChange, Change, ChangeKind, CostChange, Delta, EnvironmentEvaluation, Evaluation, Finding, ImageChange,
    Location, ObjectName, Severity,
};
use crate::model::id::Oid;
use crate::model::verdict::Verdict;

const REPO: &str = "https://github.com/acme/environments";
const SOURCE: &str = "https://github.com/acme/shop";

fn oid(digit: char) -> Oid {
    digit.to_string().repeat(40).parse().unwrap()
}

fn at(path: &str, line: u32, column: u32) -> Option<Location> {
    Some(Location { path: path.parse().unwrap(), line, column })
}

fn object(kind: &str, name: &str) -> ObjectName {
    ObjectName { group: "apps".into(), kind: kind.into(), namespace: "shop".into(), name: name.into() }
}

fn finding(rule: &str, severity: Severity, delta: Delta, message: &str) -> Finding {
    Finding {
        object: Some(object("Deployment", "frontend")),
        location: at("base/frontend.yaml", 21, 18),
        delta,
        ..Finding::new(rule, severity, message)
    }
}

fn environment(name: &str) -> EnvironmentEvaluation {
    EnvironmentEvaluation {
        applier: String::new(),
        environment: name.into(),
        path: format!("environments/{name}").parse().unwrap(),
        changes: vec![
            Change {
                object: object("Deployment", "frontend"),
                kind: ChangeKind::Changed,
                was: None,
                follows: Vec::new(),
                diff: "@@ spec.template.spec @@\n-  image: ghcr.io/acme/shop-frontend:v1.0\n+  image: ghcr.io/acme/shop-frontend:latest\n".into(),
                lines: (1, 1),
                location: at("base/frontend.yaml", 21, 0),
            },
            Change {
                object: object("ConfigMap", "old"),
                kind: ChangeKind::Removed,
                was: None,
                follows: Vec::new(),
                diff: "-data: {}\n".into(),
                lines: (0, 1),
                location: at("base/old.yaml", 1, 0),
            },
        ],
        images: vec![ImageChange { name: "ghcr.io/acme/shop-frontend".into(), from: "v1.0".into(), to: "latest".into() }],
        amounts: Vec::new(),
        cost: CostChange::default(),
        versions: Vec::new(),
        findings: vec![
            Finding {
                why: "A tag that moves means two nodes can run different code.".into(),
                fix: "Name a version: `newTag: v1.1`.".into(),
                ..finding("IMG-001", Severity::Error, Delta::New, "the image `ghcr.io/acme/shop-frontend` has the tag `latest`")
            },
            Finding { location: None, ..finding("main.warn", Severity::Warning, Delta::New, "no owner label") },
            finding("RES-001", Severity::Warning, Delta::Existing, "the container `web` has no memory limit"),
            finding("SEC-004", Severity::Error, Delta::Fixed, "the container `web` runs as root"),
        ],
        objects: 12,
        rendered: true,
        digest: String::new(),
    }
}

fn world() -> Evaluation {
    Evaluation {
        environments: vec![environment("stage"), environment("prod")],
        findings: Vec::new(),
        ..Evaluation::default()
    }
}

/// Everything fine: one object changes, nothing is found.
fn calm() -> Evaluation {
    let mut dev = environment("dev");
    dev.findings.clear();
    dev.changes.truncate(1);
    Evaluation { environments: vec![dev], findings: Vec::new(), ..Evaluation::default() }
}

fn waiting() -> Verdict {
    Verdict::all(
        "gates",
        "`v1.0` waits to enter `prod`",
        vec![
            Verdict::yes("order", "`stage` holds this commit"),
            Verdict::wait("soak", "it has been in `stage` for 3 hours of 24")
                .until("2026-12-20T09:00:00Z".parse().unwrap()),
            Verdict::wait("approvals", "0 of 1 approvals")
                .next("a member of `acme/sre` who is not the tagger approves"),
        ],
    )
}

/// The same text with the invisible joiner made visible.
fn seen(text: &str) -> String {
    text.replace('\u{2060}', "{joiner}")
}
