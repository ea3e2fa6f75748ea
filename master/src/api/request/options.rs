use actix_web::web::Query;

use crate::api::ApiError;

/// What is done about fields that do not exist.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum FieldValidation {
    Ignore,
    #[default]
    Warn,
    Strict,
}

/// The query's parameters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Options {
    pub(crate) label_selector: String,
    pub(crate) field_selector: String,
    pub(crate) limit: usize,
    pub(crate) continue_from: String,
    pub(crate) watch: bool,
    pub(crate) resource_version: String,
    pub(crate) timeout_seconds: Option<u64>,
    pub(crate) bookmarks: bool,
    pub(crate) send_initial_events: bool,
    pub(crate) include_object: String,
    pub(crate) dry_run: bool,
    pub(crate) field_manager: String,
    pub(crate) field_validation: FieldValidation,
    pub(crate) force: bool,
    pub(crate) propagation_policy: String,
    /// All parameters, for parts that have their own.
    pub(crate) all: Vec<(String, String)>,
}

impl Options {
    pub(crate) fn parse(query: &str) -> Result<Self, ApiError> {
        let all = Query::<Vec<(String, String)>>::from_query(query)
            .map_err(|e| ApiError::bad_request(format!("read the query: {e}")))?
            .into_inner();
        let mut options = Self::default();
        for (key, value) in &all {
            let bad = |want: &str| {
                ApiError::bad_request(format!(
                    "query parameter {key}: found {value:?}, want {want}"
                ))
            };
            let flag = || match value.as_str() {
                "true" | "1" | "" => Ok(true),
                "false" | "0" => Ok(false),
                _ => Err(bad("true or false")),
            };
            let number = || value.parse::<u64>().map_err(|_| bad("a whole number"));
            match key.as_str() {
                "labelSelector" => options.label_selector.clone_from(value),
                "fieldSelector" => options.field_selector.clone_from(value),
                "limit" => options.limit = usize::try_from(number()?).unwrap_or(usize::MAX),
                "continue" => options.continue_from.clone_from(value),
                "watch" => options.watch = flag()?,
                "resourceVersion" => options.resource_version.clone_from(value),
                "timeoutSeconds" => options.timeout_seconds = Some(number()?),
                "allowWatchBookmarks" => options.bookmarks = flag()?,
                "sendInitialEvents" => options.send_initial_events = flag()?,
                "includeObject" => options.include_object.clone_from(value),
                "dryRun" if value == "All" => options.dry_run = true,
                "dryRun" if !value.is_empty() => return Err(bad("All")),
                "fieldManager" if value.len() > 128 => return Err(bad("at most 128 characters")),
                "fieldManager" => options.field_manager.clone_from(value),
                "fieldValidation" => {
                    options.field_validation = match value.as_str() {
                        "Ignore" => FieldValidation::Ignore,
                        "Warn" | "" => FieldValidation::Warn,
                        "Strict" => FieldValidation::Strict,
                        _ => return Err(bad("Ignore, Warn or Strict")),
                    };
                }
                "force" => options.force = flag()?,
                "propagationPolicy" => options.propagation_policy.clone_from(value),
                _ => {}
            }
        }
        options.all = all;
        Ok(options)
    }

    /// The last value of a parameter.
    pub(crate) fn get(&self, key: &str) -> Option<&str> {
        self.all
            .iter()
            .rev()
            .find(|(k, _)| k == key)
            .map(|(_, value)| value.as_str())
    }
}
