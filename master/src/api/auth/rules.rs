//! Who may do what. Pure.

use common::resources::{
    Activity, ConfigMap, Function, Kind, Namespace, Node, Pod, Resource as _, Secret, StateMachine,
    Task, Workflow, WorkflowRun,
};

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

/// What developers write. Everything else in their namespace they read, and Pods they may delete and evict.
const THEIRS: [&Kind; 8] = [
    Function::KIND,
    Workflow::KIND,
    StateMachine::KIND,
    WorkflowRun::KIND,
    Activity::KIND,
    Task::KIND,
    Secret::KIND,
    ConfigMap::KIND,
];

fn may_develop(caller: &Caller, verb: Verb, target: &Target) -> bool {
    let reads = matches!(verb, Verb::Get | Verb::List | Verb::Watch);
    if target.kind == Namespace::KIND {
        let own = |name: &str| caller.may_develop(name);
        return verb == Verb::Get && target.name.as_deref().is_some_and(own);
    }
    let namespace = target.namespace.as_deref();
    let evicts = verb == Verb::Create && target.part.as_deref() == Some("eviction");
    target.kind.namespaced
        && namespace.is_some_and(|namespace| caller.may_develop(namespace))
        && (reads
            || THEIRS.contains(&target.kind)
            || (target.kind == Pod::KIND && (verb == Verb::Delete || evicts)))
}

/// Administrators may do everything, developers what is theirs in their namespaces; a node may read and patch its own
/// Node object.
pub(crate) fn may_touch(caller: &Caller, verb: Verb, target: &Target) -> Result<(), ApiError> {
    may_read_paths(caller)?;
    let own = caller.node().is_some_and(|node| {
        target.kind == Node::KIND
            && target.name.as_deref() == Some(node)
            && matches!(verb, Verb::Get | Verb::Patch)
    });
    if caller.is_admin() || own || may_develop(caller, verb, target) {
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
    use common::trust::{ADMINS, NODES};

    use crate::users::Role;

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
            ..Caller::default()
        }
    }

    #[test]
    fn a_developer_works_in_his_namespace_and_nowhere_else() {
        let namespaces = vec!["team".to_owned()];
        let developer = Caller {
            role: Some(Role::Developer { namespaces }),
            ..caller("ann", crate::users::GROUP)
        };
        let at = |kind: &'static Kind, namespace: Option<&str>| Target {
            namespace: namespace.map(str::to_owned),
            ..target(kind, "x")
        };
        let may = |verb, target: Target| may_touch(&developer, verb, &target).is_ok();
        for kind in [Function::KIND, Secret::KIND, WorkflowRun::KIND] {
            for verb in [
                Verb::Get,
                Verb::List,
                Verb::Create,
                Verb::Patch,
                Verb::Delete,
            ] {
                assert!(
                    may(verb, at(kind, Some("team"))),
                    "{verb:?} {}",
                    kind.plural
                );
                assert!(!may(verb, at(kind, Some("other"))));
                assert!(!may(verb, at(kind, None)), "not all namespaces");
            }
        }
        assert!(may(Verb::Delete, at(Pod::KIND, Some("team"))));
        assert!(!may(Verb::Create, at(Pod::KIND, Some("team"))));
        let eviction = |namespace| Target {
            part: Some("eviction".to_owned()),
            ..at(Pod::KIND, Some(namespace))
        };
        assert!(may(Verb::Create, eviction("team")) && !may(Verb::Create, eviction("other")));
        assert!(!may(Verb::List, at(Node::KIND, None)));
        let namespace = |name| target(Namespace::KIND, name);
        assert!(may(Verb::Get, namespace("team")) && !may(Verb::Delete, namespace("team")));
        assert!(!may(Verb::Get, namespace("other")));
    }

    #[test]
    fn who_may_only_invoke_reads_nothing() {
        let namespaces = vec!["team".to_owned()];
        let invoker = Caller {
            role: Some(Role::Invoker { namespaces }),
            ..caller("bot", crate::users::GROUP)
        };
        let function = Target {
            namespace: Some("team".to_owned()),
            ..target(Function::KIND, "x")
        };
        assert!(may_touch(&invoker, Verb::Get, &function).is_err());
        assert!(invoker.may_invoke("team") && !invoker.may_invoke("other"));
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
