//! Tokens.

use std::sync::Arc;

use super::super::error::Error;
use super::super::regex::Pattern;

/// A token.
#[derive(Debug, Clone)]
pub(super) enum Token {
    End,
    Operator(&'static str),
    Name(String),
    Variable(String),
    Text(String),
    Number(f64),
    Bool(bool),
    Null,
    Regex(Arc<Pattern>),
}

impl Token {
    /// As a message shows it.
    pub(super) fn shown(&self) -> String {
        match self {
            Token::End => "(end)".to_owned(),
            Token::Operator(text) => (*text).to_owned(),
            Token::Name(text) | Token::Variable(text) | Token::Text(text) => text.clone(),
            Token::Number(value) => value.to_string(),
            Token::Bool(value) => value.to_string(),
            Token::Null => "null".to_owned(),
            Token::Regex(pattern) => pattern.source().to_owned(),
        }
    }
}

/// Longest first.
const OPERATORS: [&str; 34] = [
    "..", ":=", "!=", ">=", "<=", "**", "~>", "?:", "??", ".", "[", "]", "{", "}", "(", ")", ",",
    "@", "#", ";", ":", "?", "+", "-", "*", "/", "%", "|", "=", "<", ">", "^", "&", "!",
];

/// Characters that end a name.
const ENDS: &str = ".[]{}(),@#;:?+-*/%|=<>^&!~\"'`";

/// Cuts a text into tokens, one at a time: what `/` means depends on what stands before it.
pub(super) struct Tokens {
    text: Vec<char>,
    at: usize,
}

impl Tokens {
    pub(super) fn of(text: &str) -> Tokens {
        Tokens {
            text: text.chars().collect(),
            at: 0,
        }
    }

    fn peek(&self, ahead: usize) -> Option<char> {
        self.text.get(self.at + ahead).copied()
    }

    /// The next token and where it begins. `operand`: whether a value may begin here, so that `/` begins a regular expression.
    pub(super) fn next(&mut self, operand: bool) -> Result<(Token, usize), Error> {
        self.skip()?;
        let start = self.at;
        let Some(first) = self.peek(0) else {
            return Ok((Token::End, start));
        };
        let token = match first {
            '/' if operand => self.regex(start)?,
            '"' | '\'' => self.string(first, start)?,
            '`' => self.quoted_name(start)?,
            '0'..='9' => self.number(start)?,
            _ => match self.operator() {
                Some(operator) => Token::Operator(operator),
                None => self.name(),
            },
        };
        Ok((token, start))
    }

    fn skip(&mut self) -> Result<(), Error> {
        loop {
            match (self.peek(0), self.peek(1)) {
                (Some(c), _) if c.is_whitespace() => self.at += 1,
                (Some('/'), Some('*')) => {
                    let start = self.at;
                    self.at += 2;
                    while (self.peek(0), self.peek(1)) != (Some('*'), Some('/')) {
                        if self.peek(0).is_none() {
                            return Err(Error::at("S0106", start, "Comment has no closing tag"));
                        }
                        self.at += 1;
                    }
                    self.at += 2;
                }
                _ => return Ok(()),
            }
        }
    }

    fn operator(&mut self) -> Option<&'static str> {
        let found = OPERATORS.into_iter().find(|operator| {
            operator
                .chars()
                .enumerate()
                .all(|(i, c)| self.peek(i) == Some(c))
        })?;
        self.at += found.chars().count();
        Some(found)
    }

    fn name(&mut self) -> Token {
        let start = self.at;
        while let Some(c) = self.peek(0)
            && (self.at == start || !(c.is_whitespace() || ENDS.contains(c)))
        {
            self.at += 1;
        }
        let text: String = self
            .text
            .get(start..self.at)
            .unwrap_or_default()
            .iter()
            .collect();
        if let Some(name) = text.strip_prefix('$') {
            return Token::Variable(name.to_owned());
        }
        match text.as_str() {
            "and" => Token::Operator("and"),
            "or" => Token::Operator("or"),
            "in" => Token::Operator("in"),
            "true" => Token::Bool(true),
            "false" => Token::Bool(false),
            "null" => Token::Null,
            _ => Token::Name(text),
        }
    }

    fn quoted_name(&mut self, start: usize) -> Result<Token, Error> {
        self.at += 1;
        let mut name = String::new();
        loop {
            match self.peek(0) {
                Some('`') => {
                    self.at += 1;
                    return Ok(Token::Name(name));
                }
                Some(c) => {
                    name.push(c);
                    self.at += 1;
                }
                None => {
                    return Err(Error::at(
                        "S0105",
                        start,
                        "Quoted property name must be terminated with a backquote (`)",
                    ));
                }
            }
        }
    }

    fn number(&mut self, start: usize) -> Result<Token, Error> {
        let digits = |tokens: &mut Self| {
            while tokens.peek(0).is_some_and(|c| c.is_ascii_digit()) {
                tokens.at += 1;
            }
        };
        if self.peek(0) == Some('0') {
            self.at += 1;
        } else {
            digits(self);
        }
        if self.peek(0) == Some('.') && self.peek(1).is_some_and(|c| c.is_ascii_digit()) {
            self.at += 1;
            digits(self);
        }
        let sign = usize::from(matches!(self.peek(1), Some('+' | '-')));
        if matches!(self.peek(0), Some('e' | 'E'))
            && self.peek(1 + sign).is_some_and(|c| c.is_ascii_digit())
        {
            self.at += 1 + sign;
            digits(self);
        }
        let text: String = self
            .text
            .get(start..self.at)
            .unwrap_or_default()
            .iter()
            .collect();
        match text.parse::<f64>() {
            Ok(value) if value.is_finite() => Ok(Token::Number(value)),
            _ => Err(Error::at(
                "S0102",
                start,
                format!("Number out of range: {text}"),
            )),
        }
    }

    fn string(&mut self, quote: char, start: usize) -> Result<Token, Error> {
        self.at += 1;
        let mut text = String::new();
        loop {
            let Some(c) = self.peek(0) else {
                return Err(Error::at(
                    "S0101",
                    start,
                    "String literal must be terminated by a matching quote",
                ));
            };
            self.at += 1;
            if c == quote {
                return Ok(Token::Text(text));
            }
            if c != '\\' {
                text.push(c);
                continue;
            }
            let Some(escape) = self.peek(0) else {
                continue;
            };
            self.at += 1;
            match escape {
                '"' | '\'' | '\\' | '/' => text.push(escape),
                'b' => text.push('\u{8}'),
                'f' => text.push('\u{c}'),
                'n' => text.push('\n'),
                'r' => text.push('\r'),
                't' => text.push('\t'),
                'u' => text.push(self.unicode()?),
                other => {
                    let message = format!("Unsupported escape sequence: \\{other}");
                    return Err(Error::at("S0103", self.at, message));
                }
            }
        }
    }

    /// Four hexadecimal digits, or two such groups for a character outside the first plane.
    fn unicode(&mut self) -> Result<char, Error> {
        let high = self.hex()?;
        if (0xd800..0xdc00).contains(&high)
            && (self.peek(0), self.peek(1)) == (Some('\\'), Some('u'))
        {
            self.at += 2;
            let low = self.hex()?;
            if (0xdc00..0xe000).contains(&low) {
                let code = 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
                return Ok(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
            }
        }
        Ok(char::from_u32(high).unwrap_or(char::REPLACEMENT_CHARACTER))
    }

    fn hex(&mut self) -> Result<u32, Error> {
        let mut code = 0;
        for _ in 0..4 {
            let digit = self.peek(0).and_then(|c| c.to_digit(16)).ok_or_else(|| {
                Error::at(
                    "S0104",
                    self.at,
                    "The escape sequence \\u must be followed by 4 hex digits",
                )
            })?;
            code = code * 16 + digit;
            self.at += 1;
        }
        Ok(code)
    }

    fn regex(&mut self, start: usize) -> Result<Token, Error> {
        self.at += 1;
        let (mut source, mut depth) = (String::new(), 0_i32);
        loop {
            let Some(c) = self.peek(0) else {
                return Err(Error::at(
                    "S0302",
                    start,
                    "No terminating / in regular expression",
                ));
            };
            self.at += 1;
            match c {
                '/' if depth == 0 => break,
                '\\' => {
                    source.push(c);
                    if let Some(escaped) = self.peek(0) {
                        source.push(escaped);
                        self.at += 1;
                    }
                    continue;
                }
                '(' | '[' | '{' => depth += 1,
                ')' | ']' | '}' => depth -= 1,
                _ => {}
            }
            source.push(c);
        }
        if source.is_empty() {
            return Err(Error::at(
                "S0301",
                start,
                "Empty regular expressions are not allowed",
            ));
        }
        let mut flags = String::new();
        while let Some(flag @ ('i' | 'm')) = self.peek(0) {
            flags.push(flag);
            self.at += 1;
        }
        Pattern::new(&source, &flags)
            .map(|pattern| Token::Regex(Arc::new(pattern)))
            .map_err(|message| Error::at("S0302", start, message))
    }
}
