use common::resources::KINDS;
use serde_json::{Value, json};

use super::{Caller, may_touch};
use crate::api::request::{Target, Verb};

/// Whether the caller may do what a `SelfSubjectAccessReview` asks. One that is not JSON (kubectl
/// sends protobuf) is answered for everything there is.
pub(crate) fn review(caller: &Caller, body: &[u8]) -> Value {
    let asked: Value = serde_json::from_slice(body).unwrap_or_default();
    let attributes = &asked["spec"]["resourceAttributes"];
    let allowed = caller.is_admin()
        || target(attributes)
            .is_some_and(|(verb, target)| may_touch(caller, verb, &target).is_ok());
    json!({
        "kind": "SelfSubjectAccessReview",
        "apiVersion": "authorization.k8s.io/v1",
        "metadata": {},
        "spec": if asked["spec"].is_object() { asked["spec"].clone() } else { json!({}) },
        "status": { "allowed": allowed },
    })
}

fn target(attributes: &Value) -> Option<(Verb, Target)> {
    let text = |field: &str| {
        attributes[field]
            .as_str()
            .filter(|t| !t.is_empty())
            .map(str::to_owned)
    };
    let plural = text("resource")?;
    let verb = match text("verb")?.as_str() {
        "get" => Verb::Get,
        "list" => Verb::List,
        "watch" => Verb::Watch,
        "create" => Verb::Create,
        "update" => Verb::Update,
        "patch" => Verb::Patch,
        "delete" => Verb::Delete,
        "deletecollection" => Verb::DeleteCollection,
        _ => return None,
    };
    let kind = KINDS.into_iter().find(|kind| kind.plural == plural)?;
    let target = Target {
        kind,
        namespace: text("namespace"),
        name: text("name"),
        part: text("subresource"),
    };
    Some((verb, target))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_may_what_the_rules_say() {
        let node = Caller {
            name: "system:node:a".to_owned(),
            groups: vec![common::trust::NODES.to_owned()],
            ..Caller::default()
        };
        let ask = |verb: &str, name: &str| {
            let attributes = json!({ "verb": verb, "resource": "nodes", "name": name });
            let body = json!({ "spec": { "resourceAttributes": attributes } }).to_string();
            review(&node, body.as_bytes())["status"]["allowed"] == true
        };
        assert!(ask("get", "a"));
        assert!(!ask("get", "b") && !ask("delete", "a") && !ask("dance", "a"));
        assert_eq!(review(&node, b"k8s\0")["status"]["allowed"], false);
    }
}
