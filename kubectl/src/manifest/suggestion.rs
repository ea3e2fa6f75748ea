//! The word somebody probably meant.

/// The known word nearest to `word`, when it is near enough to be meant.
#[must_use]
pub fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    let lower = word.to_lowercase();
    let distance = |other: &str| strsim::damerau_levenshtein(&lower, &other.to_lowercase());
    let best = known.iter().min_by_key(|other| distance(other))?;
    let near = distance(best) <= 1 + lower.chars().count() / 4;
    let longer = || {
        let mut begins = known
            .iter()
            .filter(|other| other.to_lowercase().starts_with(&lower));
        begins.next().filter(|_| lower.len() >= 4)
    };
    near.then_some(best).or_else(longer).copied()
}

/// `; did you mean "…"?`
#[must_use]
pub fn did_you_mean(word: &str) -> String {
    format!("; did you mean \"{word}\"?")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_words_are_found_and_far_ones_are_not() {
        let known = ["Function", "Workflow", "StateMachine"];
        assert_eq!(nearest("Funktion", &known), Some("Function"));
        assert_eq!(nearest("function", &known), Some("Function"));
        assert_eq!(nearest("Statemachine", &known), Some("StateMachine"));
        assert_eq!(nearest("Deployment", &known), None);
        assert_eq!(nearest("State", &known), Some("StateMachine"));
    }
}
