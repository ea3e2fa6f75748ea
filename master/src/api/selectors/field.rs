use common::resources::Kind;
use serde_json::Value;

/// Fields that can be selected on any kind.
const COMMON: [&str; 2] = ["metadata.name", "metadata.namespace"];
/// Fields that can be selected on one kind.
const OF_KIND: [(&str, &str); 20] = [
    ("pods", "spec.nodeName"),
    ("pods", "spec.restartPolicy"),
    ("pods", "status.phase"),
    ("pods", "status.podIP"),
    ("namespaces", "status.phase"),
    ("nodes", "spec.unschedulable"),
    ("secrets", "type"),
    ("workflows", "status.phase"),
    ("workflowruns", "status.phase"),
    ("workflowruns", "spec.workflow"),
    ("workflowruns", "spec.stateMachine"),
    ("events", "involvedObject.kind"),
    ("events", "involvedObject.namespace"),
    ("events", "involvedObject.name"),
    ("events", "involvedObject.uid"),
    ("events", "involvedObject.apiVersion"),
    ("events", "involvedObject.resourceVersion"),
    ("events", "involvedObject.fieldPath"),
    ("events", "reason"),
    ("events", "type"),
];

/// `metadata.name=a,status.phase!=Running`: all must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct FieldSelector(Vec<Requirement>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Requirement {
    field: String,
    value: String,
    equal: bool,
}

impl FieldSelector {
    pub(crate) fn parse(kind: &Kind, text: &str) -> Result<Self, String> {
        let mut requirements = Vec::new();
        for part in text
            .split(',')
            .map(str::trim)
            .filter(|part| !part.is_empty())
        {
            let (field, value, equal) = if let Some((field, value)) = part.split_once("!=") {
                (field, value, false)
            } else if let Some((field, value)) =
                part.split_once("==").or_else(|| part.split_once('='))
            {
                (field, value, true)
            } else {
                return Err(format!("read field selector {part:?}: want FIELD=VALUE"));
            };
            let field = field.trim();
            let known = COMMON.contains(&field) || OF_KIND.contains(&(kind.plural, field));
            if !known {
                return Err(format!(
                    "field selector: {field:?} cannot be selected on {}; these can: {}",
                    kind.plural,
                    selectable(kind).join(", ")
                ));
            }
            requirements.push(Requirement {
                field: field.to_owned(),
                value: value.trim().to_owned(),
                equal,
            });
        }
        Ok(Self(requirements))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn require(&mut self, field: &str, value: &str) {
        let (field, value) = (field.to_owned(), value.to_owned());
        self.0.push(Requirement {
            field,
            value,
            equal: true,
        });
    }

    pub(crate) fn name(&self) -> Option<&str> {
        self.0
            .iter()
            .find(|r| r.equal && r.field == "metadata.name")
            .map(|r| r.value.as_str())
    }

    pub(crate) fn matches(&self, object: &Value) -> bool {
        self.0.iter().all(|requirement| {
            let found = requirement
                .field
                .split('.')
                .try_fold(object, |value, key| value.get(key));
            let same = match found {
                None | Some(Value::Null) => {
                    requirement.value.is_empty()
                        || requirement.value == "false" && requirement.field == "spec.unschedulable"
                }
                Some(Value::String(found)) => *found == requirement.value,
                Some(Value::Bool(found)) => {
                    requirement.value == if *found { "true" } else { "false" }
                }
                Some(_) => false,
            };
            same == requirement.equal
        })
    }
}

fn selectable(kind: &Kind) -> Vec<&'static str> {
    let own = OF_KIND
        .iter()
        .filter(|(plural, _)| *plural == kind.plural)
        .map(|(_, field)| *field);
    COMMON.into_iter().chain(own).collect()
}

#[cfg(test)]
mod tests {
    use common::resources::{Function, Pod, Resource as _};
    use serde_json::json;

    use super::*;

    #[test]
    fn fields_are_compared() {
        let pod = json!({ "metadata": { "name": "p" }, "spec": { "nodeName": "n1" } });
        let matches = |text: &str| FieldSelector::parse(Pod::KIND, text).unwrap().matches(&pod);
        for yes in [
            "",
            "metadata.name=p",
            "spec.nodeName==n1,metadata.name!=q",
            "status.phase=",
        ] {
            assert!(matches(yes), "{yes}");
        }
        for no in [
            "metadata.name=q",
            "spec.nodeName!=n1",
            "status.phase=Running",
        ] {
            assert!(!matches(no), "{no}");
        }
    }

    #[test]
    fn other_fields_are_refused_with_those_that_work() {
        let error = FieldSelector::parse(Function::KIND, "spec.handler=a").unwrap_err();
        assert!(
            error.ends_with("these can: metadata.name, metadata.namespace"),
            "{error}"
        );
        assert!(FieldSelector::parse(Function::KIND, "metadata.name").is_err());
    }
}
