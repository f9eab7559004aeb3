//! SH-001: a schema change loses nothing.

use std::collections::HashMap;

use super::{E, Hit, Rule};
use crate::manifest::{Node, Object};
use crate::policy::Class;
use crate::policy::world::World;

pub(super) const RULE: Rule = Rule {
    id: "SH-001",
    title: "A SchemaHero change drops no data, and production plans before it runs.",
    severities: [E; 3],
    why: "A dropped or narrowed column takes its content along, and no rollback of git brings it back.",
    fix: "Add the new column, move the data, and drop the old one in a later release; where the loss is meant, `/trunkline override SH-001`.",
    // A rule about a change: its examples are what the change makes of `BEFORE`.
    good: "# file: env/table.yaml
apiVersion: schemas.schemahero.io/v1alpha4
kind: Table
metadata: { name: orders }
spec:
  database: shop
  name: orders
  schema:
    postgres:
      primaryKey: [id]
      columns:
        - { name: id, type: integer, constraints: { notNull: true } }
        - { name: note, type: varchar(200) }
        - { name: state, type: text }
",
    bad: "# file: env/table.yaml
apiVersion: schemas.schemahero.io/v1alpha4
kind: Table
metadata: { name: orders }
spec:
  database: shop
  name: orders
  schema:
    postgres:
      primaryKey: [id]
      columns:
        - { name: id, type: integer, constraints: { notNull: true } }
        - { name: remark, type: varchar(100), constraints: { notNull: true } }
",
    check,
};

/// What stood there before the change of the examples.
#[cfg(test)]
pub(super) const BEFORE: &str = "# file: env/table.yaml
apiVersion: schemas.schemahero.io/v1alpha4
kind: Table
metadata: { name: orders }
spec:
  database: shop
  name: orders
  schema:
    postgres:
      primaryKey: [id]
      columns:
        - { name: id, type: integer, constraints: { notNull: true } }
        - { name: note, type: varchar(100) }
";

fn check(world: &World) -> Vec<Hit> {
    let mut hits = Vec::new();
    for database in world.of("databases.schemahero.io", "Database") {
        let immediate = database.node.at(&["spec", "immediateDeploy"]);
        if let Some(node) = immediate.filter(|node| node.as_bool() == Some(true) && world.class == Class::Prod) {
            hits.push(Hit::new(
                database,
                node,
                "runs every change at once: in production a person looks at the plan first".into(),
            ));
        }
    }
    for (now, was) in world.changed() {
        if now.kind() == "Table" && now.api_version().starts_with("schemas.schemahero.io/") {
            hits.extend(compare(now, was));
        }
    }
    hits
}

/// The one schema of a table, whichever database it is for.
fn schema(table: &Object) -> Option<&Node> {
    table.node.at(&["spec", "schema"])?.as_map()?.iter().next().map(|(_, schema)| schema)
}

fn compare(now: &Object, was: &Object) -> Vec<Hit> {
    let (Some(new), Some(old)) = (schema(now), schema(was)) else { return Vec::new() };
    let mut hits = Vec::new();
    let columns = |schema: &'_ Node| -> HashMap<String, Node> {
        let all = schema.list_at(&["columns"]).iter();
        all.filter_map(|column| Some((column.str_at(&["name"])?.to_owned(), column.clone()))).collect()
    };
    let (after, before) = (columns(new), columns(old));
    let place = |message: String| Hit::at_key(now, &["spec", "schema"], message);
    for column in old.list_at(&["columns"]) {
        let name = column.str_at(&["name"]).unwrap_or_default();
        match after.get(name) {
            None => hits.push(place(format!("column `{name}` is dropped, and its content with it"))),
            Some(column_now) => hits.extend(narrower(now, name, column_now, column)),
        }
    }
    for column in new.list_at(&["columns"]) {
        let name = column.str_at(&["name"]).unwrap_or_default();
        if !before.contains_key(name) && is_required(column) && column.get("default").is_none() {
            let message = format!(
                "new column `{name}` may not be empty and has no default: it fails on every table that has rows"
            );
            hits.push(Hit::new(now, column.get("name").unwrap_or(column), message));
        }
    }
    if new.get("primaryKey") != old.get("primaryKey") && old.get("primaryKey").is_some() {
        hits.push(place("the primary key changes: the table is rewritten, and rows may collide".to_owned()));
    }
    let indexes = |schema: &Node| {
        schema.list_at(&["indexes"]).iter().filter_map(|one| one.get("columns").cloned()).collect::<Vec<_>>()
    };
    let kept = indexes(new);
    let gone = indexes(old).into_iter().filter(|columns| !kept.contains(columns)).count();
    if gone > 0 {
        hits.push(place(format!("{gone} indexes are dropped: queries that used them read the whole table")));
    }
    hits
}

fn is_required(column: &Node) -> bool {
    column.at(&["constraints", "notNull"]).and_then(Node::as_bool) == Some(true)
}

fn narrower(table: &Object, name: &str, now: &Node, was: &Node) -> Option<Hit> {
    let kind = |column: &Node| column.str_at(&["type"]).unwrap_or_default().to_lowercase();
    let (new, old) = (kind(now), kind(was));
    if is_narrower(&new, &old) {
        let at = now.get("type").unwrap_or(now);
        return Some(Hit::new(
            table,
            at,
            format!("column `{name}` becomes `{new}`, narrower than `{old}`: values may not fit"),
        ));
    }
    if is_required(now) && !is_required(was) && now.get("default").is_none() {
        let at = now.at(&["constraints", "notNull"]).unwrap_or(now);
        let message = format!("column `{name}` may no longer be empty and has no default: it fails where it is");
        return Some(Hit::new(table, at, message));
    }
    None
}

/// Whether values of the old type may not fit the new one: shorter text, or a smaller number.
fn is_narrower(new: &str, old: &str) -> bool {
    const NUMBERS: [&[&str]; 3] =
        [&["smallint", "int2"], &["integer", "int", "int4", "serial"], &["bigint", "int8", "bigserial"]];
    let size = |kind: &str| NUMBERS.iter().position(|names| names.contains(&kind));
    let length = |kind: &str| {
        let (name, rest) = kind.split_once('(')?;
        let is_text = matches!(name.trim(), "varchar" | "character varying" | "char" | "character" | "varbinary");
        rest.strip_suffix(')').filter(|_| is_text)?.trim().parse::<u32>().ok()
    };
    let is_endless = matches!(old, "text" | "varchar" | "character varying" | "longtext" | "mediumtext");
    match (size(new), size(old), length(new), length(old)) {
        (Some(new), Some(old), _, _) => new < old,
        (_, _, Some(new), Some(old)) => new < old,
        (_, _, Some(_), None) => is_endless,
        _ => false,
    }
}
