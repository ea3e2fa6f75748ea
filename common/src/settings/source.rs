use config::{ConfigError, Map, Source, Value, ValueKind};

/// Keys with texts, each with the place it comes from.
#[derive(Clone, Debug)]
pub(super) struct Pairs(Vec<(String, Value)>);

impl Pairs {
    pub(super) fn of_environment(
        prefix: &str,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Self {
        let start = format!("{prefix}__");
        let own = variables.into_iter().filter_map(|(name, text)| {
            let key = name.strip_prefix(&start)?.to_lowercase();
            let key = key.replace("__", ".").replace('_', "-");
            let place = format!("environment variable {name}");
            Some((key, Value::new(Some(&place), ValueKind::String(text))))
        });
        let mut pairs: Vec<_> = own.collect();
        pairs.sort_by(|one, other| one.0.cmp(&other.0));
        Self(pairs)
    }

    pub(super) fn of_flags(flags: &[(&str, String)]) -> Self {
        let pairs = flags.iter().map(|(key, text)| {
            let place = format!("flag for {key}");
            (
                (*key).to_owned(),
                Value::new(Some(&place), ValueKind::String(text.clone())),
            )
        });
        Self(pairs.collect())
    }
}

impl Source for Pairs {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, Value>, ConfigError> {
        Ok(self.0.iter().cloned().collect())
    }
}
