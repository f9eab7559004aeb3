//! The configuration's JSON Schema in `docs/` is the one the code makes.

#[test]
fn the_checked_in_schema_is_fresh() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/trunkline.schema.json");
    let made = format!("{}\n", serde_json::to_string_pretty(&trunkline::config::schema()).unwrap());
    if std::env::var_os("TRUNKLINE_REFRESH").is_some() {
        std::fs::write(&path, &made).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        kept == made,
        "docs/trunkline.schema.json is stale; refresh it: TRUNKLINE_REFRESH=1 cargo test --test it schema_is_fresh"
    );
}
