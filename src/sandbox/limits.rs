//! GitHub's limits, enforced as GitHub does: what is too long or too many is a 422.

use serde_json::Value;

use super::refusal::Refusal;

/// Annotations in one request (GitHub's documented maximum; more come by further updates).
const ANNOTATIONS: usize = 50;
/// Characters in a check's summary or text.
const OUTPUT: usize = 65_535;
/// Characters in the body of a comment, an issue or a pull request.
const BODY: usize = 65_536;
/// Characters in a title.
const TITLE: usize = 256;

/// Refuses a body GitHub would find too long.
pub(crate) fn body(resource: &str, text: &str) -> Result<(), Refusal> {
    if text.chars().count() > BODY {
        return Err(Refusal::invalid(resource, "body", format!("body is too long (maximum is {BODY} characters)")));
    }
    Ok(())
}

/// Refuses a comment that is too long or says nothing.
pub(crate) fn comment(text: &str) -> Result<(), Refusal> {
    if text.trim().is_empty() {
        return Err(Refusal::invalid("IssueComment", "body", "Body cannot be blank"));
    }
    if text.chars().count() > BODY {
        let message = format!("Body is too long (maximum is {BODY} characters)");
        return Err(Refusal::invalid("IssueComment", "data", message));
    }
    Ok(())
}

/// Refuses a title that is too long or empty.
pub(crate) fn title(resource: &str, text: &str) -> Result<(), Refusal> {
    if text.trim().is_empty() {
        return Err(Refusal::invalid(resource, "title", "title can't be blank"));
    }
    if text.chars().count() > TITLE {
        return Err(Refusal::invalid(resource, "title", format!("title is too long (maximum is {TITLE} characters)")));
    }
    Ok(())
}

/// Refuses a ref name that git or GitHub would not take.
pub(crate) fn ref_name(name: &str) -> Result<(), Refusal> {
    let short = name.strip_prefix("refs/heads/").or_else(|| name.strip_prefix("refs/tags/")).unwrap_or(name);
    let dashed = short.starts_with('-');
    // 255 bytes is what a file name holds.
    if name.len() > 255 + "refs/heads/".len() || dashed || !git2::Reference::is_valid_name(name) {
        return Err(Refusal::new(422, "Reference name is invalid").of_kind("UNPROCESSABLE"));
    }
    if short.len() == 40 && short.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err(Refusal::new(422, "Reference name cannot look like an object id"));
    }
    Ok(())
}

/// Refuses a reaction GitHub does not know.
pub(crate) fn reaction(content: &str) -> Result<(), Refusal> {
    match content {
        "+1" | "-1" | "laugh" | "confused" | "heart" | "hooray" | "rocket" | "eyes" => Ok(()),
        _ => Err(Refusal::schema(format!("`{content}` is not a reaction"))),
    }
}

/// Holds a check run's request to GitHub's limits; `creating` asks for what only a new run must have.
pub(crate) fn check_run(request: &Value, creating: bool) -> Result<(), Refusal> {
    let bad = |what: String| Err(Refusal::schema(what));
    if let Some(conclusion) = request["conclusion"].as_str() {
        let known = ["action_required", "cancelled", "failure", "neutral", "success", "skipped", "stale", "timed_out"];
        if !known.contains(&conclusion) || conclusion == "stale" {
            return bad(format!("`{conclusion}` is not a conclusion an App can set"));
        }
    }
    if let Some(status) = request["status"].as_str() {
        if !["queued", "in_progress", "completed"].contains(&status) {
            return bad(format!("`{status}` is not a status an App can set"));
        }
        if status == "completed" && request["conclusion"].is_null() {
            return bad("a completed check run needs a conclusion".into());
        }
    }
    if let Some(output) = request.get("output").filter(|output| !output.is_null()) {
        check_output(output, creating)?;
    }
    let Some(actions) = request["actions"].as_array() else { return Ok(()) };
    if actions.len() > 3 {
        return bad("No more than 3 actions are allowed".into());
    }
    for action in actions {
        for (field, most) in [("label", 20), ("description", 40), ("identifier", 20)] {
            match action[field].as_str() {
                Some(text) if text.chars().count() <= most => {}
                Some(_) => return bad(format!("action {field} is longer than {most} characters")),
                None => return bad(format!("an action needs a {field}")),
            }
        }
    }
    Ok(())
}

fn check_output(output: &Value, creating: bool) -> Result<(), Refusal> {
    let bad = |what: String| Err(Refusal::schema(what));
    if output["summary"].as_str().is_none() || (creating && output["title"].as_str().is_none()) {
        return bad("output needs a title and a summary".into());
    }
    for field in ["summary", "text"] {
        if output[field].as_str().is_some_and(|text| text.chars().count() > OUTPUT) {
            return bad(format!("output.{field} exceeds a maximum of {OUTPUT} characters"));
        }
    }
    let Some(annotations) = output["annotations"].as_array() else { return Ok(()) };
    if annotations.len() > ANNOTATIONS {
        return bad(format!("No more than {ANNOTATIONS} annotations can be sent at once, got {}", annotations.len()));
    }
    annotations.iter().try_for_each(annotation)
}

fn annotation(one: &Value) -> Result<(), Refusal> {
    let bad = |what: &str| Err(Refusal::schema(what));
    let path = one["path"].as_str().unwrap_or_default();
    if path.is_empty() || path.starts_with('/') {
        return bad("an annotation needs a path relative to the repository");
    }
    let (Some(start), Some(end)) = (one["start_line"].as_u64(), one["end_line"].as_u64()) else {
        return bad("an annotation needs start_line and end_line");
    };
    if end < start {
        return bad("end_line is before start_line");
    }
    let columns = !one["start_column"].is_null() || !one["end_column"].is_null();
    if columns && start != end {
        return bad("columns are only for annotations within one line");
    }
    if !["notice", "warning", "failure"].contains(&one["annotation_level"].as_str().unwrap_or_default()) {
        return bad("annotation_level must be notice, warning or failure");
    }
    let Some(message) = one["message"].as_str() else { return bad("an annotation needs a message") };
    let raw = one["raw_details"].as_str().unwrap_or_default();
    if message.len() > 64 * 1024 || raw.len() > 64 * 1024 {
        return bad("message and raw_details are limited to 64 KB");
    }
    if one["title"].as_str().unwrap_or_default().chars().count() > 255 {
        return bad("an annotation's title is limited to 255 characters");
    }
    Ok(())
}
