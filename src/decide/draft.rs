//! Changes to the ledger, gathered over one pass into one commit.

use std::collections::BTreeMap;

use crate::model::ledger::{Entry, Ledger};
use crate::model::plan::Effect;
use crate::model::wide::{FREEZES, Freezes, OVERRIDES, Overrides};
use crate::report::markdown::line;

/// A reason of 200 characters and the names of a dozen environments.
const MAX_MESSAGE: usize = 600;

/// The ledger as it should become.
pub(super) struct Draft<'a> {
    ledger: &'a Ledger,
    changed: BTreeMap<(String, String), Entry>,
    freezes: Option<Freezes>,
    overrides: Option<Overrides>,
    messages: Vec<String>,
    /// The comment all of it was said in.
    link: Option<&'a str>,
}

impl<'a> Draft<'a> {
    /// Nothing changed yet.
    pub(super) fn new(ledger: &'a Ledger) -> Self {
        Self { ledger, changed: BTreeMap::new(), freezes: None, overrides: None, messages: Vec::new(), link: None }
    }

    /// The same, for what is said in one comment.
    pub(super) fn said_in(ledger: &'a Ledger, link: &'a str) -> Self {
        Self { link: Some(link), ..Self::new(ledger) }
    }

    /// The entry of an (app, environment) as it is by now.
    pub(super) fn entry(&self, app: &str, environment: &str) -> Entry {
        let key = (app.to_owned(), environment.to_owned());
        self.changed.get(&key).cloned().unwrap_or_else(|| self.ledger.entry(app, environment))
    }

    /// Changes the entry of an (app, environment), with a word why.
    pub(super) fn change(&mut self, app: &str, environment: &str, why: String, change: impl FnOnce(&mut Entry)) {
        let entry = self
            .changed
            .entry((app.to_owned(), environment.to_owned()))
            .or_insert_with(|| self.ledger.entry(app, environment));
        change(entry);
        self.messages.push(why);
    }

    /// The freezes as they are by now.
    pub(super) fn freezes(&self) -> &Freezes {
        self.freezes.as_ref().unwrap_or(&self.ledger.freezes)
    }

    /// Changes the freezes, with a word why.
    pub(super) fn freeze(&mut self, why: String, change: impl FnOnce(&mut Freezes)) {
        change(self.freezes.get_or_insert_with(|| self.ledger.freezes.clone()));
        self.messages.push(why);
    }

    /// Changes the overrides, with a word why.
    pub(super) fn accept(&mut self, why: String, change: impl FnOnce(&mut Overrides)) {
        change(self.overrides.get_or_insert_with(|| self.ledger.overrides.clone()));
        self.messages.push(why);
    }

    /// The one write that makes it so; `None` when nothing changed.
    pub(super) fn effect(self) -> Option<Effect> {
        let changed =
            self.changed.iter().filter(|((app, environment), entry)| **entry != self.ledger.entry(app, environment));
        let entries = changed.map(|((app, environment), entry)| (Ledger::path(app, environment), entry.write()));
        let freezes = self.freezes.iter().filter(|new| **new != self.ledger.freezes);
        let freezes = freezes.map(|new| (FREEZES.parse(), serde_yaml::to_string(new)));
        let overrides = self.overrides.iter().filter(|new| **new != self.ledger.overrides);
        let overrides = overrides.map(|new| (OVERRIDES.parse(), serde_yaml::to_string(new)));
        // Names are path parts and entries are plain data, so neither step fails; a file left out would only be asked for again.
        let written = |(path, text): (Result<_, _>, Result<_, _>)| Some((path.ok()?, text.ok()?));
        let files: Vec<_> = entries.chain(freezes).chain(overrides).filter_map(written).collect();
        // Reasons are people's own words, and show where commits are listed.
        let messages: Vec<String> = self.messages.iter().map(|message| line(message, MAX_MESSAGE)).collect();
        let mut message = match messages.as_slice() {
            [one] => one.clone(),
            [first, rest @ ..] => format!("{first}, and {} more\n\n{}", rest.len(), messages.join("\n")),
            [] => return None,
        };
        if let Some(link) = self.link {
            message.push_str(&format!("\n\n{link}"));
        }
        (!files.is_empty()).then_some(Effect::Record { files, message, expected: self.ledger.head })
    }
}
