use common::resources::{TAINT_EFFECTS, Taint};

/// One change of a node's taints, as typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    /// `KEY=VALUE:EFFECT`.
    Add(Taint),
    /// `KEY-` takes all taints of the key away, `KEY:EFFECT-` one.
    Remove { key: String, effect: Option<String> },
}

/// Whether a word is a change of taints, and no node's name.
pub(super) fn is_mark(word: &str) -> bool {
    word.contains(['=', ':']) || word.ends_with('-')
}

impl Mark {
    pub(super) fn parse(word: &str) -> Result<Self, String> {
        let want = "KEY=VALUE:EFFECT, KEY:EFFECT, KEY:EFFECT- or KEY-";
        let (text, removes) = match word.strip_suffix('-') {
            Some(text) => (text, true),
            None => (word, false),
        };
        let (name, effect) = match text.split_once(':') {
            Some((name, effect)) => (name, Some(effect)),
            None => (text, None),
        };
        let (key, value) = match name.split_once('=') {
            Some((key, value)) => (key, Some(value)),
            None => (name, None),
        };
        if key.is_empty() {
            return Err(format!("found \"{word}\", want {want}"));
        }
        if let Some(effect) = effect.filter(|effect| !TAINT_EFFECTS.contains(effect)) {
            return Err(format!(
                "found the effect \"{effect}\" in \"{word}\", want {}",
                TAINT_EFFECTS.join(", ")
            ));
        }
        let owned = |text: Option<&str>| text.filter(|text| !text.is_empty()).map(str::to_owned);
        match (removes, effect) {
            (true, effect) => Ok(Self::Remove {
                key: key.to_owned(),
                effect: owned(effect),
            }),
            (false, None) => Err(format!("found \"{word}\" without an effect, want {want}")),
            (false, Some(effect)) => Ok(Self::Add(Taint {
                key: key.to_owned(),
                value: owned(value),
                effect: effect.to_owned(),
                time_added: None,
            })),
        }
    }

    /// Changes the taints of a node.
    pub(super) fn apply(&self, taints: &mut Vec<Taint>, overwrite: bool) -> Result<(), String> {
        match self {
            Self::Add(new) => {
                let same = |old: &Taint| old.key == new.key && old.effect == new.effect;
                if let Some(old) = taints.iter().find(|old| same(old))
                    && !overwrite
                {
                    return Err(format!(
                        "has the taint {old} already; --overwrite changes it"
                    ));
                }
                taints.retain(|old| !same(old));
                taints.push(new.clone());
            }
            Self::Remove { key, effect } => {
                let meant = |old: &Taint| {
                    old.key == *key && effect.as_ref().is_none_or(|e| *e == old.effect)
                };
                let before = taints.len();
                taints.retain(|old| !meant(old));
                if taints.len() == before {
                    let effect = effect.as_ref().map(|e| format!(":{e}")).unwrap_or_default();
                    return Err(format!("has no taint \"{key}{effect}\""));
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changed(words: &[&str], overwrite: bool) -> Result<String, String> {
        let mut taints = Vec::new();
        for word in words {
            Mark::parse(word)?.apply(&mut taints, overwrite)?;
        }
        let taints: Vec<_> = taints.iter().map(ToString::to_string).collect();
        Ok(taints.join(" "))
    }

    #[test]
    fn taints_are_added_changed_and_taken_away() {
        let ok = |words: &[&str], overwrite| changed(words, overwrite).unwrap();
        assert_eq!(
            ok(&["gpu=a:NoSchedule", "x:NoExecute"], false),
            "gpu=a:NoSchedule x:NoExecute"
        );
        assert_eq!(
            ok(&["gpu=a:NoSchedule", "gpu=b:NoSchedule"], true),
            "gpu=b:NoSchedule"
        );
        assert_eq!(
            ok(&["g:NoSchedule", "g:NoExecute", "g:NoExecute-"], false),
            "g:NoSchedule"
        );
        assert_eq!(ok(&["g:NoSchedule", "g:NoExecute", "g-"], false), "");
    }

    #[test]
    fn what_makes_no_sense_says_what_is_wanted() {
        for (words, said) in [
            (vec!["gpu=a"], "without an effect"),
            (
                vec!["gpu=a:Never"],
                "want NoSchedule, PreferNoSchedule, NoExecute",
            ),
            (vec![":NoSchedule"], "want KEY=VALUE:EFFECT"),
            (vec!["-"], "want KEY=VALUE:EFFECT"),
            (vec!["g-"], "has no taint \"g\""),
            (
                vec!["g:NoSchedule", "g:NoExecute-"],
                "has no taint \"g:NoExecute\"",
            ),
            (vec!["g:NoSchedule", "g=b:NoSchedule"], "--overwrite"),
        ] {
            let error = changed(&words, false).unwrap_err();
            assert!(error.contains(said), "{words:?}: {error}");
        }
        assert!(is_mark("a-") && is_mark("a=b:NoSchedule") && !is_mark("node-1"));
    }
}
