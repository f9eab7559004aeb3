//! What a change to policies or configuration would make of every environment: told, never obeyed.

use super::limits::Section;
use super::sections::{Place, item, severities, told};
use super::words::count;
use crate::model::finding::{Delta, Evaluation};

/// The preview, when the change has one.
pub(super) fn preview(evaluation: &Evaluation, place: &Place<'_>) -> Vec<Section> {
    let Some(preview) = &evaluation.preview else { return Vec::new() };
    let (new, gone) = (told(&preview.evaluation, Delta::New), told(&preview.evaluation, Delta::Fixed));
    let tally = |told: &[super::sections::Told<'_>]| severities(told.iter().map(|told| &*told.finding));
    let difference = match (tally(&new), tally(&gone)) {
        (new, gone) if new.is_empty() && gone.is_empty() => "its own would find the same".to_owned(),
        (new, gone) if gone.is_empty() => format!("its own would find {new} more"),
        (new, gone) if new.is_empty() => format!("its own would no longer find {gone}"),
        (new, gone) => format!("its own would find {new} more, and no longer {gone}"),
    };
    let left_out = match preview.left_out {
        0 => String::new(),
        n => format!(" {} more were not looked at.", count(n as usize, "environment")),
    };
    let open = format!(
        "#### Once this is merged\n\nThis change alters policies or configuration. It is judged by those of the default branch; over {}, {difference}.{left_out}\n\n",
        count(preview.looked_at as usize, "environment"),
    );
    let mut room = super::limits::CHECK_BYTES / 2;
    let close = "\n".to_owned();
    let mut sections =
        vec![Section { rank: 3, open, close: close.clone(), noun: "finding", ..Section::default() }.fill(
            &new,
            &mut room,
            |told| item(told, place),
        )];
    if !gone.is_empty() {
        let open = "<details><summary>No longer found</summary>\n\n".to_owned();
        let close = "\n</details>\n\n".to_owned();
        let section = Section { rank: 5, open, close, noun: "finding", ..Section::default() };
        sections.push(section.fill(&gone, &mut room, |told| item(told, place)));
    }
    sections
}
