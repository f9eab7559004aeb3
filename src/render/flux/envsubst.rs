//! `${name}` and its operators, exactly as Flux replaces them after a build.
//!
//! Facts, held against the original: only braces count, `$name` stays; `$$` is a dollar sign; `:-`, `:=`, `:+`, `:?` and `=` all
//! mean "this, when it is empty", while `${name-x}` is a mistake; lengths and offsets count bytes; `*` matches slashes too.

use super::glob::{self, Fuel};

/// Expressions inside each other: people write two. Also bounds our own recursion.
const MAX_DEPTH: usize = 32;
/// Text that replacing may make of one object: larger ones do not pass the reader.
const MAX_BYTES: usize = 5 << 20;

/// What is known of a variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Known<'v> {
    /// Its value.
    Value(&'v str),
    /// Nobody sets it.
    Unset,
    /// Something sets it that only the cluster knows.
    Hole,
    /// Something may set it that only the cluster knows, and need not be there.
    Perhaps,
}

/// Why a text cannot be replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    /// In words.
    pub(super) message: String,
    /// The byte of the text it is about.
    pub(super) at: usize,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Expanded {
    /// The text.
    pub(super) text: String,
    /// The expressions that stay as they are, since only the cluster knows their values.
    pub(super) holes: Vec<String>,
}

/// Replaces all expressions of a text. With `strict`, what is unset must have a default.
pub(super) fn expand<'v>(
    text: &str,
    known: &dyn Fn(&str) -> Known<'v>,
    strict: bool,
    fuel: &mut Fuel,
) -> Result<Expanded, Refusal> {
    let mut reader = Reader { text, at: 0, known, strict, fuel, holes: Vec::new(), made: 0 };
    let mut out = String::with_capacity(text.len());
    loop {
        out.push_str(&reader.literal(&|_| true, Escapes::Dollar));
        if reader.at >= text.len() {
            return Ok(Expanded { text: out, holes: reader.holes });
        }
        let (value, _) = reader.expression(0)?;
        out.push_str(&value);
        if out.len() > MAX_BYTES {
            return Err(reader.refuse(format!("replacing makes more than {MAX_BYTES} bytes of this object")));
        }
    }
}

/// Which characters a doubled or leading sign escapes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Escapes {
    None,
    Dollar,
    DollarAndSlash,
}

struct Reader<'r, 'v> {
    text: &'r str,
    at: usize,
    known: &'r dyn Fn(&str) -> Known<'v>,
    strict: bool,
    fuel: &'r mut Fuel,
    holes: Vec<String>,
    /// Bytes made by all expressions so far, those inside others included.
    made: usize,
}

impl Reader<'_, '_> {
    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn refuse(&self, message: impl Into<String>) -> Refusal {
        Refusal { message: message.into(), at: self.at.min(self.text.len()) }
    }

    fn bad(&self) -> Refusal {
        self.refuse("Flux cannot read this `${…}` expression")
    }

    /// Characters up to one that is not wanted, an expression, or the end.
    fn literal(&mut self, wanted: &dyn Fn(char) -> bool, escapes: Escapes) -> String {
        let mut out = String::new();
        while let Some(c) = self.peek() {
            let next = self.rest()[c.len_utf8()..].chars().next();
            if c == '$' && next == Some('{') {
                break;
            }
            let escaped = match c {
                '$' => escapes != Escapes::None && next == Some('$'),
                '\\' => escapes == Escapes::DollarAndSlash && matches!(next, Some('/' | '\\')),
                _ => false,
            };
            let c = match next.filter(|_| escaped) {
                Some(next) => {
                    self.at += 1;
                    next
                }
                None if !wanted(c) => break,
                None => c,
            };
            self.at += c.len_utf8();
            out.push(c);
        }
        out
    }

    /// Up to `most` characters of `set`.
    fn operator(&mut self, set: &[char], most: usize) -> usize {
        let count = self.rest().chars().take(most).take_while(|c| set.contains(c)).count();
        self.at += count;
        count
    }

    fn close(&mut self) -> Result<(), Refusal> {
        match self.peek() {
            Some('}') => {
                self.at += 1;
                Ok(())
            }
            _ => Err(self.bad()),
        }
    }

    fn name(&mut self) -> String {
        let is_name = |c: char| c == '_' || c.is_alphanumeric();
        let end = self.rest().find(|c| !is_name(c)).unwrap_or(self.rest().len());
        let name = self.rest()[..end].to_owned();
        self.at += end;
        name
    }

    /// One argument: an expression, or text; true when it has a hole.
    fn argument(
        &mut self,
        wanted: &dyn Fn(char) -> bool,
        escapes: Escapes,
        depth: usize,
    ) -> Result<(String, bool), Refusal> {
        if self.rest().starts_with("${") {
            return self.expression(depth + 1);
        }
        let before = self.at;
        let text = self.literal(wanted, escapes);
        if self.at == before { Err(self.bad()) } else { Ok((text, false)) }
    }

    /// The value of the expression that begins here, and whether it is one that only the cluster knows.
    fn expression(&mut self, depth: usize) -> Result<(String, bool), Refusal> {
        let start = self.at;
        self.at += 2;
        if depth >= MAX_DEPTH {
            return Err(self.refuse(format!("more than {MAX_DEPTH} expressions stand inside each other")));
        }
        let holes = self.holes.len();
        let call = self.call(depth).map_err(|refusal| Refusal { at: start, ..refusal })?;
        let unknown_argument = call.hole && !call.is_default();
        let value = match (self.known)(&call.name) {
            Known::Hole => None,
            Known::Perhaps if !call.is_default() => None,
            _ if unknown_argument => None,
            Known::Unset if self.strict && !call.is_default() => {
                let message = format!("nothing sets `{}`", call.name);
                return Err(Refusal { message, at: start });
            }
            Known::Unset | Known::Perhaps => Some(call.apply("", self.fuel)),
            Known::Value(value) => Some(call.apply(value, self.fuel)),
        };
        match value {
            Some(value) => {
                let value = value.map_err(|why| Refusal { message: why.to_owned(), at: start })?;
                self.made += value.len();
                if self.made > MAX_BYTES {
                    return Err(self.refuse(format!("replacing makes more than {MAX_BYTES} bytes of this object")));
                }
                let hole = call.hole && self.holes[holes..].iter().any(|hole| value.contains(hole.as_str()));
                if !hole {
                    self.holes.truncate(holes);
                }
                Ok((value, hole))
            }
            None => {
                let whole = self.text[start..self.at].to_owned();
                self.holes.truncate(holes);
                self.holes.push(whole.clone());
                Ok((whole, true))
            }
        }
    }

    fn call(&mut self, depth: usize) -> Result<Call, Refusal> {
        if self.operator(&['#'], 1) == 1 {
            let name = self.name();
            if name.is_empty() {
                return Err(self.bad());
            }
            self.close()?;
            return Ok(Call { name, operator: "#".to_owned(), arguments: Vec::new(), hole: false });
        }
        let name = self.name();
        if name.is_empty() {
            return Err(self.bad());
        }
        let from = self.at;
        let mut call = Call { name, operator: String::new(), arguments: Vec::new(), hole: false };
        match self.peek() {
            Some(':') => {
                self.at += 1;
                match self.peek() {
                    Some('=' | '-' | '?' | '+') => {
                        self.at += 1;
                        call.operator = self.text[from..self.at].to_owned();
                        self.defaults(&mut call, depth)?;
                    }
                    // The original steps back by the next character's size, and loses its way when that is not one byte.
                    Some(c) if !c.is_ascii() => return Err(self.bad()),
                    _ => self.substring(&mut call, depth)?,
                }
            }
            Some('=') => {
                self.at += 1;
                call.operator = "=".to_owned();
                self.defaults(&mut call, depth)?;
            }
            Some(',' | '^') => {
                self.operator(&[',', '^'], 2);
                call.operator = self.text[from..self.at].to_owned();
                self.close()?;
            }
            Some('/') => self.replacement(&mut call, depth)?,
            Some(sign @ ('#' | '%')) => {
                self.operator(&[sign], 2);
                call.operator = self.text[from..self.at].to_owned();
                call.take(self.argument(&|c| c != '}', Escapes::None, depth)?);
                self.close()?;
            }
            _ => self.close()?,
        }
        Ok(call)
    }

    /// What follows `:-` and its like: texts and expressions up to the brace.
    fn defaults(&mut self, call: &mut Call, depth: usize) -> Result<(), Refusal> {
        while self.peek() != Some('}') {
            call.take(self.argument(&|c| c != '}', Escapes::None, depth)?);
        }
        self.close()
    }

    fn substring(&mut self, call: &mut Call, depth: usize) -> Result<(), Refusal> {
        call.operator = ":".to_owned();
        call.take(self.argument(&|c| c != ':' && c != '}', Escapes::None, depth)?);
        if self.peek() == Some('}') {
            return self.close();
        }
        if self.operator(&[':'], usize::MAX) == 0 {
            return Err(self.bad());
        }
        call.take(self.argument(&|c| c != '}', Escapes::None, depth)?);
        self.close()
    }

    fn replacement(&mut self, call: &mut Call, depth: usize) -> Result<(), Refusal> {
        self.at += 1;
        call.operator = "/".to_owned();
        if let Some(sign @ ('/' | '#' | '%')) = self.peek() {
            self.at += 1;
            call.operator.push(sign);
        }
        call.take(self.argument(&|c| c != '/', Escapes::DollarAndSlash, depth)?);
        if self.operator(&['/'], usize::MAX) == 0 {
            return Err(self.bad());
        }
        if self.peek() != Some('}') {
            call.take(self.argument(&|c| c != '}', Escapes::DollarAndSlash, depth)?);
        }
        self.close()
    }
}

/// An expression, read.
struct Call {
    name: String,
    operator: String,
    arguments: Vec<String>,
    /// Whether an argument holds what only the cluster knows.
    hole: bool,
}

impl Call {
    fn take(&mut self, (argument, hole): (String, bool)) {
        self.arguments.push(argument);
        self.hole |= hole;
    }

    /// Whether it says what to take when the variable is not set.
    fn is_default(&self) -> bool {
        matches!(self.operator.as_str(), "=" | ":-" | ":=" | ":+" | ":?")
    }

    fn apply(&self, value: &str, fuel: &mut Fuel) -> Result<String, &'static str> {
        let first = self.arguments.first().map_or("", String::as_str);
        let second = self.arguments.get(1).map(String::as_str);
        if self.operator.starts_with('/') {
            fuel.search(value)?;
        }
        Ok(match self.operator.as_str() {
            "#" if self.arguments.is_empty() => value.len().to_string(),
            "^" => first_letter(value, upper),
            "," => first_letter(value, lower),
            "^^" => value.chars().map(upper).collect(),
            ",," => value.chars().map(lower).collect(),
            ":" => substring(value, first, second)?,
            "/" => replaced(value, first, second.unwrap_or_default(), 1)?,
            "//" => replaced(value, first, second.unwrap_or_default(), usize::MAX)?,
            "/#" => match second {
                // The original replaces the first place, which is the beginning.
                Some(by) if value.starts_with(first) => replaced(value, first, by, 1)?,
                _ => value.to_owned(),
            },
            "/%" => match (second, value.strip_suffix(first)) {
                (Some(by), Some(start)) => format!("{start}{by}"),
                _ => value.to_owned(),
            },
            "#" => whole(glob::without_start(value.as_bytes(), first.as_bytes(), false, fuel)?)?,
            "##" => whole(glob::without_start(value.as_bytes(), first.as_bytes(), true, fuel)?)?,
            "%" | "%%" => {
                // The original turns both around, and takes from the start.
                let turn = |text: &str| text.chars().rev().collect::<String>();
                let (value, pattern) = (turn(value), turn(first));
                let long = self.operator == "%%";
                turn(&whole(glob::without_start(value.as_bytes(), pattern.as_bytes(), long, fuel)?)?)
            }
            _ if value.is_empty() => self.arguments.concat(),
            _ => value.to_owned(),
        })
    }
}

fn whole(bytes: &[u8]) -> Result<String, &'static str> {
    std::str::from_utf8(bytes).map(str::to_owned).map_err(|_| "this would cut a character in two")
}

fn substring(value: &str, offset: &str, length: Option<&str>) -> Result<String, &'static str> {
    let bytes = value.as_bytes();
    let count = i64::try_from(bytes.len()).map_err(|_| "this value is too long")?;
    // What is no number changes nothing.
    let Ok(offset) = offset.parse::<i64>() else { return Ok(value.to_owned()) };
    let from = if offset < 0 { count.saturating_add(offset).max(0) } else { offset };
    let to = match length.map(str::parse::<i64>) {
        None => count,
        Some(Err(_)) => return Ok(value.to_owned()),
        // A negative length counts from the end; older versions of Flux fail on it.
        Some(Ok(length)) if length < 0 => count.saturating_add(length),
        Some(Ok(length)) => from.saturating_add(length).min(count),
    };
    match (usize::try_from(from), usize::try_from(to)) {
        (Ok(from), Ok(to)) if from < to => whole(&bytes[from..to]),
        _ => Ok(String::new()),
    }
}

fn replaced(value: &str, old: &str, new: &str, most: usize) -> Result<String, &'static str> {
    let count = if old.is_empty() { value.chars().count() + 1 } else { value.matches(old).take(most).count() };
    if count.min(most).saturating_mul(new.len()) > MAX_BYTES {
        return Err("replacing makes too much text of this");
    }
    Ok(if most == usize::MAX { value.replace(old, new) } else { value.replacen(old, new, most) })
}

/// Go changes letters one for one: `ß` stays.
fn upper(c: char) -> char {
    let mut all = c.to_uppercase();
    all.next().filter(|_| all.next().is_none()).unwrap_or(c)
}

fn lower(c: char) -> char {
    let mut all = c.to_lowercase();
    all.next().filter(|_| all.next().is_none()).unwrap_or(c)
}

fn first_letter(value: &str, change: fn(char) -> char) -> String {
    let mut chars = value.chars();
    chars.next().map_or_else(String::new, |first| format!("{}{}", change(first), chars.as_str()))
}
