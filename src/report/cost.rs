//! What a change costs, one line an environment: requested processors and memory, and volumes.

use super::limits::Section;
use super::markdown::code;
use crate::model::finding::{Cost, CostChange, EnvironmentEvaluation, Evaluation};

/// A line for each environment that asks for more or less than before, when one does.
pub(super) fn costs(evaluation: &Evaluation) -> Option<Section> {
    let line = |env: &EnvironmentEvaluation| {
        Some(format!("- Requests in {}: {}\n", code(&env.label()), cost_change(&env.cost)?))
    };
    let items: Vec<String> = evaluation.environments.iter().filter_map(line).collect();
    let section = Section { rank: 3, items, close: "\n".to_owned(), noun: "cost", ..Section::default() };
    (!section.items.is_empty()).then_some(section)
}

/// `CPU 0.3 → 0.6, memory 1Gi → 2Gi`; `None` when nothing differs.
pub(super) fn cost_change(change: &CostChange) -> Option<String> {
    let (from, to) = (&change.from, &change.to);
    let part = |what: &str, of: fn(&Cost) -> u64, show: fn(u64) -> String| {
        let (from, to) = (show(of(from)), show(of(to)));
        // What differs in no digit that is shown is no news.
        (from != to).then(|| format!("{what} {from} → {to}"))
    };
    let parts = [
        part("CPU", |cost| cost.cpu, processors),
        part("memory", |cost| cost.memory, bytes),
        part("volumes", |cost| cost.volumes, bytes),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}

/// Thousandths of a processor: `0.25`, `12`.
fn processors(thousandths: u64) -> String {
    decimal(thousandths, 1_000)
}

/// `0`, `64Mi`, `1.5Gi`: three digits tell enough.
fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 7] = ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];
    let power = (bytes.max(1).ilog2() / 10) as usize;
    let unit = 1_u64 << (10 * power);
    let rounded = if bytes / unit >= 100 { 1 } else { 100 };
    let hundredths = u128::from(bytes) * rounded / u128::from(unit);
    let text = decimal(u64::try_from(hundredths).unwrap_or(u64::MAX), u64::try_from(rounded).unwrap_or(1));
    format!("{text}{}", UNITS.get(power).copied().unwrap_or_default())
}

/// `number / parts` without zeros at the end; `parts` is a power of ten.
fn decimal(number: u64, parts: u64) -> String {
    let rest = number % parts;
    if rest == 0 {
        return (number / parts).to_string();
    }
    let digits = parts.ilog10() as usize;
    let text = format!("{}.{rest:0digits$}", number / parts);
    text.trim_end_matches('0').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn costs_are_told_in_few_digits() {
        let cost = |cpu, memory, volumes| Cost { cpu, memory, volumes };
        let told = |from, to| cost_change(&CostChange { from, to });
        assert_eq!(told(cost(1, 2, 3), cost(1, 2, 3)), None);
        let gib = 1 << 30;
        insta::assert_snapshot!(told(cost(0, 1 << 26, 0), cost(250, gib * 3 / 2, 100 * gib)).unwrap(), @"CPU 0 → 0.25, memory 64Mi → 1.5Gi, volumes 0 → 100Gi");
        insta::assert_snapshot!(told(cost(1_500, gib, 1_500 * gib), cost(12_000, gib + 1, 0)).unwrap(), @"CPU 1.5 → 12, volumes 1.46Ti → 0");
        insta::assert_snapshot!(told(cost(3, u64::MAX, 0), cost(0, 1_000, 0)).unwrap(), @"CPU 0.003 → 0, memory 15.99Ei → 1000");
    }
}
