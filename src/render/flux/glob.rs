//! Shell patterns as Go's `path.Match` reads them: `*`, `?`, `[a-z]`, `[^a]` and `\`.

/// Steps of matching in one render: a few thousand are real, and patterns from strangers can ask for billions.
const MAX_STEPS: u64 = 20_000_000;

/// What is left of the steps.
#[derive(Debug)]
pub(super) struct Fuel(u64);

impl Default for Fuel {
    fn default() -> Self {
        Self(MAX_STEPS)
    }
}

impl Fuel {
    /// What was burnt so far.
    pub(super) fn burnt(&self) -> u64 {
        MAX_STEPS - self.0
    }

    /// Burns what it costs to search a text: one step for four bytes, which are looked at together.
    pub(super) fn search(&mut self, text: &str) -> Result<(), &'static str> {
        self.burn(text.len() / 4).map_err(|_| "this and the other expressions here take too long to replace")
    }

    fn burn(&mut self, steps: usize) -> Result<(), Stop> {
        self.0 = self.0.checked_sub(u64::try_from(steps).unwrap_or(u64::MAX)).ok_or(Stop::Fuel)?;
        Ok(())
    }
}

/// Why matching ended without an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stop {
    /// The pattern is malformed, as far as it was read.
    Pattern,
    Fuel,
}

/// Whether `name` as a whole matches; a malformed pattern matches nothing, nor does one that takes too long.
pub(super) fn matches(pattern: &str, name: &str, fuel: &mut Fuel) -> bool {
    matched(pattern.as_bytes(), name.as_bytes(), fuel) == Ok(true)
}

/// `value` without its shortest or longest beginning that matches; as it is when none does, or the pattern is malformed.
pub(super) fn without_start<'v>(
    value: &'v [u8],
    pattern: &[u8],
    longest: bool,
    fuel: &mut Fuel,
) -> Result<&'v [u8], &'static str> {
    let mut found = None;
    for end in (1..=value.len()).rev() {
        match matched(pattern, &value[..end], fuel) {
            Err(Stop::Fuel) => return Err("this pattern takes too long to match"),
            Err(Stop::Pattern) => return Ok(value),
            Ok(true) => found = Some(end),
            Ok(false) => {}
        }
        if longest && found.is_some() {
            break;
        }
    }
    Ok(found.map_or(value, |end| &value[end..]))
}

/// A pattern is pieces between stars. Each piece takes the first place that fits, so this is never exponential.
fn matched(mut pattern: &[u8], mut name: &[u8], fuel: &mut Fuel) -> Result<bool, Stop> {
    'pieces: while !pattern.is_empty() {
        let stars = pattern.iter().take_while(|c| **c == b'*').count();
        let (star, rest) = (stars > 0, &pattern[stars..]);
        let (piece, after) = rest.split_at(piece_end(rest));
        pattern = after;
        if star && piece.is_empty() {
            return Ok(true);
        }
        let last = pattern.is_empty();
        if let Some(left) = begins(piece, name, fuel)?
            && (left.is_empty() || !last)
        {
            name = left;
            continue;
        }
        if star {
            for from in 1..=name.len() {
                if let Some(left) = begins(piece, &name[from..], fuel)?
                    && (left.is_empty() || !last)
                {
                    name = left;
                    continue 'pieces;
                }
            }
        }
        return Ok(false);
    }
    Ok(name.is_empty())
}

/// Where the piece without star ends.
fn piece_end(pattern: &[u8]) -> usize {
    let (mut at, mut in_class) = (0, false);
    while at < pattern.len() {
        match pattern[at] {
            b'\\' => at += 1,
            b'[' => in_class = true,
            b']' => in_class = false,
            b'*' if !in_class => return at,
            _ => {}
        }
        at += 1;
    }
    pattern.len()
}

/// What is left of `name` after a piece at its beginning.
fn begins<'n>(mut piece: &[u8], mut name: &'n [u8], fuel: &mut Fuel) -> Result<Option<&'n [u8]>, Stop> {
    while let Some(first) = piece.first() {
        fuel.burn(1)?;
        if name.is_empty() {
            return Ok(None);
        }
        match first {
            b'[' => {
                let (c, size) = character(name);
                let (fits, after, read) = class(&piece[1..], c)?;
                fuel.burn(read)?;
                (name, piece) = (&name[size..], after);
                if !fits {
                    return Ok(None);
                }
            }
            b'?' => (name, piece) = (&name[character(name).1..], &piece[1..]),
            sign => {
                let escaped = *sign == b'\\';
                let c = if escaped { *piece.get(1).ok_or(Stop::Pattern)? } else { *sign };
                if c != name[0] {
                    return Ok(None);
                }
                (name, piece) = (&name[1..], &piece[1 + usize::from(escaped)..]);
            }
        }
    }
    Ok(Some(name))
}

/// Reads a class after its `[`: whether it has `c`, what follows it, how much was read.
fn class(pattern: &[u8], c: u32) -> Result<(bool, &[u8], usize), Stop> {
    let (negated, mut rest) = match pattern.strip_prefix(b"^") {
        Some(rest) => (true, rest),
        None => (false, pattern),
    };
    let (mut found, mut ranges) = (false, 0);
    loop {
        if let Some(after) = rest.strip_prefix(b"]").filter(|_| ranges > 0) {
            return Ok((found != negated, after, pattern.len() - after.len()));
        }
        let (low, after) = bound(rest)?;
        let (high, after) = match after.strip_prefix(b"-") {
            Some(after) => bound(after)?,
            None => (low, after),
        };
        found |= (low..=high).contains(&c);
        rest = after;
        ranges += 1;
    }
}

/// One end of a range.
fn bound(pattern: &[u8]) -> Result<(u32, &[u8]), Stop> {
    let pattern = match pattern {
        [] | [b'-' | b']', ..] => return Err(Stop::Pattern),
        [b'\\', rest @ ..] => rest,
        rest => rest,
    };
    let (c, size) = character(pattern);
    // A class is never the end of a pattern: its `]` is missing then.
    if pattern.len() <= size || (c == BROKEN && size == 1) {
        return Err(Stop::Pattern);
    }
    Ok((c, &pattern[size..]))
}

/// What stands for bytes that are no character.
const BROKEN: u32 = 0xFFFD;

/// The first character and its size; a byte that begins none counts as one.
fn character(bytes: &[u8]) -> (u32, usize) {
    let size = match bytes.first() {
        None => return (BROKEN, 0),
        Some(..0x80) => 1,
        Some(..0xE0) => 2,
        Some(..0xF0) => 3,
        Some(_) => 4,
    };
    let text = bytes.get(..size).and_then(|bytes| std::str::from_utf8(bytes).ok());
    text.and_then(|text| text.chars().next()).map_or((BROKEN, 1), |c| (u32::from(c), size))
}
