//! Kubernetes quantities: `100m`, `1.5`, `128Mi`, `1e3`.

/// Billionths in one: as fine as Kubernetes keeps a quantity.
pub const BILLION: i128 = 1_000_000_000;

/// A quantity in billionths of its unit, and rounded up as Kubernetes does where it is finer; `None` for what is none.
pub fn billionths(text: &str) -> Option<i128> {
    let (negative, rest) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
    let (digits, suffix) = rest.split_at(end);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if fraction.contains('.') || (whole.is_empty() && fraction.is_empty()) {
        return None;
    }
    let mantissa: i128 = format!("{whole}{fraction}").parse().ok()?;
    let exponent = 9 - i32::try_from(fraction.len()).ok()?;
    let (base, power) = scale(suffix)?;
    let mut amount =
        if base == 2 { mantissa.checked_mul(1_i128.checked_shl(power.unsigned_abs())?)? } else { mantissa };
    let ten = exponent + if base == 10 { power } else { 0 };
    let factor = 10_i128.checked_pow(ten.unsigned_abs());
    amount = match (ten >= 0, factor) {
        (true, Some(factor)) => amount.checked_mul(factor)?,
        (true, None) => return (amount == 0).then_some(0),
        (false, Some(factor)) => amount / factor + i128::from(amount % factor != 0),
        (false, None) => i128::from(amount != 0),
    };
    Some(if negative { -amount } else { amount })
}

/// A quantity in thousandths of its unit, rounded up; `None` for what is none, is negative, or is beyond all machines.
pub(super) fn thousandths(text: &str) -> Option<u64> {
    let amount = u128::try_from(billionths(text)?).ok()?;
    u64::try_from(amount.div_ceil(1_000_000)).ok()
}

/// The base and the power a suffix stands for.
fn scale(suffix: &str) -> Option<(u32, i32)> {
    let decimal = ["n", "u", "m", "", "k", "M", "G", "T", "P", "E"];
    let binary = ["Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];
    let place = |list: &[&str]| list.iter().position(|known| *known == suffix).and_then(|at| i32::try_from(at).ok());
    if let Some(at) = place(&decimal) {
        return Some((10, (at - 3) * 3));
    }
    if let Some(at) = place(&binary) {
        return Some((2, (at + 1) * 10));
    }
    let power: i32 = suffix.strip_prefix(['e', 'E'])?.parse().ok()?;
    (-100..=100).contains(&power).then_some((10, power))
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
        assert_eq!(["-1.5", "+2", "0.1n", "1e-12"].map(billionths), [-1_500_000_000, 2_000_000_000, 1, 1].map(Some));
    }
}
