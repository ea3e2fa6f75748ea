//! The types of a function's parameters: `<s-n?:s>`.

use super::super::error::Error;

/// A signature that has been read.
#[derive(Debug, Clone)]
pub(crate) struct Signature {
    pub(crate) parameters: Vec<Parameter>,
}

/// One parameter.
#[derive(Debug, Clone)]
pub(crate) struct Parameter {
    /// The letters of the types that it takes; `m` (missing) is always taken.
    pub(crate) takes: String,
    /// A list; anything else is wrapped into one.
    pub(crate) array: bool,
    /// What the list holds.
    pub(crate) of: Option<String>,
    /// `?`
    pub(crate) optional: bool,
    /// `-`: the context value takes its place.
    pub(crate) context: bool,
    /// `+`
    pub(crate) many: bool,
}

impl Signature {
    /// Reads a signature with its angle brackets.
    pub(crate) fn parse(text: &str) -> Result<Signature, Error> {
        let letters: Vec<char> = text.chars().collect();
        let mut parameters: Vec<Parameter> = Vec::new();
        let mut at = 1;
        while let Some(letter) = letters.get(at).copied() {
            let with = |takes: &str| Parameter {
                takes: takes.to_owned(),
                array: false,
                of: None,
                optional: false,
                context: false,
                many: false,
            };
            match letter {
                ':' => break,
                's' | 'n' | 'b' | 'l' | 'o' => parameters.push(with(&letter.to_string())),
                'a' => parameters.push(Parameter {
                    array: true,
                    ..with("asnblfo")
                }),
                'f' => parameters.push(with("f")),
                'j' => parameters.push(with("asnblo")),
                'x' => parameters.push(with("asnblfo")),
                '-' | '?' | '+' => {
                    if let Some(last) = parameters.last_mut() {
                        match letter {
                            '-' => last.context = true,
                            '?' => last.optional = true,
                            _ => last.many = true,
                        }
                    }
                }
                '(' => {
                    let end = closing(&letters, at, '(', ')');
                    let inner: String = letters
                        .get(at + 1..end)
                        .unwrap_or_default()
                        .iter()
                        .collect();
                    if inner.contains('<') {
                        return Err(Error::new(
                            "S0402",
                            "Choice groups containing parameterized types are not supported",
                        ));
                    }
                    parameters.push(with(&inner));
                    at = end;
                }
                '<' => {
                    let end = closing(&letters, at, '<', '>');
                    let inner: String = letters
                        .get(at + 1..end)
                        .unwrap_or_default()
                        .iter()
                        .collect();
                    match parameters.last_mut() {
                        Some(last) if last.array => last.of = Some(inner),
                        Some(last) if last.takes == "f" => {}
                        _ => {
                            return Err(Error::new(
                                "S0401",
                                "Type parameters can only be applied to functions and arrays",
                            ));
                        }
                    }
                    at = end;
                }
                _ => {}
            }
            at += 1;
        }
        Ok(Signature { parameters })
    }

    /// Gives each parameter its arguments' letters, if the letters fit: how many arguments each one takes.
    pub(crate) fn fit(&self, letters: &[char]) -> Option<Vec<usize>> {
        let mut taken = Vec::with_capacity(self.parameters.len());
        fit(&self.parameters, letters, &mut taken).then_some(taken)
    }
}

/// Greedy, with steps back.
fn fit(parameters: &[Parameter], letters: &[char], taken: &mut Vec<usize>) -> bool {
    let Some((first, rest)) = parameters.split_first() else {
        return letters.is_empty();
    };
    let fits = |letter: &char| *letter == 'm' || first.takes.contains(*letter);
    let most = if first.many { letters.len() } else { 1 };
    let longest = letters.iter().take(most).take_while(|l| fits(l)).count();
    let least = usize::from(!(first.optional || first.context));
    let mut count = longest;
    while count >= least {
        taken.push(count);
        if fit(rest, letters.get(count..).unwrap_or_default(), taken) {
            return true;
        }
        taken.pop();
        if count == 0 {
            break;
        }
        count -= 1;
    }
    false
}

fn closing(letters: &[char], from: usize, open: char, close: char) -> usize {
    let mut depth = 0;
    for (index, letter) in letters.iter().enumerate().skip(from) {
        if *letter == open {
            depth += 1;
        } else if *letter == close {
            depth -= 1;
            if depth == 0 {
                return index;
            }
        }
    }
    letters.len()
}
