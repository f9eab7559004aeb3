//! GraphQL documents, as far as queries and mutations need them: operations, fragments, variables, directives.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// Deeper selections than this are an attack, not a question.
const DEPTH: usize = 40;
/// GitHub's own bound on a document is by cost; this one is by length.
const LENGTH: usize = 200_000;

/// A value in a document; variables are filled in when it is used.
#[derive(Debug, Clone)]
pub(crate) enum Val {
    Var(String),
    Plain(Value),
    List(Vec<Val>),
    Object(Vec<(String, Val)>),
}

impl Val {
    /// The value with variables filled in.
    pub(crate) fn fill(&self, vars: &Map<String, Value>) -> Value {
        match self {
            Val::Var(name) => vars.get(name).cloned().unwrap_or(Value::Null),
            Val::Plain(value) => value.clone(),
            Val::List(items) => items.iter().map(|item| item.fill(vars)).collect(),
            Val::Object(fields) => fields.iter().map(|(name, val)| (name.clone(), val.fill(vars))).collect(),
        }
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Field {
    pub(crate) alias: String,
    pub(crate) name: String,
    pub(crate) args: Vec<(String, Val)>,
    pub(crate) conditions: Vec<(bool, Val)>,
    pub(crate) selection: Vec<Selection>,
    pub(crate) line: usize,
    pub(crate) column: usize,
}

#[derive(Debug, Clone)]
pub(crate) enum Selection {
    Field(Field),
    Spread(String, Vec<(bool, Val)>),
    Inline(Option<String>, Vec<(bool, Val)>, Vec<Selection>),
}

#[derive(Debug, Clone)]
pub(crate) struct Operation {
    pub(crate) mutation: bool,
    pub(crate) name: Option<String>,
    pub(crate) variables: Vec<Variable>,
    pub(crate) selection: Vec<Selection>,
}

#[derive(Debug, Clone)]
pub(crate) struct Variable {
    pub(crate) name: String,
    pub(crate) required: bool,
    pub(crate) default: Option<Val>,
}

/// A whole document.
#[derive(Debug, Clone, Default)]
pub(crate) struct Document {
    pub(crate) operations: Vec<Operation>,
    pub(crate) fragments: BTreeMap<String, (String, Vec<Selection>)>,
}

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Name(String),
    Mark(char),
    Dots,
    Value(Value),
    End,
}

struct Parser {
    tokens: Vec<(Token, usize, usize)>,
    at: usize,
    depth: usize,
}

/// Reads a document, or says where it stops reading.
pub(crate) fn parse(text: &str) -> Result<Document, String> {
    if text.len() > LENGTH {
        return Err("the document is too long".into());
    }
    let mut parser = Parser { tokens: tokens(text)?, at: 0, depth: 0 };
    let mut document = Document::default();
    while *parser.peek() != Token::End {
        match parser.peek().clone() {
            Token::Name(word) if word == "fragment" => {
                parser.next();
                let name = parser.name()?;
                parser.word("on")?;
                let on = parser.name()?;
                parser.directives()?;
                let selection = parser.selection()?;
                document.fragments.insert(name, (on, selection));
            }
            _ => document.operations.push(parser.operation()?),
        }
    }
    Ok(document)
}

fn tokens(text: &str) -> Result<Vec<(Token, usize, usize)>, String> {
    let chars: Vec<char> = text.chars().collect();
    let (mut at, mut line, mut start) = (0, 1, 0);
    let mut found = Vec::new();
    while at < chars.len() {
        let (c, column) = (chars[at], at + 1 - start);
        match c {
            '\n' => (line, start, at) = (line + 1, at + 1, at + 1),
            ' ' | '\t' | '\r' | ',' | '\u{feff}' => at += 1,
            '#' => {
                while at < chars.len() && chars[at] != '\n' {
                    at += 1;
                }
            }
            '.' if chars[at..].starts_with(&['.', '.', '.']) => {
                found.push((Token::Dots, line, column));
                at += 3;
            }
            '{' | '}' | '(' | ')' | '[' | ']' | ':' | '!' | '$' | '=' | '@' | '|' | '&' => {
                found.push((Token::Mark(c), line, column));
                at += 1;
            }
            '"' => {
                let (string, next) = string(&chars, at)?;
                line += chars[at..next].iter().filter(|c| **c == '\n').count();
                found.push((Token::Value(string.into()), line, column));
                at = next;
            }
            _ if c.is_ascii_alphabetic() || c == '_' => {
                let end = (at..chars.len()).find(|i| !chars[*i].is_ascii_alphanumeric() && chars[*i] != '_');
                let end = end.unwrap_or(chars.len());
                found.push((Token::Name(chars[at..end].iter().collect()), line, column));
                at = end;
            }
            _ if c.is_ascii_digit() || c == '-' => {
                let end = (at + 1..chars.len()).find(|i| !chars[*i].is_ascii_digit() && !"+-.eE".contains(chars[*i]));
                let end = end.unwrap_or(chars.len());
                let number: String = chars[at..end].iter().collect();
                let value = serde_json::from_str(&number).map_err(|_| format!("`{number}` is not a number"))?;
                found.push((Token::Value(value), line, column));
                at = end;
            }
            _ => return Err(format!("Expected one of SCHEMA, QUERY, … actual: `{c}` at [{line}, {column}]")),
        }
    }
    let column = at + 1 - start;
    found.push((Token::End, line, column));
    Ok(found)
}

fn string(chars: &[char], at: usize) -> Result<(String, usize), String> {
    let unclosed = || "a string has no end".to_owned();
    if chars[at..].starts_with(&['"', '"', '"']) {
        let body = at + 3;
        let end = (body..chars.len()).find(|i| chars[*i..].starts_with(&['"', '"', '"'])).ok_or_else(unclosed)?;
        let text: String = chars[body..end].iter().collect();
        return Ok((text.trim().to_owned(), end + 3));
    }
    let mut end = at + 1;
    while *chars.get(end).ok_or_else(unclosed)? != '"' {
        if chars[end] == '\n' {
            return Err(unclosed());
        }
        end += if chars[end] == '\\' { 2 } else { 1 };
    }
    let text: String = chars[at..=end].iter().collect();
    // GraphQL's escapes are JSON's.
    Ok((serde_json::from_str(&text).map_err(|_| format!("{text} is not a string"))?, end + 1))
}

impl Parser {
    fn peek(&self) -> &Token {
        &self.tokens[self.at].0
    }

    fn next(&mut self) -> Token {
        let token = self.tokens[self.at].0.clone();
        // The last token is the end and stays.
        self.at = (self.at + 1).min(self.tokens.len() - 1);
        token
    }

    fn eat(&mut self, mark: char) -> bool {
        let here = *self.peek() == Token::Mark(mark);
        if here {
            self.next();
        }
        here
    }

    fn wrong<T>(&self, wanted: &str) -> Result<T, String> {
        let (token, line, column) = &self.tokens[self.at];
        Err(format!("Expected {wanted}, actual: {token:?} at [{line}, {column}]"))
    }

    fn mark(&mut self, mark: char) -> Result<(), String> {
        if self.eat(mark) { Ok(()) } else { self.wrong(&format!("`{mark}`")) }
    }

    fn name(&mut self) -> Result<String, String> {
        match self.peek().clone() {
            Token::Name(name) => {
                self.next();
                Ok(name)
            }
            _ => self.wrong("a name"),
        }
    }

    fn word(&mut self, word: &str) -> Result<(), String> {
        if self.name()? == word { Ok(()) } else { self.wrong(word) }
    }

    fn operation(&mut self) -> Result<Operation, String> {
        let (mut mutation, mut name, mut variables) = (false, None, Vec::new());
        if let Token::Name(kind) = self.peek().clone() {
            self.next();
            mutation = match kind.as_str() {
                "query" => false,
                "mutation" => true,
                _ => return self.wrong("query or mutation"),
            };
            if let Token::Name(found) = self.peek().clone() {
                self.next();
                name = Some(found);
            }
            if self.eat('(') {
                while !self.eat(')') {
                    variables.push(self.variable()?);
                }
            }
            self.directives()?;
        }
        Ok(Operation { mutation, name, variables, selection: self.selection()? })
    }

    fn variable(&mut self) -> Result<Variable, String> {
        self.mark('$')?;
        let name = self.name()?;
        self.mark(':')?;
        let required = self.kind()?;
        let default = if self.eat('=') { Some(self.value()?) } else { None };
        Ok(Variable { name, required, default })
    }

    /// A type; only whether it must be given matters here.
    fn kind(&mut self) -> Result<bool, String> {
        if self.eat('[') {
            self.deeper(|parser| parser.kind())?;
            self.mark(']')?;
        } else {
            self.name()?;
        }
        Ok(self.eat('!'))
    }

    fn deeper<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T, String>) -> Result<T, String> {
        self.depth += 1;
        if self.depth > DEPTH {
            return Err("the document is nested too deeply".into());
        }
        let found = read(self);
        self.depth -= 1;
        found
    }

    fn selection(&mut self) -> Result<Vec<Selection>, String> {
        self.mark('{')?;
        self.deeper(|parser| {
            let mut found = Vec::new();
            while !parser.eat('}') {
                found.push(parser.one()?);
            }
            Ok(found)
        })
    }

    fn one(&mut self) -> Result<Selection, String> {
        if *self.peek() == Token::Dots {
            self.next();
            return match self.peek().clone() {
                Token::Name(name) if name != "on" => {
                    self.next();
                    Ok(Selection::Spread(name, self.directives()?))
                }
                Token::Name(_) => {
                    self.next();
                    let on = self.name()?;
                    let conditions = self.directives()?;
                    Ok(Selection::Inline(Some(on), conditions, self.selection()?))
                }
                _ => {
                    let conditions = self.directives()?;
                    Ok(Selection::Inline(None, conditions, self.selection()?))
                }
            };
        }
        let (_, line, column) = self.tokens[self.at];
        let alias = self.name()?;
        let name = if self.eat(':') { self.name()? } else { alias.clone() };
        let args = self.args()?;
        let conditions = self.directives()?;
        let selection = if *self.peek() == Token::Mark('{') { self.selection()? } else { Vec::new() };
        Ok(Selection::Field(Field { alias, name, args, conditions, selection, line, column }))
    }

    fn args(&mut self) -> Result<Vec<(String, Val)>, String> {
        let mut args = Vec::new();
        if self.eat('(') {
            while !self.eat(')') {
                let name = self.name()?;
                self.mark(':')?;
                args.push((name, self.value()?));
            }
        }
        Ok(args)
    }

    fn directives(&mut self) -> Result<Vec<(bool, Val)>, String> {
        let mut conditions = Vec::new();
        while self.eat('@') {
            let name = self.name()?;
            let args = self.args()?;
            let condition = args.into_iter().find(|(name, _)| name == "if").map(|(_, val)| val);
            match (name.as_str(), condition) {
                ("include", Some(val)) => conditions.push((true, val)),
                ("skip", Some(val)) => conditions.push((false, val)),
                _ => return Err(format!("Directive @{name} is not defined")),
            }
        }
        Ok(conditions)
    }

    fn value(&mut self) -> Result<Val, String> {
        self.deeper(|parser| match parser.next() {
            Token::Mark('$') => Ok(Val::Var(parser.name()?)),
            Token::Mark('[') => {
                let mut items = Vec::new();
                while !parser.eat(']') {
                    items.push(parser.value()?);
                }
                Ok(Val::List(items))
            }
            Token::Mark('{') => {
                let mut fields = Vec::new();
                while !parser.eat('}') {
                    let name = parser.name()?;
                    parser.mark(':')?;
                    fields.push((name, parser.value()?));
                }
                Ok(Val::Object(fields))
            }
            Token::Value(value) => Ok(Val::Plain(value)),
            Token::Name(name) => Ok(Val::Plain(match name.as_str() {
                "true" => true.into(),
                "false" => false.into(),
                "null" => Value::Null,
                _ => name.into(),
            })),
            _ => parser.wrong("a value"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_are_read_or_refused_with_a_place() {
        assert!(parse("query Q($a: [Int!]! = [1]) @include(if: true) { a: b(c: {d: $a, e: \"\\n\"}) { ...F } } fragment F on X { y }").is_ok());
        for (text, says) in [
            ("{ a", "Expected a name"),
            ("{ a(b: ) }", "Expected a value"),
            ("{ a @nope }", "Directive @nope"),
            ("{ a(b: \"x) }", "no end"),
            ("subscription { a }", "query or mutation"),
        ] {
            let refusal = parse(text).err().unwrap_or_default();
            assert!(refusal.contains(says), "{text}: {refusal}");
        }
        assert!(parse(&"{a".repeat(200)).is_err_and(|text| text.contains("nested")));
    }

    proptest::proptest! {
        #[test]
        fn nothing_makes_the_parser_panic(text in "[a-z{}()\\[\\]:!$@.\"\\\\0-9é \n#,-]{0,80}") {
            let _ = parse(&text);
        }
    }
}
