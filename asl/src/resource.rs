//! What a Task state calls: the `Resource` string, understood.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

/// A function as a state machine names it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct FunctionRef {
    /// The namespace, where the definition names one.
    pub namespace: Option<String>,
    /// The function's name.
    pub name: String,
    /// The Lambda qualifier (version or alias), where an ARN carries one.
    pub qualifier: Option<String>,
}

/// How an integration waits for its work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Pattern {
    /// The answer to the request is the result.
    RequestResponse,
    /// `.sync`: the result is that of the finished job, as JSON text.
    Sync,
    /// `.sync:2`: the same, decoded.
    Sync2,
    /// `.waitForTaskToken`: somebody answers later with the token.
    WaitForTaskToken,
}

impl Pattern {
    fn suffix(self) -> &'static str {
        match self {
            Pattern::RequestResponse => "",
            Pattern::Sync => ".sync",
            Pattern::Sync2 => ".sync:2",
            Pattern::WaitForTaskToken => ".waitForTaskToken",
        }
    }
}

/// Everything a Task's `Resource` may be. The engine passes it on in
/// [`Effect::InvokeTask`](crate::Effect); who carries out the effect may refuse what it lacks.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Resource {
    /// A function called directly: `NAME`, `NS/NAME`, `$NAME$` or a Lambda ARN. Its result is the task's result.
    Function {
        /// Which function.
        function: FunctionRef,
        /// The string of the definition, unchanged (the history shows it).
        text: String,
    },
    /// `arn:aws:states:::lambda:invoke`: the function is in `FunctionName`, its input in `Payload`, the result is wrapped.
    LambdaInvoke(Pattern),
    /// `arn:aws:states:::states:startExecution`: starts another state machine.
    StartExecution(Pattern),
    /// An activity's ARN: workers poll for the task.
    Activity {
        /// The activity's name.
        name: String,
        /// The ARN as it was written.
        arn: String,
    },
    /// `arn:aws:states:::http:invoke`: an HTTPS request.
    HttpInvoke,
    /// Any other `arn:aws:states:::SERVICE:ACTION`.
    Service {
        /// The service, for example `sqs` or `aws-sdk:sfn`.
        service: String,
        /// The action, for example `sendMessage`.
        action: String,
        /// How it waits.
        pattern: Pattern,
    },
}

/// Why a `Resource` string cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ResourceError {
    /// It is empty.
    #[error("the Resource is empty: name a function (NAME or NAMESPACE/NAME) or give an ARN")]
    Empty,
    /// It looks like an ARN but is none that a Task can call.
    #[error("'{0}' is not an ARN that a Task can call: {1}")]
    Arn(String, &'static str),
    /// It is no ARN and no name.
    #[error(
        "'{0}' is neither an ARN nor a function's name: names have 1 to 80 of the characters A-Z a-z 0-9 _ . -"
    )]
    Name(String),
}

impl Resource {
    /// Whether the task's context object carries a token (`$$.Task.Token`).
    pub fn waits_for_token(&self) -> bool {
        self.pattern() == Some(Pattern::WaitForTaskToken)
            || matches!(self, Resource::Activity { .. })
    }

    /// The integration pattern, where the resource is an integration.
    pub fn pattern(&self) -> Option<Pattern> {
        match self {
            Resource::LambdaInvoke(pattern)
            | Resource::StartExecution(pattern)
            | Resource::Service { pattern, .. } => Some(*pattern),
            Resource::HttpInvoke => Some(Pattern::RequestResponse),
            Resource::Function { .. } | Resource::Activity { .. } => None,
        }
    }

    /// `resourceType` and `resource` as the history shows integrations, for example `("lambda", "invoke.waitForTaskToken")`.
    pub fn integration(&self) -> Option<(String, String)> {
        let named = |service: &str, action: &str, pattern: Pattern| {
            Some((service.to_owned(), format!("{action}{}", pattern.suffix())))
        };
        match self {
            Resource::LambdaInvoke(pattern) => named("lambda", "invoke", *pattern),
            Resource::StartExecution(pattern) => named("states", "startExecution", *pattern),
            Resource::HttpInvoke => named("http", "invoke", Pattern::RequestResponse),
            Resource::Service {
                service,
                action,
                pattern,
            } => named(service, action, *pattern),
            Resource::Function { .. } | Resource::Activity { .. } => None,
        }
    }
}

impl fmt::Display for FunctionRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(f, "{namespace}/{}", self.name),
            None => f.write_str(&self.name),
        }
    }
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Resource::Function { text, .. } => f.write_str(text),
            Resource::Activity { arn, .. } => f.write_str(arn),
            integration => match integration.integration() {
                Some((service, action)) => write!(f, "arn:aws:states:::{service}:{action}"),
                None => Ok(()),
            },
        }
    }
}

fn is_name(text: &str) -> bool {
    (1..=80).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b))
}

impl FromStr for FunctionRef {
    type Err = ResourceError;

    /// Reads `NAME`, `NS/NAME`, `$NAME$`, a Lambda ARN or a partial ARN (`NAME:QUALIFIER`).
    fn from_str(text: &str) -> Result<Self, ResourceError> {
        let function = |namespace: Option<&str>, name: &str, qualifier: Option<&str>| {
            if !is_name(name) || namespace.is_some_and(|n| !is_name(n)) {
                return Err(ResourceError::Name(text.to_owned()));
            }
            Ok(FunctionRef {
                namespace: namespace.map(str::to_owned),
                name: name.to_owned(),
                qualifier: qualifier.map(str::to_owned),
            })
        };
        if text.is_empty() {
            return Err(ResourceError::Empty);
        }
        if text.starts_with("arn:") {
            let parts: Vec<&str> = text.split(':').collect();
            return match parts.as_slice() {
                ["arn", _, "lambda", _, _, "function", name] => function(None, name, None),
                ["arn", _, "lambda", _, _, "function", name, qualifier] => {
                    function(None, name, Some(qualifier))
                }
                _ => Err(ResourceError::Arn(
                    text.to_owned(),
                    "a function's ARN is arn:aws:lambda:REGION:ACCOUNT:function:NAME",
                )),
            };
        }
        let bare = text
            .strip_prefix('$')
            .and_then(|t| t.strip_suffix('$'))
            .unwrap_or(text);
        match bare.split_once('/') {
            Some((namespace, name)) => function(Some(namespace), name, None),
            None => match bare.split_once(':') {
                Some((name, qualifier)) => function(None, name, Some(qualifier)),
                None => function(None, bare, None),
            },
        }
    }
}

impl FromStr for Resource {
    type Err = ResourceError;

    fn from_str(text: &str) -> Result<Self, ResourceError> {
        let parts: Vec<&str> = text.split(':').collect();
        match parts.as_slice() {
            ["arn", _, "states", _, _, "activity", name] => {
                if is_name(name) {
                    return Ok(Resource::Activity {
                        name: (*name).to_owned(),
                        arn: text.to_owned(),
                    });
                }
                Err(ResourceError::Arn(
                    text.to_owned(),
                    "the activity's name has other characters than A-Z a-z 0-9 _ . -",
                ))
            }
            ["arn", _, "states", "", "", rest @ ..] => integration(text, rest),
            ["arn", _, "states", ..] => Err(ResourceError::Arn(
                text.to_owned(),
                "of Step Functions' ARNs only activities and integrations (arn:aws:states:::SERVICE:ACTION) are resources",
            )),
            _ => Ok(Resource::Function {
                function: text.parse()?,
                text: text.to_owned(),
            }),
        }
    }
}

fn integration(text: &str, rest: &[&str]) -> Result<Resource, ResourceError> {
    let wrong = |why| ResourceError::Arn(text.to_owned(), why);
    let (rest, two) = match rest {
        [head @ .., "2"] => (head, true),
        all => (all, false),
    };
    let [service @ .., last] = rest else {
        return Err(wrong("the service and action are missing"));
    };
    if service.is_empty() || service.iter().any(|s| s.is_empty()) || last.is_empty() {
        return Err(wrong("the service and action are missing"));
    }
    let (action, pattern) = match last.split_once('.') {
        None => (*last, Pattern::RequestResponse),
        Some((action, "sync")) if two => (action, Pattern::Sync2),
        Some((action, "sync")) => (action, Pattern::Sync),
        Some((action, "waitForTaskToken")) => (action, Pattern::WaitForTaskToken),
        Some(_) => {
            return Err(wrong(
                "the pattern after the action is one of .sync, .sync:2, .waitForTaskToken",
            ));
        }
    };
    if two && pattern != Pattern::Sync2 {
        return Err(wrong("only .sync has a version :2"));
    }
    Ok(match (service, action) {
        (["lambda"], "invoke") => match pattern {
            Pattern::RequestResponse | Pattern::WaitForTaskToken => Resource::LambdaInvoke(pattern),
            _ => return Err(wrong("lambda:invoke has no .sync form")),
        },
        (["states"], "startExecution") => Resource::StartExecution(pattern),
        (["http"], "invoke") if pattern == Pattern::RequestResponse => Resource::HttpInvoke,
        _ => Resource::Service {
            service: service.join(":"),
            action: action.to_owned(),
            pattern,
        },
    })
}

impl Serialize for Resource {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Resource {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_understood_and_printed_as_it_was() {
        for text in [
            "hello",
            "team/hello",
            "$activityName$",
            "arn:aws:lambda:us-east-1:111111111111:function:asl-hello",
            "arn:aws:lambda:us-east-1:111111111111:function:asl-hello:3",
            "arn:aws:states:::lambda:invoke",
            "arn:aws:states:::lambda:invoke.waitForTaskToken",
            "arn:aws:states:::states:startExecution.sync:2",
            "arn:aws:states:::states:startExecution.sync",
            "arn:aws:states:::http:invoke",
            "arn:aws:states:::aws-sdk:sfn:sendTaskFailure",
            "arn:aws:states:us-east-1:111111111111:activity:approve",
        ] {
            let resource: Resource = text.parse().unwrap();
            assert_eq!(resource.to_string(), text);
        }
        let Ok(Resource::Function { function, .. }) = "$activityName$".parse() else {
            panic!()
        };
        assert_eq!(function.name, "activityName");
        let Ok(Resource::Function { function, .. }) = "team/hello".parse() else {
            panic!()
        };
        assert_eq!(
            (function.namespace.as_deref(), function.name.as_str()),
            (Some("team"), "hello")
        );
    }

    #[test]
    fn what_cannot_be_called_says_why() {
        for text in [
            "",
            "a b",
            "a/b/c",
            "arn:aws:s3:::bucket",
            "arn:aws:states:::lambda:invoke.sync",
            "arn:aws:states:::x",
            "$$",
        ] {
            assert!(text.parse::<Resource>().is_err(), "{text}");
        }
    }
}
