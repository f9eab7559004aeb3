//! KARP-004: nodes are of an image somebody chose.

use super::{E, Hit, Rule, W};
use crate::manifest::Object;
use crate::policy::world::World;

pub(super) const RULE: Rule = Rule {
    id: "KARP-004",
    title: "An EC2NodeClass pins its machine image and asks for tokens to its metadata.",
    severities: [None, W, E],
    why: "With `@latest` a new image replaces every node of every environment on the day it is published, tested by nobody.",
    fix: "Write the version behind the alias (`al2023@v20250920`), and `metadataOptions.httpTokens: required`.",
    good: "# file: env/class.yaml
apiVersion: karpenter.k8s.aws/v1
kind: EC2NodeClass
metadata: { name: default }
spec: { amiSelectorTerms: [{ alias: al2023@v20250920 }], metadataOptions: { httpTokens: required } }
",
    bad: "# file: env/class.yaml
apiVersion: karpenter.k8s.aws/v1
kind: EC2NodeClass
metadata: { name: default }
spec: { amiSelectorTerms: [{ alias: al2023@latest }], metadataOptions: { httpTokens: optional } }
",
    check,
};

/// Karpenter asks for tokens by itself; only a class that says otherwise is told.
fn check(world: &World) -> Vec<Hit> {
    world.of("karpenter.k8s.aws", "EC2NodeClass").flat_map(judge).collect()
}

fn judge(class: &Object) -> Vec<Hit> {
    let terms = class.node.list_at(&["spec", "amiSelectorTerms"]).iter().filter_map(|term| term.get("alias"));
    let latest = terms.filter(|alias| alias.as_str().is_some_and(|text| text.ends_with("@latest")));
    let mut hits: Vec<Hit> = latest
        .map(|alias| Hit::new(class, alias, format!("`{}` follows the newest machine image", alias.brief())))
        .collect();
    let tokens = class.node.at(&["spec", "metadataOptions", "httpTokens"]);
    if let Some(node) = tokens.filter(|node| node.as_str() == Some("optional")) {
        let message = "`httpTokens: optional` gives the node's credentials to whoever can make it fetch an address";
        hits.push(Hit::new(class, node, message.to_owned()));
    }
    hits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_written_is_karpenters_default() {
        let text = b"apiVersion: karpenter.k8s.aws/v1\nkind: EC2NodeClass\nmetadata: { name: a }\nspec: {}\n";
        let node: crate::manifest::Node =
            crate::manifest::load::load(&"a".parse().unwrap(), text).documents[0].node.clone();
        assert!(judge(&Object { node }).is_empty());
    }
}
