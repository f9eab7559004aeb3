//! Where each line of a written object stands, so that a diff can say `spec.template.spec.containers[web]`.

use super::emit::{block_lines, double_quoted, has_long_key};
use super::node::{Map, Node, Value};

/// A longer name in a path is cut: it is there to find one's way.
const MAX_NAME_CHARS: usize = 60;
/// A longer path is cut at its beginning, where it says least.
const MAX_PATH_CHARS: usize = 160;
/// What tells the items of a list apart for a reader, best first.
const NAMES: [&str; 6] = ["name", "key", "mountPath", "containerPort", "port", "host"];

/// The lines of a node as [`super::yaml`] writes them, each with the mapping or list it stands in.
#[derive(Debug, Default)]
pub(crate) struct Outline {
    /// Mappings and lists: what each stands in, and what it is called there. The first is the object itself.
    steps: Vec<(usize, String)>,
    /// For each line, the step it stands in.
    lines: Vec<usize>,
}

impl Outline {
    /// The outline of a node.
    pub(crate) fn of(node: &Node) -> Self {
        let mut outline = Self { steps: vec![(0, String::new())], lines: Vec::new() };
        match &node.value {
            Value::Map(map) if !map.is_empty() => outline.map(map, 0),
            Value::List(list) if !list.is_empty() => outline.list(list, 0),
            _ => outline.lines.push(0),
        }
        outline
    }

    /// How many lines there are.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.lines.len()
    }

    fn step(&mut self, inside: usize, name: String) -> usize {
        self.steps.push((inside, name));
        self.steps.len() - 1
    }

    fn map(&mut self, map: &Map, here: usize) {
        for (key, value) in map.iter() {
            self.lines.extend(std::iter::repeat_n(here, 1 + usize::from(has_long_key(key))));
            let name = || key_name(&key.text);
            if !self.collection(value, here, name) {
                self.text(&value.value, here, name);
            }
        }
    }

    fn list(&mut self, list: &[Node], here: usize) {
        for (at, item) in list.iter().enumerate() {
            let name = || item_name(item).unwrap_or_else(|| format!("[{at}]"));
            if !self.collection(item, here, name) {
                self.lines.push(here);
                self.text(&item.value, here, name);
            }
        }
    }

    /// The lines of a mapping or list that has any; false for all else. Recursion is bounded by the reader's depth limit.
    fn collection(&mut self, node: &Node, inside: usize, name: impl Fn() -> String) -> bool {
        match &node.value {
            Value::Map(map) if !map.is_empty() => {
                let step = self.step(inside, name());
                self.map(map, step);
            }
            Value::List(list) if !list.is_empty() => {
                let step = self.step(inside, name());
                self.list(list, step);
            }
            _ => return false,
        }
        true
    }

    /// The lines of a text block after its first.
    fn text(&mut self, value: &Value, here: usize, name: impl Fn() -> String) {
        let more = block_lines(value);
        if more > 0 {
            let step = self.step(here, name());
            self.lines.extend(std::iter::repeat_n(step, more));
        }
    }

    /// The way to a line, outermost first.
    fn way(&self, line: usize) -> Vec<&str> {
        let mut step = self.lines.get(line).copied().unwrap_or_default();
        let mut way = Vec::new();
        // Steps lead only to earlier ones, so this ends at the first.
        while step > 0 {
            let (inside, name) = &self.steps[step];
            way.push(name.as_str());
            step = *inside;
        }
        way.reverse();
        way
    }
}

/// The innermost place that all the lines stand in, or that of the first when they share none; empty for the object itself.
pub(crate) fn shared_place<'o>(lines: impl IntoIterator<Item = (&'o Outline, usize)>) -> String {
    let mut lines = lines.into_iter();
    let Some((outline, line)) = lines.next() else { return String::new() };
    let first = outline.way(line);
    let shared = lines.fold(first.len(), |shared, (outline, line)| {
        let way = outline.way(line);
        first[..shared].iter().zip(&way).take_while(|(a, b)| a == b).count()
    });
    let path = first[..if shared == 0 { first.len() } else { shared }].concat();
    let path = path.strip_prefix('.').unwrap_or(&path);
    let length = path.chars().count();
    if length <= MAX_PATH_CHARS {
        return path.to_owned();
    }
    let end: String = path.chars().skip(length - MAX_PATH_CHARS).collect();
    format!("…{end}")
}

fn key_name(key: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if !key.is_empty() && key.chars().all(plain) { format!(".{}", cut(key)) } else { format!("[{}]", quoted(key)) }
}

fn item_name(item: &Node) -> Option<String> {
    let text = NAMES.iter().find_map(|name| match &item.get(name)?.value {
        Value::String(text) if !text.is_empty() => Some(text.to_string()),
        Value::Int(number) => Some(number.to_string()),
        _ => None,
    })?;
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:".contains(c);
    Some(if text.chars().all(plain) { format!("[{}]", cut(&text)) } else { format!("[{}]", quoted(&text)) })
}

fn quoted(text: &str) -> String {
    double_quoted(&cut(text))
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(MAX_NAME_CHARS) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::{load, yaml};
    use crate::model::path::RepoPath;

    #[test]
    fn every_line_knows_where_it_stands() {
        let text = "kind: A\nmetadata: {name: x, annotations: {a.io/b: c}}\nspec:\n- name: web\n  env: [{name: A, value: b}, 1, [x]]\n\
            - {containerPort: 80}\n- \"odd one\"\n- name: 'a b'\n  x: {y: z}\ndata:\n  file.txt: |\n    one\n\n    two\n";
        let node = load(&RepoPath::root(), text.as_bytes()).documents.remove(0).node;
        let outline = Outline::of(&node);
        let shown: String = yaml(&node)
            .lines()
            .enumerate()
            .map(|(at, line)| format!("{line:<28}# {}\n", shared_place([(&outline, at)])))
            .collect();
        insta::assert_snapshot!(shown, @r#"
        kind: A                     # 
        metadata:                   # 
          name: x                   # metadata
          annotations:              # metadata
            a.io/b: c               # metadata.annotations
        spec:                       # 
        - name: web                 # spec[web]
          env:                      # spec[web]
          - name: A                 # spec[web].env[A]
            value: b                # spec[web].env[A]
          - 1                       # spec[web].env
          - - x                     # spec[web].env[2]
        - containerPort: 80         # spec[80]
        - odd one                   # spec
        - name: a b                 # spec["a b"]
          x:                        # spec["a b"]
            "true": z               # spec["a b"].x
        data:                       # 
          file.txt: |               # data
            one                     # data["file.txt"]
                                    # data["file.txt"]
            two                     # data["file.txt"]
        "#);
        assert_eq!(outline.len(), yaml(&node).lines().count());
    }

    #[test]
    fn several_lines_stand_in_what_they_share() {
        let text = "a: {b: {c: 1, d: {e: 1}}, f: 1}\ng: 1\n";
        let outline = Outline::of(&load(&RepoPath::root(), text.as_bytes()).documents.remove(0).node);
        let place = |lines: &[usize]| shared_place(lines.iter().map(|line| (&outline, *line)));
        assert_eq!([place(&[2]), place(&[2, 4]), place(&[4, 5]), place(&[4, 6])], ["a.b", "a.b", "a", "a.b.d"]);
        assert_eq!(place(&[6]), "");
    }

    #[test]
    fn t36_hostile_names_stay_on_their_line() {
        let key = format!("\"x\\n@@ y\\u202e{}\"", "z".repeat(500));
        let node = load(&RepoPath::root(), format!("{key}: {{a: 1}}").as_bytes()).documents.remove(0).node;
        let place = shared_place([(&Outline::of(&node), 1)]);
        assert!(!place.contains('\n') && place.chars().count() < 100, "{place}");
    }
}
