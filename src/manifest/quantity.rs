//! Kubernetes quantities: `100m`, `1.5`, `128Mi`, `1e3`.

/// A quantity in thousandths of its unit, rounded up as Kubernetes does; `None` for what is none, is negative, or is beyond all machines.
pub(super) fn thousandths(text: &str) -> Option<u64> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, suffix) = text.split_at(end);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    // More digits than these are beyond any machine, or below any clock.
    let fraction: String = fraction.chars().take(9).collect();
    let digits = format!("{whole}{fraction}");
    let value = Some(digits).filter(|digits| digits.len() <= 30)?.parse::<u128>().ok()?;
    let (times, over) = scale(suffix)?;
    let over = over.checked_mul(10_u128.checked_pow(u32::try_from(fraction.len()).ok()?)?)?;
    u64::try_from(value.checked_mul(times)?.checked_mul(1_000)?.div_ceil(over)).ok()
}

/// What a suffix multiplies with and divides by.
fn scale(suffix: &str) -> Option<(u128, u128)> {
    const BINARY: [&str; 6] = ["Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];
    const DECIMAL: [&str; 6] = ["k", "M", "G", "T", "P", "E"];
    let place = |all: [&str; 6]| all.iter().position(|one| *one == suffix).and_then(|at| u32::try_from(at + 1).ok());
    if let Some(power) = place(BINARY) {
        return Some((1_024_u128.pow(power), 1));
    }
    if let Some(power) = place(DECIMAL) {
        return Some((1_000_u128.pow(power), 1));
    }
    match suffix {
        "" => Some((1, 1)),
        "m" => Some((1, 1_000)),
        "u" => Some((1, 1_000_000)),
        "n" => Some((1, 1_000_000_000)),
        _ => {
            let power: i32 = suffix.strip_prefix(['e', 'E'])?.parse().ok()?;
            let size = 10_u128.checked_pow(power.unsigned_abs()).filter(|_| power.unsigned_abs() <= 18)?;
            Some(if power < 0 { (1, size) } else { (size, 1) })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_read_as_kubernetes_reads_them() {
        for (text, expected) in [
            ("1", Some(1_000)),
            ("100m", Some(100)),
            ("1.5", Some(1_500)),
            (".5", Some(500)),
            ("2.", Some(2_000)),
            ("1u", Some(1)),
            ("128Mi", Some(128 * 1024 * 1024 * 1000)),
            ("1.5Gi", Some(1_610_612_736_000)),
            ("1k", Some(1_000_000)),
            ("1e3", Some(1_000_000)),
            ("1E", Some(1_000_000_000_000_000_000_000_u128)),
            ("100e-3", Some(100)),
            ("", None),
            (".", None),
            ("-1", None),
            ("1 Gi", None),
            ("1gi", None),
            ("${cpu}", None),
            ("1e999", None),
        ] {
            assert_eq!(thousandths(text), expected.and_then(|number| u64::try_from(number).ok()), "{text}");
        }
        assert_eq!(thousandths(&"9".repeat(40)), None);
    }
}
