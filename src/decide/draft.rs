//! Changes to the ledger, gathered over one pass into one commit.

use std::collections::BTreeMap;

use crate::model::ledger::{Entry, Ledger};
use crate::model::plan::Effect;

/// Ledger entries as they should become.
pub(super) struct Draft<'a> {
    ledger: &'a Ledger,
    changed: BTreeMap<(String, String), Entry>,
    messages: Vec<String>,
}

impl<'a> Draft<'a> {
    /// Nothing changed yet.
    pub(super) fn new(ledger: &'a Ledger) -> Self {
        Self { ledger, changed: BTreeMap::new(), messages: Vec::new() }
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

    /// The one write that makes it so; `None` when nothing changed.
    pub(super) fn effect(self) -> Option<Effect> {
        let mut files = Vec::new();
        for ((app, environment), entry) in self.changed {
            if entry == self.ledger.entry(&app, &environment) {
                continue;
            }
            // Names are path parts and entries are plain data, so neither step fails; a file left out would only be asked for again.
            if let (Ok(path), Ok(text)) = (Ledger::path(&app, &environment), entry.write()) {
                files.push((path, text));
            }
        }
        let message = match self.messages.as_slice() {
            [one] => one.clone(),
            [first, rest @ ..] => format!("{first}, and {} more\n\n{}", rest.len(), self.messages.join("\n")),
            [] => return None,
        };
        (!files.is_empty()).then_some(Effect::Record { files, message, expected: self.ledger.head })
    }
}
