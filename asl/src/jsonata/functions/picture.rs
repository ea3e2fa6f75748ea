//! `$formatNumber`: numbers by a picture, as in XPath.

use super::super::error::Error;
use super::super::eval::Evaluator;
use super::super::value::Item;
use super::number::{picture_of, rounded};
use super::{Result, number_of};

/// The characters that mean something in a picture.
struct Symbols {
    decimal: char,
    grouping: char,
    exponent: char,
    minus: String,
    percent: String,
    per_mille: String,
    zero: char,
    digit: char,
    pattern: char,
}

/// One half of a picture, taken apart.
struct Part {
    prefix: String,
    suffix: String,
    /// Grouping positions from the decimal separator, and whether they go on.
    groups: Vec<usize>,
    regular: Option<usize>,
    fraction_groups: Vec<usize>,
    least_whole: usize,
    scaling: usize,
    least_fraction: usize,
    most_fraction: usize,
    least_exponent: usize,
    percent: bool,
    per_mille: bool,
}

pub(super) fn format_number<'a>(run: &Evaluator<'a>, arguments: &[Item<'a>]) -> Result<Item<'a>> {
    let Some(value) = number_of(arguments.first()) else {
        return Ok(Item::Undefined);
    };
    let symbols = Symbols::of(arguments.get(2));
    let picture = picture_of(arguments, 1);
    let halves: Vec<&str> = picture.split(symbols.pattern).collect();
    let (positive, negative) = match halves.as_slice() {
        [one] => (*one, None),
        [one, two] => (*one, Some(*two)),
        _ => {
            return Err(Error::new(
                "D3080",
                "The picture string must only contain a maximum of two sub-pictures",
            ));
        }
    };
    let (half, sign) = match (value < 0.0, negative) {
        (true, Some(negative)) => (negative, ""),
        (true, None) => (positive, symbols.minus.as_str()),
        _ => (positive, ""),
    };
    if let Some(negative) = negative {
        symbols.part(negative)?;
    }
    symbols.part(positive)?;
    let part = symbols.part(half)?;
    run.text(format!("{sign}{}", symbols.write(value.abs(), &part)))
}

impl Symbols {
    fn of(options: Option<&Item<'_>>) -> Symbols {
        let text = |name: &str, default: &str| match options {
            Some(Item::Object(options)) => match options.get(name) {
                Some(Item::Text(text)) => text.as_str().to_owned(),
                _ => default.to_owned(),
            },
            _ => default.to_owned(),
        };
        let letter = |name: &str, default: char| {
            text(name, &default.to_string())
                .chars()
                .next()
                .unwrap_or(default)
        };
        Symbols {
            decimal: letter("decimal-separator", '.'),
            grouping: letter("grouping-separator", ','),
            exponent: letter("exponent-separator", 'e'),
            minus: text("minus-sign", "-"),
            percent: text("percent", "%"),
            per_mille: text("per-mille", "\u{2030}"),
            zero: letter("zero-digit", '0'),
            digit: letter("digit", '#'),
            pattern: letter("pattern-separator", ';'),
        }
    }

    fn is_digit(&self, c: char) -> bool {
        let zero = u32::from(self.zero);
        (zero..zero.saturating_add(10)).contains(&u32::from(c))
    }

    fn is_active(&self, c: char) -> bool {
        self.is_digit(c) || c == self.digit || c == self.decimal || c == self.grouping
    }

    /// Takes half a picture apart.
    fn part(&self, text: &str) -> Result<Part> {
        let letters: Vec<char> = text.chars().collect();
        let counted = |code, what: &str| {
            Error::new(
                code,
                format!(
                    "The sub-picture must not contain more than one instance of the '{what}' character"
                ),
            )
        };
        if letters.iter().filter(|c| **c == self.decimal).count() > 1 {
            return Err(counted("D3081", "decimal-separator"));
        }
        let (percents, per_milles) = (
            text.matches(&self.percent).count(),
            text.matches(&self.per_mille).count(),
        );
        if percents > 1 {
            return Err(counted("D3082", "percent"));
        }
        if per_milles > 1 {
            return Err(counted("D3083", "per-mille"));
        }
        if percents > 0 && per_milles > 0 {
            return Err(Error::new(
                "D3084",
                "The sub-picture must not contain both a 'percent' and a 'per-mille' character",
            ));
        }
        let first = letters.iter().position(|c| self.is_active(*c));
        let last = letters.iter().rposition(|c| self.is_active(*c));
        let (Some(first), Some(last)) = (first, last) else {
            return Err(no_digits());
        };
        let string = |part: &[char]| part.iter().collect::<String>();
        let active = letters.get(first..=last).unwrap_or_default();
        // An exponent: its separator between active characters, with nothing but digits behind it.
        let exponent_at = active
            .iter()
            .position(|c| *c == self.exponent)
            .filter(|at| *at > 0 && *at + 1 < active.len());
        let (mantissa, exponent) = match exponent_at {
            Some(at) => (
                active.get(..at).unwrap_or_default(),
                active.get(at + 1..).unwrap_or_default(),
            ),
            None => (active, &[][..]),
        };
        if !mantissa
            .iter()
            .any(|c| self.is_digit(*c) || *c == self.digit)
        {
            return Err(no_digits());
        }
        if mantissa.iter().any(|c| !self.is_active(*c)) {
            return Err(Error::new(
                "D3086",
                "The sub-picture must not contain a passive character that is preceded by an active character and that is followed by another active character",
            ));
        }
        if !exponent.is_empty() && (percents > 0 || per_milles > 0) {
            return Err(Error::new(
                "D3092",
                "A sub-picture that contains a 'percent' or 'per-mille' character must not contain a character treated as an 'exponent-separator'",
            ));
        }
        if exponent.iter().any(|c| !self.is_digit(*c)) {
            return Err(Error::new(
                "D3093",
                "The exponent part of the sub-picture must comprise only of one or more characters that are members of the 'decimal digit family'",
            ));
        }
        let (whole, fraction) = match mantissa.iter().position(|c| *c == self.decimal) {
            Some(at) => (
                mantissa.get(..at).unwrap_or_default(),
                mantissa.get(at + 1..).unwrap_or_default(),
            ),
            None => (mantissa, &[][..]),
        };
        self.check(whole, fraction, mantissa.contains(&self.decimal))?;
        let places = |part: &[char]| part.iter().filter(|c| **c != self.grouping).count();
        let groups: Vec<usize> = (0..whole.len())
            .filter(|i| whole.get(*i) == Some(&self.grouping))
            .map(|i| places(whole.get(i + 1..).unwrap_or_default()))
            .collect();
        let fraction_groups = (0..fraction.len())
            .filter(|i| fraction.get(*i) == Some(&self.grouping))
            .map(|i| places(fraction.get(..i).unwrap_or_default()))
            .collect();
        let regular = groups.iter().min().copied().filter(|step| {
            *step > 0
                && groups.iter().all(|g| g % step == 0)
                && (1..=groups.len()).all(|n| groups.contains(&(n * step)))
        });
        let digits = |part: &[char]| part.iter().filter(|c| self.is_digit(**c)).count();
        let (mut least_whole, scaling) = (digits(whole), digits(whole));
        let (mut least_fraction, mut most_fraction) = (digits(fraction), places(fraction));
        if least_whole == 0 && most_fraction == 0 {
            if exponent.is_empty() {
                least_whole = 1;
            } else {
                (least_fraction, most_fraction) = (1, 1);
            }
        }
        if !exponent.is_empty() && least_whole == 0 && whole.contains(&self.digit) {
            least_whole = 1;
        }
        if least_whole == 0 && least_fraction == 0 {
            least_fraction = 1;
        }
        Ok(Part {
            prefix: string(letters.get(..first).unwrap_or_default()),
            suffix: string(letters.get(last + 1..).unwrap_or_default()),
            groups,
            regular,
            fraction_groups,
            least_whole,
            scaling,
            least_fraction,
            most_fraction,
            least_exponent: exponent.len(),
            percent: percents > 0,
            per_mille: per_milles > 0,
        })
    }

    fn check(&self, whole: &[char], fraction: &[char], has_decimal: bool) -> Result<()> {
        let pairs = |part: &[char]| {
            part.windows(2)
                .any(|two| two == [self.grouping, self.grouping])
        };
        if has_decimal
            && (whole.last() == Some(&self.grouping) || fraction.first() == Some(&self.grouping))
        {
            return Err(Error::new(
                "D3087",
                "The sub-picture must not contain a 'grouping-separator' character that appears adjacent to a 'decimal-separator' character",
            ));
        }
        if !has_decimal && whole.last() == Some(&self.grouping) {
            return Err(Error::new(
                "D3088",
                "The sub-picture must not contain a 'grouping-separator' at the end of the integer part",
            ));
        }
        if pairs(whole) || pairs(fraction) {
            return Err(Error::new(
                "D3089",
                "The sub-picture must not contain two adjacent instances of the 'grouping-separator' character",
            ));
        }
        let digit = |part: &[char]| part.iter().position(|c| self.is_digit(*c));
        if let (Some(digit), Some(optional)) =
            (digit(whole), whole.iter().rposition(|c| *c == self.digit))
            && digit < optional
        {
            return Err(Error::new(
                "D3090",
                "The integer part of the sub-picture must not contain a member of the 'decimal digit family' that is followed by an instance of the 'optional digit character'",
            ));
        }
        if let (Some(digit), Some(optional)) = (
            fraction.iter().rposition(|c| self.is_digit(*c)),
            fraction.iter().position(|c| *c == self.digit),
        ) && optional < digit
        {
            return Err(Error::new(
                "D3091",
                "The fractional part of the sub-picture must not contain an instance of the 'optional digit character' that is followed by a member of the 'decimal digit family'",
            ));
        }
        Ok(())
    }

    fn write(&self, value: f64, part: &Part) -> String {
        let mut value = value;
        if part.percent {
            value *= 100.0;
        } else if part.per_mille {
            value *= 1000.0;
        }
        let mut exponent = 0_i32;
        if part.least_exponent > 0 && value != 0.0 {
            let scaling = i32::try_from(part.scaling).unwrap_or(1);
            exponent = value.log10().floor() as i32 + 1 - scaling;
            value /= 10_f64.powi(exponent);
        }
        let places = part.most_fraction.min(300);
        let value = rounded(value, places as f64);
        let text = format!("{value:.places$}");
        let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
        let whole = whole.trim_start_matches('0');
        let whole = "0".repeat(part.least_whole.saturating_sub(whole.len())) + whole;
        let mut fraction = fraction.trim_end_matches('0').to_owned();
        while fraction.len() < part.least_fraction {
            fraction.push('0');
        }
        let mut out = part.prefix.clone();
        for (index, digit) in whole.chars().enumerate() {
            let rest = whole.len() - index;
            let groups = part
                .regular
                .map_or_else(|| part.groups.contains(&rest), |step| rest % step == 0);
            if groups && index > 0 {
                out.push(self.grouping);
            }
            out.push(self.own(digit));
        }
        if !fraction.is_empty() {
            out.push(self.decimal);
        }
        for (index, digit) in fraction.chars().enumerate() {
            if index > 0 && part.fraction_groups.contains(&index) {
                out.push(self.grouping);
            }
            out.push(self.own(digit));
        }
        if part.least_exponent > 0 {
            out.push(self.exponent);
            if exponent < 0 {
                out.push_str(&self.minus);
            }
            let digits = format!(
                "{:0width$}",
                exponent.unsigned_abs(),
                width = part.least_exponent.min(100)
            );
            out.extend(digits.chars().map(|digit| self.own(digit)));
        }
        out + &part.suffix
    }

    /// A digit of the picture's own family.
    fn own(&self, digit: char) -> char {
        let offset = digit.to_digit(10).unwrap_or(0);
        char::from_u32(u32::from(self.zero) + offset).unwrap_or(digit)
    }
}

fn no_digits() -> Error {
    Error::new(
        "D3085",
        "The mantissa part of a sub-picture must contain at least one character that is either an 'optional digit character' or a member of the 'decimal digit family'",
    )
}
