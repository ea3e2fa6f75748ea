use common::resources::{FUNCTION_LABEL, Pod, Resource as _};
use serde_json::Value;

use super::sheet::{Sheet, field, plain};
use crate::client::{Client, Request, ResourceType};
use crate::print::age;

/// A function: what it is made of, how it scales, what runs.
pub(super) async fn write(client: &Client, function: &Value, sheet: &mut Sheet) {
    sheet.metadata(function);
    let get = |pointer: &str| function.pointer(pointer);
    let spec_or_status =
        |key: &str| get(&format!("/spec/{key}")).or_else(|| get(&format!("/status/{key}")));
    sheet.line("Source", source(function));
    sheet.maybe("Version", get("/spec/version"));
    sheet.maybe("Handler", spec_or_status("handler"));
    sheet.maybe("Style", spec_or_status("style"));
    sheet.maybe("Base", get("/spec/base"));
    sheet.maybe("Revision", get("/status/revision"));
    sheet.maybe("Image", get("/status/image").or_else(|| get("/spec/image")));
    sheet.maybe("Layer", get("/status/layer"));
    sheet.line(
        "Timeout",
        format!(
            "{}s",
            get("/spec/timeoutSeconds").map_or_else(|| "30".to_owned(), plain)
        ),
    );
    sheet.maybe("Concurrency", get("/spec/concurrency"));
    for (name, key) in [("CPU", "cpu"), ("Memory", "memory")] {
        sheet.maybe(name, get(&format!("/spec/resources/{key}")));
    }
    sheet.maybe("Network", get("/spec/network"));
    sheet.maybe("Access", get("/spec/access"));
    environment(function, sheet);
    sheet.line("Scaling", scaling(function));
    let count = |key: &str| {
        get(&format!("/status/{key}"))
            .and_then(Value::as_u64)
            .unwrap_or(0)
    };
    sheet.line(
        "Replicas",
        format!(
            "{} desired | {} total | {} ready",
            count("desiredReplicas"),
            count("replicas"),
            count("readyReplicas")
        ),
    );
    if let Some(why) = get("/status/scaledBy")
        .map(plain)
        .filter(|why| !why.is_empty())
    {
        sheet.line("Scaled By", why);
    }
    sheet.conditions(function);
    sheet.block("Pods", &pods(client, function).await);
}

fn source(function: &Value) -> String {
    let get = |pointer: &str| {
        function
            .pointer(pointer)
            .filter(|value| !value.is_null())
            .map(plain)
    };
    let upload = get("/spec/source/upload");
    match (get("/spec/userUploadFilePath"), upload) {
        (Some(path), Some(digest)) => return format!("{path} (uploaded as {digest})"),
        (Some(path), None) => return format!("{path} (not uploaded)"),
        (None, Some(digest)) => return format!("uploaded as {digest}"),
        (None, None) => {}
    }
    if let Some(files) = function
        .pointer("/spec/source/inline")
        .and_then(Value::as_object)
    {
        let names: Vec<_> = files.keys().map(String::as_str).collect();
        return format!("inline: {}", names.join(", "));
    }
    match (get("/spec/source/configMap"), get("/spec/image")) {
        (Some(name), _) => format!("ConfigMap {name}"),
        (None, Some(image)) => format!("image {image}"),
        (None, None) => "<none>".to_owned(),
    }
}

fn environment(function: &Value, sheet: &mut Sheet) {
    let variables = function.pointer("/spec/env").and_then(Value::as_array);
    let Some(variables) = variables.filter(|variables| !variables.is_empty()) else {
        return;
    };
    sheet.line("Environment", "");
    for variable in variables {
        let reference = |key: &str, what: &str| {
            let target = variable.pointer(&format!("/valueFrom/{key}"))?;
            Some(format!(
                "<set to the key '{}' in {what} '{}'>",
                field(target, "key"),
                field(target, "name")
            ))
        };
        let value = reference("secretKeyRef", "secret")
            .or_else(|| reference("configMapKeyRef", "config map"));
        sheet.at(
            1,
            &field(variable, "name"),
            value.unwrap_or_else(|| field(variable, "value")),
        );
    }
}

fn scaling(function: &Value) -> String {
    let number = |key: &str, default: u64| {
        function
            .pointer(&format!("/spec/scaling/{key}"))
            .and_then(Value::as_u64)
            .unwrap_or(default)
    };
    if let Some(pinned) = function
        .pointer("/spec/scaling/pinned")
        .and_then(Value::as_u64)
    {
        let off = if pinned == 0 {
            ": off, calls get 503 Paused"
        } else {
            ""
        };
        return format!("pinned to {pinned}{off} (undo with: kubectl scale --replicas=auto)");
    }
    let range = format!(
        "{} to {} pods",
        number("minReplicas", 0),
        number("maxReplicas", 10)
    );
    match function
        .pointer("/spec/scaling/policy")
        .and_then(Value::as_str)
    {
        Some("concurrency") => format!("{range}, by calls in flight"),
        _ => format!(
            "{range}, one for each {} requests of the last {} s",
            number("requestsPerReplica", 100),
            number("windowSeconds", 30)
        ),
    }
}

async fn pods(client: &Client, function: &Value) -> Vec<Vec<String>> {
    let (name, namespace) = (
        field(&function["metadata"], "name"),
        field(&function["metadata"], "namespace"),
    );
    let path = ResourceType::from(Pod::KIND).collection(Some(&namespace));
    let list = client
        .json(Request::get(&path).query("labelSelector", format!("{FUNCTION_LABEL}={name}")))
        .await;
    let list = list.unwrap_or_default();
    let pods = list
        .get("items")
        .and_then(Value::as_array)
        .cloned()
        .unwrap_or_default();
    pods.iter().map(pod).collect()
}

fn pod(pod: &Value) -> Vec<String> {
    let text = |pointer: &str| pod.pointer(pointer).map(plain).unwrap_or_default();
    let ready = pod
        .pointer("/status/conditions")
        .and_then(Value::as_array)
        .is_some_and(|conditions| {
            conditions
                .iter()
                .any(|c| field(c, "type") == "Ready" && field(c, "status") == "True")
        });
    let created = pod
        .pointer("/metadata/creationTimestamp")
        .and_then(Value::as_str);
    vec![
        text("/metadata/name"),
        text("/status/phase"),
        if ready { "ready" } else { "not ready" }.to_owned(),
        text("/spec/nodeName"),
        age::since(created, jiff::Timestamp::now()),
        text("/status/reason"),
    ]
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn scaling_is_told_in_words() {
        assert_eq!(
            scaling(&json!({})),
            "0 to 10 pods, one for each 100 requests of the last 30 s"
        );
        let pinned = json!({"spec": {"scaling": {"pinned": 0}}});
        assert!(scaling(&pinned).starts_with("pinned to 0: off"));
        let concurrency = json!({"spec": {"scaling": {"policy": "concurrency", "maxReplicas": 3}}});
        assert_eq!(scaling(&concurrency), "0 to 3 pods, by calls in flight");
    }

    #[test]
    fn the_source_is_told_whatever_it_is() {
        assert_eq!(
            source(&json!({"spec": {"userUploadFilePath": "./a"}})),
            "./a (not uploaded)"
        );
        assert_eq!(
            source(&json!({"spec": {"source": {"inline": {"func.py": "", "a.py": ""}}}})),
            "inline: func.py, a.py"
        );
        assert_eq!(
            source(&json!({"spec": {"image": "r/i@sha256:1"}})),
            "image r/i@sha256:1"
        );
    }

    #[test]
    fn a_sheet_lines_its_values_up() {
        let mut sheet = Sheet::default();
        sheet.metadata(&json!({"metadata": {"name": "f", "namespace": "default", "labels": {"a": "1", "b": "2"},
            "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{}"}}}));
        environment(
            &json!({"spec": {"env": [{"name": "A", "value": "1"},
            {"name": "S", "valueFrom": {"secretKeyRef": {"name": "n", "key": "k"}}}]}}),
            &mut sheet,
        );
        sheet.block("Pods", &[vec!["p1".to_owned(), "Running".to_owned()]]);
        sheet.block("None", &[]);
        insta::assert_snapshot!(sheet.finish(), @r#"
        Name:         f
        Namespace:    default
        Labels:       a=1
                      b=2
        Annotations:  <none>
        Environment:
          A: 1
          S: <set to the key 'k' in secret 'n'>
        Pods:
          p1   Running
        None:         <none>
        "#);
    }
}
