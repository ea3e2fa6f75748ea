use actix_web::HttpResponse;
use common::resources::Kind;
use serde_json::{Value, json};

use super::{of_group, parts, verbs};

/// The version of the aggregated document the caller can read, if any.
pub(super) fn version(accept: &str) -> Option<&'static str> {
    accept.split(',').find_map(|offer| {
        let has = |part: &str| offer.split(';').any(|own| own.trim() == part);
        if !has("g=apidiscovery.k8s.io") || !has("as=APIGroupDiscoveryList") {
            return None;
        }
        ["v2", "v2beta1"]
            .into_iter()
            .find(|version| has(&format!("v={version}")))
    })
}

pub(super) fn answer(version: &str, groups: &[(&str, &str)]) -> HttpResponse {
    let media =
        format!("application/json;g=apidiscovery.k8s.io;v={version};as=APIGroupDiscoveryList");
    let body = document(version, groups).to_string();
    HttpResponse::Ok().content_type(media).body(body)
}

pub(super) fn document(version: &str, groups: &[(&str, &str)]) -> Value {
    let items: Vec<Value> = groups
        .iter()
        .map(|(group, served)| {
            let resources: Vec<Value> = of_group(group).map(resource).collect();
            json!({
                "metadata": { "name": group, "creationTimestamp": null },
                "versions": [{ "version": served, "freshness": "Current", "resources": resources }],
            })
        })
        .collect();
    json!({
        "kind": "APIGroupDiscoveryList",
        "apiVersion": format!("apidiscovery.k8s.io/{version}"),
        "metadata": {},
        "items": items,
    })
}

fn resource(kind: &'static Kind) -> Value {
    let scope = if kind.namespaced {
        "Namespaced"
    } else {
        "Cluster"
    };
    let mut resource = json!({
        "resource": kind.plural,
        "responseKind": { "group": kind.group, "version": kind.version, "kind": kind.kind },
        "scope": scope,
        "singularResource": kind.singular,
        "verbs": verbs(kind),
    });
    if !kind.short_names.is_empty() {
        resource["shortNames"] = json!(kind.short_names);
    }
    if !kind.categories.is_empty() {
        resource["categories"] = json!(kind.categories);
    }
    let parts: Vec<Value> = parts(kind)
        .into_iter()
        .map(|(part, [group, version, of], verbs)| {
            json!({
                "subresource": part,
                "responseKind": { "group": group, "version": version, "kind": of },
                "verbs": verbs,
            })
        })
        .collect();
    if !parts.is_empty() {
        resource["subresources"] = Value::Array(parts);
    }
    resource
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_get_the_version_they_can_read() {
        let v2 = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json";
        assert_eq!(version(v2), Some("v2"));
        let old = "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json";
        assert_eq!(version(old), Some("v2beta1"));
        assert_eq!(version("application/json"), None);
    }
}
