//! What the server can do, for kubectl's `api-resources` and for finding kinds: plainly, and
//! aggregated into one document as newer clients want it.

mod aggregated;
mod plain;

use actix_web::HttpResponse;
use actix_web::web::Path;
use common::resources::{KINDS, Kind};

use super::ApiError;

/// What can be done with a kind by those who use the API.
pub(super) fn verbs(kind: &Kind) -> Vec<&'static str> {
    let made_by_platform = matches!(
        kind.plural,
        "pods" | "replicasets" | "services" | "nodes" | "events"
    );
    let mut verbs = vec![
        "create",
        "delete",
        "deletecollection",
        "get",
        "list",
        "patch",
        "update",
        "watch",
    ];
    if made_by_platform {
        verbs.retain(|verb| *verb != "create");
    }
    verbs
}

/// Parts of a kind's objects: name, group, version and kind of what is there, verbs.
pub(super) fn parts(kind: &Kind) -> Vec<(&'static str, [&'static str; 3], Vec<&'static str>)> {
    let mut parts = Vec::new();
    if kind.has_status {
        parts.push((
            "status",
            [kind.group, kind.version, kind.kind],
            vec!["get", "patch", "update"],
        ));
    }
    if kind.has_scale {
        parts.push((
            "scale",
            ["autoscaling", "v1", "Scale"],
            vec!["get", "patch", "update"],
        ));
    }
    if kind.plural == "pods" {
        parts.push(("eviction", ["policy", "v1", "Eviction"], vec!["create"]));
    }
    if matches!(kind.plural, "pods" | "functions") {
        parts.push(("log", [kind.group, kind.version, kind.kind], vec!["get"]));
    }
    if crate::api::verbs::graph::has(kind) {
        parts.push(("graph", [kind.group, kind.version, kind.kind], vec!["get"]));
    }
    if crate::api::verbs::steps::has(kind) {
        parts.push(("steps", [kind.group, kind.version, kind.kind], vec!["get"]));
    }
    parts
}

fn groups() -> Vec<(&'static str, &'static str)> {
    let mut groups: Vec<_> = KINDS
        .into_iter()
        .filter(|kind| !kind.group.is_empty())
        .map(|kind| (kind.group, kind.version))
        .collect();
    groups.sort_unstable();
    groups.dedup();
    groups
}

fn of_group(group: &str) -> impl Iterator<Item = &'static Kind> {
    KINDS.into_iter().filter(move |kind| kind.group == group)
}

/// `GET /api`.
pub(super) fn core(accept: &str) -> HttpResponse {
    match aggregated::version(accept) {
        Some(version) => aggregated::answer(version, &[("", "v1")]),
        None => HttpResponse::Ok().json(plain::versions()),
    }
}

/// `GET /apis`.
pub(super) fn named(accept: &str) -> HttpResponse {
    match aggregated::version(accept) {
        Some(version) => aggregated::answer(version, &groups()),
        None => HttpResponse::Ok().json(plain::group_list(&groups())),
    }
}

/// `GET /apis/GROUP`.
pub(super) fn group(path: &Path<String>) -> Result<HttpResponse, ApiError> {
    let found = groups()
        .into_iter()
        .find(|(group, _)| *group == path.as_str());
    let (group, version) = found.ok_or_else(|| ApiError::no_such_path(path))?;
    Ok(HttpResponse::Ok().json(plain::group(group, version)))
}

/// `GET /api/v1` and `GET /apis/GROUP/VERSION`.
pub(super) fn resources(group: &str, version: &str) -> Result<HttpResponse, ApiError> {
    let known = (group.is_empty() && version == "v1") || groups().contains(&(group, version));
    if !known {
        return Err(ApiError::no_such_path(&format!("{group}/{version}")));
    }
    Ok(HttpResponse::Ok().json(plain::resource_list(group, version)))
}
