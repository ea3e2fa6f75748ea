//! Regular expressions: linear in time whatever the pattern, which leaves out look-around and references back.

use regex::{Regex, RegexBuilder};

/// A regular expression that has been read.
#[derive(Debug)]
pub(crate) struct Pattern {
    source: String,
    regex: Regex,
}

/// One match.
pub(crate) struct Match {
    /// Where, in bytes.
    pub(super) start: usize,
    pub(super) end: usize,
    /// What the groups caught; none for those that took no part.
    pub(super) groups: Vec<Option<String>>,
}

impl Pattern {
    pub(super) fn new(source: &str, flags: &str) -> Result<Pattern, String> {
        let regex = RegexBuilder::new(&portable(source))
            .case_insensitive(flags.contains('i'))
            .multi_line(flags.contains('m'))
            .size_limit(1 << 20)
            .dfa_size_limit(1 << 20)
            .nest_limit(100)
            .build()
            .map_err(|error| {
                format!("the regular expression /{source}/ cannot be read: {error}")
            })?;
        Ok(Pattern {
            source: source.to_owned(),
            regex,
        })
    }

    pub(super) fn source(&self) -> &str {
        &self.source
    }

    pub(super) fn is_match(&self, text: &str) -> bool {
        self.regex.is_match(text)
    }

    /// The first match from there on.
    pub(super) fn find(&self, text: &str, from: usize) -> Option<Match> {
        let captures = self.regex.captures_at(text, from)?;
        let whole = captures.get(0)?;
        Some(Match {
            start: whole.start(),
            end: whole.end(),
            groups: captures
                .iter()
                .skip(1)
                .map(|group| group.map(|m| m.as_str().to_owned()))
                .collect(),
        })
    }
}

/// JavaScript takes any escaped punctuation for itself, this engine only some.
fn portable(source: &str) -> String {
    let mut out = String::with_capacity(source.len());
    let mut rest = source.chars();
    let mut in_class = false;
    while let Some(c) = rest.next() {
        if c != '\\' {
            // Classes do not nest there, and have no operators.
            if in_class && "[&~".contains(c) {
                out.push('\\');
            }
            in_class = c == '[' || (in_class && c != ']');
            out.push(c);
            continue;
        }
        match rest.next() {
            Some(' ') => out.push_str("\\x20"),
            Some(other) if other == '/' || (!other.is_ascii() && !other.is_alphanumeric()) => {
                out.push(other)
            }
            Some(other) => {
                out.push('\\');
                out.push(other);
            }
            None => out.push('\\'),
        }
    }
    out
}
