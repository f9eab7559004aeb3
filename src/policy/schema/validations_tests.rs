use super::*;
use crate::manifest::{Object, load, objects};
use crate::policy::schema::faults;

/// What is said of an object whose definition has this schema: `line rule message`; `before` is what it was.
fn said(schema: &str, before: Option<&str>, body: &str) -> Vec<String> {
    let definition = format!(
        "apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {{ name: teas.acme.dev }}
spec:
  group: acme.dev
  names: {{ kind: Tea, plural: teas }}
  versions:
    - name: v1
      schema:
        openAPIV3Schema:
{}",
        schema.lines().map(|line| format!("          {line}\n")).collect::<String>()
    );
    let read = |path: &str, text: &str| -> Vec<Object> {
        let loaded = load(&path.parse().unwrap(), text.as_bytes());
        assert_eq!(loaded.problems, [], "{text}");
        objects(&loaded).0
    };
    let whole = |body: &str| {
        read("tea.yaml", &format!("apiVersion: acme.dev/v1\nkind: Tea\nmetadata: {{ name: green }}\n{body}\n"))
    };
    let mut all = whole(body);
    all.extend(read("crd.yaml", &definition));
    let before = before.map(whole);
    let told = faults(&all, (&[], before.as_deref()), 33);
    let told = told.into_iter().filter(|(object, _)| object.kind() == "Tea");
    told.map(|(_, fault)| format!("{} {} {}", fault.at.line, fault.rule, fault.message)).collect()
}

/// The same, of a `spec` under the schema of `spec`.
fn spec(schema: &str, body: &str) -> Vec<String> {
    said(&of_spec(schema), None, &format!("spec: {body}"))
}

fn of_spec(schema: &str) -> String {
    format!(
        "type: object\nproperties:\n  spec:\n{}",
        schema.lines().map(|line| format!("    {line}\n")).collect::<String>()
    )
}

const NOTHING: [&str; 0] = [];

#[test]
fn a_broken_rule_is_told_in_its_authors_words() {
    let schema = |more: &str| {
        format!(
            "type: object
properties: {{ min: {{ type: integer }}, max: {{ type: integer }} }}
x-kubernetes-validations:
- rule: self.min <= self.max
  {more}"
        )
    };
    let body = "\n  max: 1\n  min: 2";
    let told = |more: &str| spec(&schema(more), body);
    assert_eq!(spec(&schema("message: no"), "{ min: 1, max: 1 }"), NOTHING);
    assert_eq!(told("message: min is above max"), ["4 SCH-008 min is above max"]);
    assert_eq!(told(""), ["4 SCH-008 failed rule: self.min <= self.max"]);
    assert_eq!(told("fieldPath: .min"), ["6 SCH-008 failed rule: self.min <= self.max"]);
    assert_eq!(
        told(
            "{message: a, messageExpression: \"'min %d is above max %d'.format([self.min, self.max])\"}"
                .trim_matches(['{', '}'])
                .replace(", messageExpression", "\n  messageExpression")
                .as_str()
        ),
        ["4 SCH-008 min 2 is above max 1"]
    );
    // A message that cannot be made gives way to the one that is written.
    assert_eq!(told("message: plain\n  messageExpression: self.other"), ["4 SCH-008 plain"]);
    assert_eq!(told("message: plain\n  messageExpression: \"'two\\\\nlines'\""), ["4 SCH-008 plain"]);
    assert_eq!(told("message: plain\n  reason: FieldValueForbidden\n  fieldPath: .nowhere"), ["4 SCH-008 plain"]);
}

#[test]
fn what_cannot_be_judged_has_not_passed_and_is_told_once() {
    let schema = |rule: &str| {
        format!(
            "type: array\nitems:\n  type: object\n  properties: {{ a: {{ type: string }} }}\n  x-kubernetes-validations:\n  - rule: {rule}"
        )
    };
    let told = |rule: &str| spec(&schema(rule), "[{ a: u }, { a: v }]").join("\n");
    let broken =
        "4 SCH-008 the rule `self.a ===` in the CustomResourceDefinition of `acme.dev/v1` Tea could not be judged: ";
    assert!(told("self.a ===").starts_with(broken) && !told("self.a ===").contains('\n'), "{}", told("self.a ==="));
    assert_eq!(
        told("self.b == 'x'"),
        ["4 SCH-008 the rule `self.b == 'x'` in the CustomResourceDefinition of `acme.dev/v1` Tea could not be judged: No such key: b"; 2].join("\n")
    );
    assert!(told("self.a").ends_with("could not be judged: it is neither true nor false"));
    assert!(told("nosuch(self.a)").contains("could not be judged"));
    let asks = "type: object\nproperties: { a: { type: string } }\nx-kubernetes-validations: [{ rule: int(self.a) > 0, message: a is a number }]";
    assert!(spec(asks, "{ a: x }")[0].ends_with(" (it asks: a is a number)"), "{:?}", spec(asks, "{ a: x }"));
    let many = "[0, 0, 0, 0, 0, 0, 0, 0, 0, 0]";
    let costly =
        format!("{many}.all(a, {many}.all(b, {many}.all(c, {many}.all(d, {many}.size() == {many}.map(e, e).size()))))");
    assert!(told(&format!("\"{costly}\"")).contains("nest deeper"), "{}", told(&format!("\"{costly}\"")));
}

#[test]
fn self_is_whatever_the_rule_stands_at() {
    for (schema, good, bad) in [
        ("type: string\nx-kubernetes-validations: [{ rule: self.startsWith('a') }]", "abc", "bcd"),
        ("type: integer\nx-kubernetes-validations: [{ rule: self % 2 == 0 }]", "4", "3"),
        ("type: number\nx-kubernetes-validations: [{ rule: self / 2.0 < 2.0 }]", "3", "5"),
        ("type: boolean\nx-kubernetes-validations: [{ rule: self }]", "true", "false"),
        (
            "type: array\nitems: { type: string }\nx-kubernetes-validations: [{ rule: \"self.all(a, a.size() < 3)\" }]",
            "[a, b]",
            "[abcd]",
        ),
        (
            "type: object\nadditionalProperties: { type: string }\nx-kubernetes-validations: [{ rule: \"self.all(k, k.contains('-') && self[k] != '')\" }]",
            "{ a-b: x }",
            "{ ab: x }",
        ),
        (
            "type: object\nadditionalProperties: { type: string, x-kubernetes-validations: [{ rule: self != '' }] }",
            "{ a-b: x }",
            "{ a-b: '' }",
        ),
        (
            "x-kubernetes-int-or-string: true\nx-kubernetes-validations: [{ rule: 'type(self) == int ? self > 0 : self.endsWith(''%'')' }]",
            "3",
            "0",
        ),
        (
            "x-kubernetes-int-or-string: true\nx-kubernetes-validations: [{ rule: 'type(self) == int ? self > 0 : self.endsWith(''%'')' }]",
            "3%",
            "3x",
        ),
        (
            "type: object\nx-kubernetes-preserve-unknown-fields: true\nproperties: { a: { type: integer } }\nx-kubernetes-validations: [{ rule: self.a > 0 }]",
            "{ a: 1, other: [1] }",
            "{ a: 0, other: x }",
        ),
        (
            "type: string\nformat: date-time\nx-kubernetes-validations: [{ rule: self.getFullYear() > 2000 }]",
            "2026-01-02T03:04:05Z",
            "1999-01-02T03:04:05Z",
        ),
        (
            "type: string\nformat: date\nx-kubernetes-validations: [{ rule: \"self > timestamp('2026-01-01T00:00:00Z')\" }]",
            "'2026-01-02'",
            "'2025-01-02'",
        ),
        (
            "type: string\nformat: duration\nx-kubernetes-validations: [{ rule: \"self <= duration('1h')\" }]",
            "30m",
            "90m",
        ),
        (
            "type: string\nformat: duration\nx-kubernetes-validations: [{ rule: \"self <= duration('48h')\" }]",
            "1d",
            "3 days",
        ),
        ("type: string\nformat: byte\nx-kubernetes-validations: [{ rule: size(self) == 3 }]", "Zm9v", "Zm9vYmFy"),
        ("type: integer\nallOf: [{ x-kubernetes-validations: [{ rule: self > 1 }] }]", "2", "1"),
        (
            "type: object\nproperties: { q: { x-kubernetes-int-or-string: true } }\nx-kubernetes-validations: [{ rule: \"quantity(string(self.q)).isGreaterThan(quantity('1'))\" }]",
            "{ q: 2 }",
            "{ q: 500m }",
        ),
    ] {
        assert_eq!(spec(schema, good), NOTHING, "{schema}: {good}");
        let told = spec(schema, bad);
        assert!(told.len() == 1 && told[0].starts_with("4 SCH-008 failed rule: "), "{schema}: {bad}: {told:?}");
    }
}

#[test]
fn names_are_escaped_as_kubernetes_does() {
    for (name, in_cel) in [
        ("namespace", "__namespace__"),
        ("a-b", "a__dash__b"),
        ("a.b/c", "a__dot__b__slash__c"),
        ("a__b", "a__underscores__b"),
        ("_a", "_a"),
        ("int", "int"),
        ("true", "__true__"),
        ("while", "__while__"),
    ] {
        let schema = format!(
            "type: object\nproperties: {{ '{name}': {{ type: integer }} }}\nx-kubernetes-validations: [{{ rule: self.{in_cel} == 1, fieldPath: \".{name}\" }}]"
        );
        assert_eq!(spec(&schema, &format!("{{ '{name}': 1 }}")), NOTHING, "{name}");
        assert_eq!(spec(&schema, &format!("{{ '{name}': 2 }}")).len(), 1, "{name}");
        assert_eq!(typed_name(name), in_cel);
    }
    assert_eq!(parts(".a.b['c.d'].e"), ["a", "b", "c.d", "e"]);
    assert_eq!((parts(""), parts(".a..b")), (Vec::<String>::new(), Vec::<String>::new()));
}

fn typed_name(name: &str) -> String {
    crate::policy::schema::typed::escaped(name)
}

#[test]
fn defaults_are_there_before_rules_are_asked() {
    let schema = "type: object
required: [mode]
properties:
  mode: { type: string, default: auto }
  limits: { type: object, default: {}, properties: { max: { type: integer, default: 3 } } }
  list: { type: array, items: { type: object, properties: { on: { type: boolean, default: true } } } }
  not: { type: string, nullable: true, default: x }
  gone: { type: string }
x-kubernetes-validations:
- rule: self.mode == 'auto' && self.limits.max == 3
- rule: '!has(self.list) || self.list.all(i, i.on)'
- rule: self.?not.orValue('') == 'x' || self.not == null
- rule: '!has(self.gone)'";
    assert_eq!(spec(schema, "{}"), NOTHING);
    assert_eq!(
        spec(schema, "{ mode: null, limits: {}, list: [{}], not: null, gone: null }"),
        ["4 SCH-002 `spec.gone` is null, and text is needed"]
    );
    assert_eq!(spec(schema, "{ list: [{ on: false }] }").len(), 1);
    // They are there before the forms of the schema are compared, too.
    let forms = "type: object\nproperties: { kind: { type: string, default: a } }\noneOf:\n- properties: { kind: { enum: [a] } }\n- properties: { kind: { enum: [b] } }";
    assert_eq!((spec(forms, "{}"), spec(forms, "{ kind: c }").len()), (Vec::new(), 1));
    // What is not there has no defaults of its own.
    let inner = "type: object\nproperties: { a: { type: object, properties: { b: { type: integer, default: 1 } } } }\nx-kubernetes-validations: [{ rule: '!has(self.a)' }]";
    assert_eq!((spec(inner, "{}"), spec(inner, "{ a: {} }").len()), (Vec::new(), 1));
}

#[test]
fn rules_wait_for_the_right_form_and_for_what_is_filled_in_later() {
    let schema = "type: object\nproperties: { a: { type: integer }, b: { type: string } }\nx-kubernetes-validations: [{ rule: self.a > 1 }]";
    assert_eq!(spec(schema, "{ a: x }"), ["4 SCH-002 `spec.a` is text, and a whole number is needed"]);
    assert_eq!(spec(schema, "{ a: '${a}' }"), NOTHING);
    assert_eq!(spec(schema, "{ a: 1, b: '${b}' }"), NOTHING);
    assert_eq!(spec(schema, "{ a: 1, c: 2 }").len(), 2);
    assert_eq!(spec(&schema.replace("self.a > 1", "self.a >"), "{ b: '${b}' }").len(), 1);
    assert_eq!(spec("type: string\nnullable: true\nx-kubernetes-validations: [{ rule: 'false' }]", "null"), NOTHING);
}

#[test]
fn the_whole_object_is_known_at_the_root() {
    let root = |rule: &str| {
        let schema = format!(
            "type: object\nproperties: {{ spec: {{ type: object }} }}\nx-kubernetes-validations: [{{ rule: \"{rule}\" }}]"
        );
        said(&schema, None, "spec: {}")
    };
    assert_eq!(
        root("self.metadata.name == 'green' && self.kind == 'Tea' && self.apiVersion == 'acme.dev/v1'"),
        NOTHING
    );
    assert_eq!(root("self.metadata.name.size() > 20"), ["3 SCH-008 failed rule: self.metadata.name.size() > 20"]);
    let embedded = "type: object\nx-kubernetes-embedded-resource: true\nx-kubernetes-preserve-unknown-fields: true\nx-kubernetes-validations: [{ rule: self.kind == 'Pod' && has(self.metadata.name) }]";
    assert_eq!(spec(embedded, "{ apiVersion: v1, kind: Pod, metadata: { name: a } }"), NOTHING);
    assert_eq!(spec(embedded, "{ apiVersion: v1, kind: Pot, metadata: { name: a } }").len(), 1);
}

#[test]
fn rules_about_a_change_are_asked_of_a_change() {
    let of = |rule: &str, more: &str| {
        format!(
            "type: object\nproperties: {{ a: {{ type: integer, x-kubernetes-validations: [{{ rule: \"{rule}\"{more} }}] }} }}"
        )
    };
    let told = |schema: &str, before: Option<&str>, after: &str| {
        let before = before.map(|before| format!("spec: {before}"));
        said(&of_spec(schema), before.as_deref(), &format!("spec: {after}"))
    };
    let fixed = of("self == oldSelf", "");
    assert_eq!(told(&fixed, None, "{ a: 1 }"), NOTHING);
    assert_eq!(told(&fixed, Some("{}"), "{ a: 1 }"), NOTHING);
    assert_eq!(told(&fixed, Some("{ a: 1 }"), "{ a: 1 }"), NOTHING);
    assert_eq!(told(&fixed, Some("{ a: 1 }"), "{ a: 2 }"), ["4 SCH-008 failed rule: self == oldSelf"]);
    let optional = of("!oldSelf.hasValue() || self >= oldSelf.value()", ", optionalOldSelf: true");
    assert_eq!(
        (told(&optional, None, "{ a: 1 }"), told(&optional, Some("{ a: 1 }"), "{ a: 2 }")),
        (Vec::new(), Vec::new())
    );
    assert_eq!(told(&optional, Some("{ a: 2 }"), "{ a: 1 }").len(), 1);
    // Items of a list are the same ones where a field tells them apart, and nowhere else.
    let list = |keys: &str| {
        format!(
            "type: array\n{keys}items:\n  type: object\n  properties: {{ id: {{ type: string }}, a: {{ type: integer }} }}\n  x-kubernetes-validations: [{{ rule: self.a == oldSelf.a }}]"
        )
    };
    let (was, is) = (Some("[{ id: x, a: 1 }, { id: v, a: 2 }]"), "[{ id: v, a: 3 }, { id: z, a: 1 }]");
    assert_eq!(told(&list("x-kubernetes-list-type: map\nx-kubernetes-list-map-keys: [id]\n"), was, is).len(), 1);
    assert_eq!(told(&list(""), was, is), NOTHING);
}

#[test]
fn an_object_is_asked_so_many_rules_and_no_more() {
    let schema = "type: array\nitems: { type: integer, x-kubernetes-validations: [{ rule: self > 0 }] }";
    let list = |count: usize| format!("[{}]", vec!["1"; count].join(","));
    assert_eq!(spec(schema, &list(2_000)), NOTHING);
    let told = spec(schema, &list(MAX_ASKED as usize + 1));
    assert_eq!(told, ["2 SCH-008 this Tea is too large to be held to the rules of its definition to the end"]);
}
