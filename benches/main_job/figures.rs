//! Figures: many measurements of one thing, told by their middle and their ends.

use std::time::Duration;

/// Measurements of one thing.
#[derive(Debug, Default, Clone)]
pub(crate) struct Series(Vec<f64>);

impl Series {
    /// Takes one in.
    pub(crate) fn add(&mut self, value: f64) {
        self.0.push(value);
        self.0.sort_by(f64::total_cmp);
    }

    /// Takes many in.
    pub(crate) fn take(&mut self, values: impl IntoIterator<Item = f64>) {
        self.0.extend(values);
        self.0.sort_by(f64::total_cmp);
    }

    /// Takes one in, in milliseconds.
    pub(crate) fn took(&mut self, time: Duration) {
        self.add(time.as_secs_f64() * 1e3);
    }

    /// The value below which `share` of all lie.
    pub(crate) fn at(&self, share: f64) -> f64 {
        let last = self.0.len().saturating_sub(1);
        self.0.get((last as f64 * share).round() as usize).copied().unwrap_or(f64::NAN)
    }

    /// The one in the middle.
    pub(crate) fn median(&self) -> f64 {
        self.at(0.5)
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

impl std::fmt::Display for Series {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (min, middle, max) = (self.at(0.0), self.median(), self.at(1.0));
        let text = match middle {
            m if m >= 100.0 => format!("{min:.0}/{middle:.0}/{max:.0}"),
            m if m >= 10.0 => format!("{min:.1}/{middle:.1}/{max:.1}"),
            m if m >= 0.1 => format!("{min:.2}/{middle:.2}/{max:.2}"),
            _ => format!("{min:.4}/{middle:.4}/{max:.4}"),
        };
        f.pad(&text)
    }
}
