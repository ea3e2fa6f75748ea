//! Names as AWS writes them: state machines, executions and activities have ARNs in the context object,
//! in histories and in the Step Functions API.

use std::fmt;

/// The region and account that ARNs name. They lead nowhere; SDKs want them to be there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Realm {
    /// Like `us-east-1`.
    pub region: String,
    /// Twelve digits.
    pub account: String,
}

/// Something of Step Functions that has an ARN.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Arn {
    /// `stateMachine:NAME`
    StateMachine(String),
    /// `execution:MACHINE:NAME`
    Execution {
        /// The state machine.
        machine: String,
        /// The execution's name.
        name: String,
    },
    /// `express:MACHINE:NAME:UID`
    Express {
        /// The state machine.
        machine: String,
        /// The execution's name.
        name: String,
        /// Tells executions of one name apart.
        uid: String,
    },
    /// `activity:NAME`
    Activity(String),
}

/// A text is no ARN of Step Functions.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Invalid Arn: '{0}'")]
pub struct ParseArnError(String);

impl Arn {
    /// Reads an ARN of any realm: which one does not matter.
    ///
    /// # Errors
    /// When it is none, or one of another service.
    pub fn parse(text: &str) -> Result<Self, ParseArnError> {
        let wrong = || ParseArnError(text.to_owned());
        let parts: Vec<&str> = text.split(':').collect();
        let (head, rest) = parts.split_at_checked(5).ok_or_else(wrong)?;
        if head[0] != "arn" || head[2] != "states" || rest.iter().any(|part| part.is_empty()) {
            return Err(wrong());
        }
        let own = |part: &&str| (*part).to_owned();
        match rest {
            ["stateMachine", name] => Ok(Self::StateMachine(own(name))),
            ["execution", machine, name] => Ok(Self::Execution {
                machine: own(machine),
                name: own(name),
            }),
            ["express", machine, name, uid] => Ok(Self::Express {
                machine: own(machine),
                name: own(name),
                uid: own(uid),
            }),
            ["activity", name] => Ok(Self::Activity(own(name))),
            _ => Err(wrong()),
        }
    }

    /// The ARN in a realm.
    #[must_use]
    pub fn within(&self, realm: &Realm) -> String {
        let Realm { region, account } = realm;
        format!("arn:aws:states:{region}:{account}:{self}")
    }
}

impl fmt::Display for Arn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::StateMachine(name) => write!(f, "stateMachine:{name}"),
            Self::Execution { machine, name } => write!(f, "execution:{machine}:{name}"),
            Self::Express { machine, name, uid } => write!(f, "express:{machine}:{name}:{uid}"),
            Self::Activity(name) => write!(f, "activity:{name}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arns_read_back_and_others_are_refused() {
        let realm = Realm {
            region: "us-east-1".to_owned(),
            account: "111111111111".to_owned(),
        };
        for arn in [
            Arn::StateMachine("m".to_owned()),
            Arn::Execution {
                machine: "m".to_owned(),
                name: "e".to_owned(),
            },
            Arn::Express {
                machine: "m".to_owned(),
                name: "e".to_owned(),
                uid: "u".to_owned(),
            },
            Arn::Activity("a".to_owned()),
        ] {
            assert_eq!(Arn::parse(&arn.within(&realm)), Ok(arn));
        }
        for text in [
            "",
            "m",
            "arn:aws:lambda:us-east-1:1:function:f",
            "arn:aws:states:us-east-1:1:stateMachine:",
            "arn:aws:states:us-east-1:1:stateMachine:m:1:2:3",
        ] {
            assert!(Arn::parse(text).is_err(), "{text}");
        }
    }
}
