//! Reading templates.

use serde_json::Value;

/// The template cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("jsonpath {template:?}: {message}")]
pub struct Error {
    template: String,
    message: String,
}

/// A piece of a template.
#[derive(Debug, Clone, PartialEq)]
pub enum Part {
    /// Stands for itself.
    Text(String),
    /// What a path leads to.
    Path(Path),
    /// The parts, once for each thing a path leads to.
    Range(Path, Vec<Part>),
}

/// A way through a document.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Path {
    /// Whether it begins at the document's root even within a range.
    pub absolute: bool,
    /// Its steps.
    pub steps: Vec<Step>,
}

/// One step.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// `.name`, or several: `['a','b']`.
    Fields(Vec<String>),
    /// `[1]`, `[-1]`, or several: `[0,2]`.
    Indices(Vec<i64>),
    /// `[from:to:by]`.
    Slice(Option<i64>, Option<i64>, i64),
    /// `.*` or `[*]`.
    All,
    /// `..`: everything below, at any depth.
    Deep,
    /// `[?(…)]`.
    Filter(Filter),
}

/// A test of each element.
#[derive(Debug, Clone, PartialEq)]
pub struct Filter {
    /// What is looked at.
    pub left: Path,
    /// How it is compared and with what; none asks whether it is there.
    pub test: Option<(Compare, Operand)>,
}

/// A comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Compare {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// What is compared with.
#[derive(Debug, Clone, PartialEq)]
pub enum Operand {
    /// A text, number, truth or null.
    Value(Value),
    /// What a path leads to.
    Path(Path),
}

/// Reads a template. One without braces is a path alone.
///
/// # Errors
/// When it cannot be read.
pub fn parse(template: &str) -> Result<Vec<Part>, Error> {
    let fail = |message: String| Error {
        template: template.to_owned(),
        message,
    };
    let bare = !template.contains('{');
    let dotted = template.starts_with(['.', '$', '[']);
    let text = match (bare, dotted) {
        (true, true) => format!("{{{template}}}"),
        (true, false) => format!("{{.{template}}}"),
        (false, _) => template.to_owned(),
    };
    let mut reader = Reader { rest: &text };
    let parts = reader.parts(false).map_err(fail)?;
    Ok(parts)
}

/// Reads a path alone, with or without braces.
///
/// # Errors
/// When it cannot be read.
pub fn parse_path(text: &str) -> Result<Path, Error> {
    match parse(text)?.as_slice() {
        [Part::Path(path)] => Ok(path.clone()),
        _ => Err(Error {
            template: text.to_owned(),
            message: "want one path, as {.status.phase}".to_owned(),
        }),
    }
}

struct Reader<'a> {
    rest: &'a str,
}

impl<'a> Reader<'a> {
    fn eat(&mut self, token: &str) -> bool {
        match self.rest.strip_prefix(token) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn skip_blanks(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn expect(&mut self, token: &str) -> Result<(), String> {
        if self.eat(token) {
            Ok(())
        } else {
            Err(format!("want {token:?} before {:?}", self.rest))
        }
    }

    fn take_while(&mut self, keep: impl Fn(char) -> bool) -> &'a str {
        let end = self.rest.find(|c| !keep(c)).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at(end);
        self.rest = rest;
        taken
    }

    fn parts(&mut self, inside_range: bool) -> Result<Vec<Part>, String> {
        let mut parts = Vec::new();
        while !self.rest.is_empty() {
            let text = self.take_while(|c| c != '{');
            if !text.is_empty() {
                parts.push(Part::Text(text.to_owned()));
                continue;
            }
            self.expect("{")?;
            self.skip_blanks();
            if self.eat("range ") {
                self.skip_blanks();
                let path = self.path()?;
                self.skip_blanks();
                self.expect("}")?;
                parts.push(Part::Range(path, self.parts(true)?));
                continue;
            }
            if let Some(rest) = self
                .rest
                .strip_prefix("end")
                .filter(|rest| rest.trim_start().starts_with('}'))
            {
                self.rest = rest;
                self.skip_blanks();
                self.expect("}")?;
                return if inside_range {
                    Ok(parts)
                } else {
                    Err("{end} without {range}".to_owned())
                };
            }
            while !self.eat("}") {
                let quoted = self.rest.starts_with(['"', '\'']);
                parts.push(if quoted {
                    Part::Text(self.quoted()?)
                } else {
                    Part::Path(self.path()?)
                });
                self.skip_blanks();
                if self.rest.is_empty() {
                    return Err("a { that is never closed".to_owned());
                }
            }
        }
        if inside_range {
            Err("{range} without {end}".to_owned())
        } else {
            Ok(parts)
        }
    }

    fn quoted(&mut self) -> Result<String, String> {
        let mut chars = self.rest.char_indices();
        let Some((_, quote)) = chars.next() else {
            return Err("want a text in quotes".to_owned());
        };
        let mut text = String::new();
        while let Some((index, c)) = chars.next() {
            match c {
                '\\' => match chars.next().map(|(_, c)| c) {
                    Some('n') => text.push('\n'),
                    Some('t') => text.push('\t'),
                    Some('r') => text.push('\r'),
                    Some(other) => text.push(other),
                    None => break,
                },
                c if c == quote => {
                    self.rest = self.rest.get(index + 1..).unwrap_or_default();
                    return Ok(text);
                }
                c => text.push(c),
            }
        }
        Err("a text that is never closed".to_owned())
    }

    fn path(&mut self) -> Result<Path, String> {
        let mut path = Path {
            absolute: self.eat("$"),
            steps: Vec::new(),
        };
        if !path.absolute {
            self.eat("@");
        }
        let start = self.rest;
        loop {
            if self.eat("..") {
                path.steps.push(Step::Deep);
                if !self.rest.starts_with('[') {
                    path.steps.push(self.field()?);
                }
            } else if self.eat(".") {
                if !self.rest.is_empty() && !self.rest.starts_with(['}', '[', ' ', ')']) {
                    path.steps.push(self.field()?);
                }
            } else if self.eat("[") {
                path.steps.push(self.bracket()?);
            } else {
                break;
            }
        }
        if self.rest == start
            && !path.absolute
            && !start.starts_with([')', '}', '=', '!', '<', '>'])
        {
            return Err(format!("want a path, as .status.phase, before {start:?}"));
        }
        Ok(path)
    }

    fn field(&mut self) -> Result<Step, String> {
        let mut name = String::new();
        loop {
            name.push_str(
                self.take_while(|c| {
                    c.is_alphanumeric() || matches!(c, '_' | '-' | '/' | '$' | ':')
                }),
            );
            if !self.eat("\\") {
                break;
            }
            let mut rest = self.rest.chars();
            name.extend(rest.next());
            self.rest = rest.as_str();
        }
        match name.is_empty() {
            true if self.eat("*") => Ok(Step::All),
            true => Err(format!("want a field's name before {:?}", self.rest)),
            false => Ok(Step::Fields(vec![name])),
        }
    }

    fn bracket(&mut self) -> Result<Step, String> {
        self.skip_blanks();
        let step = if self.eat("*") {
            Step::All
        } else if self.eat("?(") {
            let filter = self.filter()?;
            self.expect(")")?;
            Step::Filter(filter)
        } else if self.rest.starts_with(['\'', '"']) {
            let mut names = vec![self.quoted()?];
            while self.comma() {
                names.push(self.quoted()?);
            }
            Step::Fields(names)
        } else {
            self.numbers()?
        };
        self.skip_blanks();
        self.expect("]")?;
        Ok(step)
    }

    fn comma(&mut self) -> bool {
        self.skip_blanks();
        let found = self.eat(",");
        self.skip_blanks();
        found
    }

    fn number(&mut self) -> Result<Option<i64>, String> {
        self.skip_blanks();
        let digits = self.take_while(|c| c.is_ascii_digit() || c == '-');
        if digits.is_empty() {
            return Ok(None);
        }
        digits
            .parse()
            .map(Some)
            .map_err(|_| format!("{digits:?} is not an index"))
    }

    fn numbers(&mut self) -> Result<Step, String> {
        let first = self.number()?;
        if self.eat(":") {
            let to = self.number()?;
            let by = if self.eat(":") {
                self.number()?.unwrap_or(1)
            } else {
                1
            };
            return if by > 0 {
                Ok(Step::Slice(first, to, by))
            } else {
                Err("the step of a slice is at least 1".to_owned())
            };
        }
        let want = || {
            format!(
                "want an index, a name in quotes, * or ?(…) before {:?}",
                self.rest
            )
        };
        let mut indices = vec![first.ok_or_else(want)?];
        while self.comma() {
            indices.push(self.number()?.ok_or("want an index after the comma")?);
        }
        Ok(Step::Indices(indices))
    }

    fn filter(&mut self) -> Result<Filter, String> {
        self.skip_blanks();
        let left = self.path()?;
        self.skip_blanks();
        let operators = [
            ("==", Compare::Equal),
            ("!=", Compare::NotEqual),
            ("<=", Compare::LessOrEqual),
            (">=", Compare::GreaterOrEqual),
            ("<", Compare::Less),
            (">", Compare::Greater),
        ];
        let Some((_, compare)) = operators.into_iter().find(|(token, _)| self.eat(token)) else {
            return Ok(Filter { left, test: None });
        };
        self.skip_blanks();
        let operand = self.operand()?;
        self.skip_blanks();
        Ok(Filter {
            left,
            test: Some((compare, operand)),
        })
    }

    fn operand(&mut self) -> Result<Operand, String> {
        if self.rest.starts_with(['"', '\'']) {
            return Ok(Operand::Value(Value::String(self.quoted()?)));
        }
        if self.rest.starts_with(['@', '$', '.']) {
            return Ok(Operand::Path(self.path()?));
        }
        let word = self.take_while(|c| !matches!(c, ')' | ' '));
        serde_json::from_str(word)
            .map(Operand::Value)
            .map_err(|_| format!("{word:?} is neither text in quotes, number, true nor false"))
    }
}
