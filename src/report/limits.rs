//! Texts that fit: cut at the borders of blocks, the most important first, and saying what was left out (T37, E53).

use crate::model::plan::CheckOutput;

/// GitHub refuses comments and pull request bodies over 65,536 characters and, in places, counts bytes.
pub const COMMENT_BYTES: usize = 60_000;

/// GitHub refuses check summaries and texts over 65,535 characters; counted in bytes here, to be safe in any script.
pub const CHECK_BYTES: usize = 60_000;

/// GitHub refuses annotation titles and pull request titles over 255 or 256 characters.
pub const TITLE_CHARS: usize = 250;

/// One object's diff: about 200 lines, more than anybody reads in a comment.
pub const DIFF_BYTES: usize = 8_000;

/// Texts of one report: half a megabyte together, and a request each; nobody reads more.
pub const MAX_PAGES: usize = 8;

/// Room for the sentence about what was left out.
const NOTICE_BYTES: usize = 400;

/// A part of a text: a frame around items that can be left out one by one.
#[derive(Debug, Clone, Default)]
pub struct Section {
    /// Smaller stays longer.
    pub rank: u8,
    /// What stands before the items.
    pub open: String,
    /// The items, most important first.
    pub items: Vec<String>,
    /// Items that follow these and were not even made, because they could not fit.
    pub unmade: usize,
    /// What stands after them.
    pub close: String,
    /// What one item is called.
    pub noun: &'static str,
}

impl Section {
    /// A section that stays whole or goes whole.
    pub fn whole(rank: u8, text: impl Into<String>) -> Self {
        Self { rank, open: text.into(), ..Self::default() }
    }

    /// The section with one item for each thing, made only while `room` bytes are left: a report may be of megabytes.
    #[must_use]
    pub fn fill<T>(mut self, things: &[T], room: &mut usize, show: impl Fn(&T) -> String) -> Self {
        for thing in things {
            if *room == 0 {
                break;
            }
            let item = show(thing);
            *room = room.saturating_sub(item.len());
            self.items.push(item);
        }
        self.unmade = things.len() - self.items.len();
        self
    }

    /// What is left of it after its first `kept` items were shown; `None` when nothing is.
    fn without(mut self, kept: Option<usize>) -> Option<Self> {
        let Some(kept) = kept else { return Some(self) };
        self.items.drain(..kept.min(self.items.len()));
        (self.items.len() + self.unmade > 0).then_some(self)
    }
}

/// The sections in order, as much as fits in `limit` bytes; `elsewhere` says where the rest is to be seen.
pub fn fit(sections: &[Section], limit: usize, elsewhere: &str) -> String {
    assemble(sections, &chosen(sections, limit), elsewhere)
}

/// The sections over as many texts of `limit` bytes as they need, the most important first, each saying where it goes on: nothing is
/// lost up to [`MAX_PAGES`], and beyond `elsewhere` has it.
pub fn spread(mut sections: Vec<Section>, limit: usize, elsewhere: &str) -> Vec<String> {
    let mut pages = Vec::new();
    while !sections.is_empty() && pages.len() < MAX_PAGES {
        let kept = chosen(&sections, limit);
        let number = pages.len() + 2;
        let goes_on = format!("the check `{}` goes on", CheckOutput::page_name(number));
        let is_stuck = kept.iter().all(Option::is_none);
        let more = if number > MAX_PAGES || is_stuck { elsewhere } else { &goes_on };
        pages.push(assemble(&sections, &kept, more));
        if is_stuck {
            break;
        }
        sections = sections.into_iter().zip(kept).filter_map(|(section, kept)| section.without(kept)).collect();
    }
    pages
}

/// How many items of each section fit, the most important sections first; `None` leaves a section out.
fn chosen(sections: &[Section], limit: usize) -> Vec<Option<usize>> {
    let mut room = limit.saturating_sub(NOTICE_BYTES);
    let mut kept: Vec<Option<usize>> = vec![None; sections.len()];
    let mut order: Vec<usize> = (0..sections.len()).collect();
    order.sort_by_key(|index| sections[*index].rank);
    for index in order {
        let section = &sections[index];
        let total: usize = section.items.iter().map(String::len).sum();
        let frame = section.open.len() + section.close.len();
        let notice = if section.unmade == 0 && frame + total <= room { 0 } else { NOTICE_BYTES };
        let Some(mut left) = room.checked_sub(frame + notice) else { continue };
        let fits = |item: &&String| left.checked_sub(item.len()).map(|rest| left = rest).is_some();
        let items = section.items.iter().take_while(fits).count();
        // A frame around nothing tells nothing.
        if items > 0 || section.items.len() + section.unmade == 0 {
            kept[index] = Some(items);
            room = left;
        }
    }
    kept
}

fn assemble(sections: &[Section], kept: &[Option<usize>], elsewhere: &str) -> String {
    let mut out = String::new();
    let mut gone: Vec<String> = Vec::new();
    for (section, kept) in sections.iter().zip(kept) {
        let Some(kept) = kept else {
            let what = if section.noun.is_empty() { "section" } else { section.noun };
            gone.push(super::words::count((section.items.len() + section.unmade).max(1), what));
            continue;
        };
        out.push_str(&section.open);
        section.items[..*kept].iter().for_each(|item| out.push_str(item));
        let missing = section.items.len() + section.unmade - kept;
        if missing > 0 {
            let more = super::words::count(missing, section.noun);
            out.push_str(&format!("\n*{more} left out here: {elsewhere}*\n\n"));
        }
        out.push_str(&section.close);
    }
    if !gone.is_empty() {
        out.push_str(&format!(
            "\n*Left out, because it would not fit: {}; {elsewhere}*\n",
            super::words::listed(&gone, 5)
        ));
    }
    out
}

/// The whole lines of `text` that fit in `limit` bytes, and how many lines did not.
pub fn whole_lines(text: &str, limit: usize) -> (&str, usize) {
    if text.len() <= limit {
        return (text, 0);
    }
    let mut end = 0;
    for line in text.split_inclusive('\n') {
        if end + line.len() > limit {
            break;
        }
        end += line.len();
    }
    (&text[..end], text[end..].lines().count())
}
