//! Who may do what. Pure.

use common::resources::{Node, Resource as _};

use super::Caller;
use crate::api::ApiError;
use crate::api::error::resource;
use crate::api::request::{Target, Verb};

/// Discovery and schemas: anybody whom the cluster knows.
pub(crate) fn may_read_paths(caller: &Caller) -> Result<(), ApiError> {
    if caller.is_anonymous() {
        return Err(ApiError::unauthorized(
            "show a client certificate or a bearer token",
        ));
    }
    Ok(())
}

/// Administrators may do everything; a node may read and patch its own Node object.
pub(crate) fn may_touch(caller: &Caller, verb: Verb, target: &Target) -> Result<(), ApiError> {
    may_read_paths(caller)?;
    let own = caller.node().is_some_and(|node| {
        target.kind == Node::KIND
            && target.name.as_deref() == Some(node)
            && matches!(verb, Verb::Get | Verb::Patch)
    });
    if caller.is_admin() || own {
        return Ok(());
    }
    let name = target.name.as_deref().unwrap_or("");
    Err(ApiError::forbidden(format!(
        "{} {name:?} is forbidden: {:?} may not {} it",
        resource(target.kind),
        caller.name,
        verb.as_str(),
    ))
    .about(target.kind, name))
}

#[cfg(test)]
mod tests {
    use common::resources::{Kind, Pod};
    use common::trust::{ADMINS, NODES};

    use super::*;

    fn target(kind: &'static Kind, name: &str) -> Target {
        Target {
            kind,
            namespace: None,
            name: Some(name.to_owned()),
            part: None,
        }
    }

    fn caller(name: &str, group: &str) -> Caller {
        Caller {
            name: name.to_owned(),
            groups: vec![group.to_owned()],
        }
    }

    #[test]
    fn a_node_touches_only_itself() {
        let node = caller("system:node:a", NODES);
        let may = |verb, target: &Target| may_touch(&node, verb, target).is_ok();
        assert!(may(Verb::Get, &target(Node::KIND, "a")));
        assert!(may(Verb::Patch, &target(Node::KIND, "a")));
        assert!(!may(Verb::Delete, &target(Node::KIND, "a")));
        assert!(!may(Verb::Get, &target(Node::KIND, "b")));
        assert!(!may(Verb::Get, &target(Pod::KIND, "a")));
        let impostor = caller("system:node:a", "people");
        assert!(may_touch(&impostor, Verb::Get, &target(Node::KIND, "a")).is_err());
    }

    #[test]
    fn administrators_may_all_and_strangers_nothing() {
        let pod = target(Pod::KIND, "p");
        assert!(may_touch(&caller("admin", ADMINS), Verb::Delete, &pod).is_ok());
        let anonymous = may_touch(&Caller::anonymous(), Verb::Get, &pod).unwrap_err();
        assert_eq!(anonymous.status().code, 401);
        let known = may_touch(&caller("x", "people"), Verb::Get, &pod).unwrap_err();
        assert_eq!(known.status().code, 403);
    }
}
