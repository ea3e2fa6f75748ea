//! Reading a path.

use super::filter::{self, Filter};
use super::{Function, Path, PathError, Root, Segment};

/// Reads a whole text as a path.
pub(super) fn parse(text: &str) -> Result<Path, PathError> {
    let mut cursor = Cursor::new(text, false);
    let path = cursor.path()?;
    match cursor.rest() {
        "" => Ok(path),
        rest => Err(cursor.error(format!("'{rest}' is left over"))),
    }
}

/// Reads the path at the beginning of a text (an argument of an intrinsic function); a bare name ends at `,`, `)` or a blank.
/// Returns how many bytes it took.
pub(crate) fn parse_prefix(text: &str) -> Result<(Path, usize), PathError> {
    let mut cursor = Cursor::new(text, true);
    let path = cursor.path()?;
    Ok((path, cursor.position))
}

pub(super) struct Cursor<'a> {
    text: &'a str,
    position: usize,
    inside: bool,
    pub(super) depth: u32,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(text: &'a str, inside: bool) -> Self {
        Cursor {
            text,
            position: 0,
            inside,
            depth: 0,
        }
    }

    pub(super) fn rest(&self) -> &'a str {
        self.text.get(self.position..).unwrap_or_default()
    }

    pub(super) fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    pub(super) fn eat(&mut self, token: &str) -> bool {
        let found = self.rest().starts_with(token);
        if found {
            self.position += token.len();
        }
        found
    }

    pub(super) fn blanks(&mut self) {
        let rest = self.rest();
        self.position += rest.len() - rest.trim_start().len();
    }

    pub(super) fn take_while(&mut self, wanted: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let end = rest.find(|c| !wanted(c)).unwrap_or(rest.len());
        self.position += end;
        rest.get(..end).unwrap_or_default()
    }

    pub(super) fn error(&self, message: impl Into<String>) -> PathError {
        PathError {
            text: self.text.to_owned(),
            at: self
                .text
                .get(..self.position)
                .unwrap_or_default()
                .chars()
                .count()
                + 1,
            message: message.into(),
        }
    }

    pub(super) fn expect(&mut self, token: &str) -> Result<(), PathError> {
        if self.eat(token) {
            return Ok(());
        }
        Err(self.error(match self.peek() {
            Some(found) => format!("'{token}' is wanted where '{found}' is"),
            None => format!("'{token}' is missing at the end"),
        }))
    }

    /// A path from `$` on.
    pub(super) fn path(&mut self) -> Result<Path, PathError> {
        let start = self.position;
        if !self.eat("$") {
            return Err(self.error("a path begins with '$'"));
        }
        let root = if self.eat("$") {
            Root::Context
        } else {
            match self.take_while(|c| c.is_alphanumeric() || c == '_') {
                "" => Root::Input,
                name => Root::Variable(name.to_owned()),
            }
        };
        let segments = self.segments()?;
        let text = self
            .text
            .get(start..self.position)
            .unwrap_or_default()
            .to_owned();
        Ok(Path {
            text,
            root,
            segments,
        })
    }

    pub(super) fn segments(&mut self) -> Result<Vec<Segment>, PathError> {
        let mut segments = Vec::new();
        loop {
            if self.eat("..") {
                segments.push(Segment::Descend);
                if self.peek() != Some('[') {
                    segments.push(self.name()?);
                }
            } else if self.eat(".") {
                // `$.[0]` is the same as `$[0]`; a lone dot at the end is an error.
                if self.peek() != Some('[') {
                    segments.push(self.name()?);
                }
            } else if self.eat("[") {
                segments.push(self.bracket()?);
            } else {
                return Ok(segments);
            }
        }
    }

    fn name(&mut self) -> Result<Segment, PathError> {
        let inside = self.inside;
        let name = self.take_while(|c| {
            !matches!(c, '.' | '[' | ']' | '(' | ')')
                && !(inside && (c == ',' || c.is_whitespace() || "=<>!&|".contains(c)))
        });
        if name.is_empty() {
            return Err(self.error("a name is missing after '.'"));
        }
        if self.eat("()") {
            return Ok(Segment::Function(match name {
                "length" | "size" => Function::Length,
                "min" => Function::Min,
                "max" => Function::Max,
                "sum" => Function::Sum,
                "avg" => Function::Avg,
                "keys" => Function::Keys,
                other => {
                    return Err(self.error(format!(
                        "'{other}()' is no function of paths (length, min, max, sum, avg, keys are)"
                    )));
                }
            }));
        }
        Ok(if name == "*" {
            Segment::Wildcard
        } else {
            Segment::Key(name.to_owned())
        })
    }

    fn bracket(&mut self) -> Result<Segment, PathError> {
        self.blanks();
        let segment = match self.peek() {
            Some('*') => {
                self.eat("*");
                Segment::Wildcard
            }
            Some('?') => {
                self.eat("?");
                self.blanks();
                self.expect("(")?;
                let outer = std::mem::replace(&mut self.inside, true);
                let filter: Filter = filter::parse(self)?;
                self.inside = outer;
                self.blanks();
                self.expect(")")?;
                Segment::Filter(filter)
            }
            Some('\'' | '"') => {
                let mut keys = vec![self.quoted()?];
                self.blanks();
                while self.eat(",") {
                    self.blanks();
                    keys.push(self.quoted()?);
                    self.blanks();
                }
                match keys.len() {
                    1 => Segment::Key(keys.remove(0)),
                    _ => Segment::Keys(keys),
                }
            }
            _ => self.numbers()?,
        };
        self.blanks();
        self.expect("]")?;
        Ok(segment)
    }

    /// A string in quotes; a backslash takes the next character as it is.
    pub(super) fn quoted(&mut self) -> Result<String, PathError> {
        let Some(quote @ ('\'' | '"')) = self.peek() else {
            return Err(self.error("a name in quotes is wanted"));
        };
        self.position += 1;
        let mut text = String::new();
        loop {
            let Some(c) = self.peek() else {
                return Err(self.error("the quote is not closed"));
            };
            self.position += c.len_utf8();
            match c {
                '\\' => {
                    let Some(next) = self.peek() else {
                        return Err(self.error("a backslash at the end"));
                    };
                    self.position += next.len_utf8();
                    text.push(next);
                }
                c if c == quote => return Ok(text),
                c => text.push(c),
            }
        }
    }

    fn number(&mut self) -> Result<Option<i64>, PathError> {
        self.blanks();
        let digits = self.take_while(|c| c == '-' || c.is_ascii_digit());
        let number = match digits {
            "" => None,
            digits => Some(
                digits
                    .parse()
                    .map_err(|_| self.error(format!("'{digits}' is no index")))?,
            ),
        };
        self.blanks();
        Ok(number)
    }

    fn numbers(&mut self) -> Result<Segment, PathError> {
        let first = self.number()?;
        if self.eat(":") {
            let to = self.number()?;
            let step = if self.eat(":") {
                self.number()?.unwrap_or(1)
            } else {
                1
            };
            if step < 1 {
                return Err(self.error("the step of a slice is 1 or more"));
            }
            return Ok(Segment::Slice {
                from: first,
                to,
                step,
            });
        }
        let Some(first) = first else {
            return Err(
                self.error("an index, a name in quotes, '*', a slice or a filter '?(…)' is wanted")
            );
        };
        let mut indices = vec![first];
        while self.eat(",") {
            indices.push(
                self.number()?
                    .ok_or_else(|| self.error("an index is missing after ','"))?,
            );
        }
        Ok(if indices.len() == 1 {
            Segment::Index(first)
        } else {
            Segment::Indices(indices)
        })
    }
}
