//! Where in a text the fields of a JSON document are.

use std::collections::{HashMap, HashSet};

use super::problem::{Code, Problem};

/// Lines and columns by JSON pointer.
pub(super) struct Index {
    places: HashMap<String, (usize, usize)>,
    repeated: Vec<(String, String)>,
}

impl Index {
    /// Scans a text that is known to be JSON.
    pub(super) fn of(text: &str) -> Index {
        let mut scanner = Scanner {
            rest: text.chars().peekable(),
            line: 1,
            column: 1,
            index: Index {
                places: HashMap::new(),
                repeated: Vec::new(),
            },
        };
        scanner.value(String::new());
        scanner.index
    }

    /// Where a pointer's field begins (its key, if it has one), or the nearest thing around it.
    pub(super) fn find(&self, pointer: &str) -> Option<(usize, usize)> {
        let mut pointer = pointer;
        loop {
            if let Some(place) = self.places.get(pointer) {
                return Some(*place);
            }
            pointer = pointer.rsplit_once('/')?.0;
        }
    }

    /// Keys that one object has twice: JSON readers keep one of them silently.
    pub(super) fn repeated_keys(&self) -> Vec<Problem> {
        let problem = |(pointer, key): &(String, String)| {
            let state = pointer
                .rsplit_once('/')
                .is_some_and(|(parent, _)| parent.ends_with("/States"));
            Problem {
                code: if state {
                    Code::DuplicateStateName
                } else {
                    Code::SchemaValidationFailed
                },
                path: pointer.trim_start_matches('/').replace('/', "."),
                pointer: pointer.clone(),
                position: None,
                message: format!("'{key}' is there twice"),
            }
        };
        self.repeated.iter().map(problem).collect()
    }
}

struct Scanner<'a> {
    rest: std::iter::Peekable<std::str::Chars<'a>>,
    line: usize,
    column: usize,
    index: Index,
}

impl Scanner<'_> {
    fn next(&mut self) -> Option<char> {
        let c = self.rest.next()?;
        if c == '\n' {
            self.line += 1;
            self.column = 1;
        } else {
            self.column += 1;
        }
        Some(c)
    }

    fn blanks(&mut self) -> Option<char> {
        while self
            .rest
            .next_if(|c| c.is_ascii_whitespace())
            .map(|c| self.count(c))
            .is_some()
        {}
        self.rest.peek().copied()
    }

    fn count(&mut self, c: char) {
        if c == '\n' {
            self.line += 1;
            self.column = 1;
        } else {
            self.column += 1;
        }
    }

    fn string(&mut self) -> String {
        let mut raw = String::new();
        raw.extend(self.next());
        while let Some(c) = self.next() {
            raw.push(c);
            match c {
                '\\' => raw.extend(self.next()),
                '"' => break,
                _ => {}
            }
        }
        serde_json::from_str(&raw).unwrap_or(raw)
    }

    fn value(&mut self, pointer: String) {
        let first = self.blanks();
        self.index
            .places
            .entry(pointer.clone())
            .or_insert((self.line, self.column));
        match first {
            Some('{') => self.object(&pointer),
            Some('[') => self.array(&pointer),
            Some('"') => {
                self.string();
            }
            _ => {
                while self
                    .rest
                    .peek()
                    .is_some_and(|c| !",]}".contains(*c) && !c.is_ascii_whitespace())
                {
                    self.next();
                }
            }
        }
    }

    fn object(&mut self, pointer: &str) {
        self.next();
        let mut seen = HashSet::new();
        loop {
            match self.blanks() {
                Some('"') => {}
                Some(',') => {
                    self.next();
                    continue;
                }
                _ => {
                    self.next();
                    return;
                }
            }
            let at = (self.line, self.column);
            let key = self.string();
            let inner = format!("{pointer}/{}", key.replace('~', "~0").replace('/', "~1"));
            self.index.places.entry(inner.clone()).or_insert(at);
            if !seen.insert(key.clone()) {
                self.index.repeated.push((inner.clone(), key));
            }
            if self.blanks() == Some(':') {
                self.next();
            }
            self.value(inner);
        }
    }

    fn array(&mut self, pointer: &str) {
        self.next();
        let mut index = 0;
        loop {
            match self.blanks() {
                Some(',') => {
                    self.next();
                }
                Some(']') | None => {
                    self.next();
                    return;
                }
                _ => {
                    self.value(format!("{pointer}/{index}"));
                    index += 1;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_keys_and_items() {
        let index =
            Index::of("{\n  \"a\": [1,\n    {\"b\": \"x\\\"y\"}],\n  \"c/d\": null, \"a\": 2\n}");
        assert_eq!(index.find("/a"), Some((2, 3)));
        assert_eq!(index.find("/a/1/b"), Some((3, 6)));
        assert_eq!(index.find("/c~1d"), Some((4, 3)));
        assert_eq!(index.find("/a/1/nothing"), Some((3, 5)));
        assert_eq!(index.repeated_keys().len(), 1);
    }
}
