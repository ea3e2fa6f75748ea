use common::resources::{Node, Resource as _};
use serde_json::Value;

use crate::client::{Client, Request, ResourceType};
use crate::commands::error::{Error, message};

/// The path of a node.
pub(super) fn path(name: &str) -> String {
    ResourceType::from(Node::KIND).object("", name)
}

/// The names of the nodes that words (`NODE` or `node/NODE`) or a selector mean, each once.
///
/// # Errors
/// When one does not exist, or none is meant.
pub(super) async fn chosen(
    client: &Client,
    words: &[String],
    selector: Option<&str>,
) -> Result<Vec<String>, Error> {
    let mut names: Vec<String> = Vec::new();
    match (words, selector) {
        ([], None) => {
            return message("name a node, or choose nodes with -l; see: kubectl get nodes");
        }
        ([_, ..], Some(_)) => return message("name nodes or choose them with -l, not both"),
        ([], Some(selector)) => {
            let path = ResourceType::from(Node::KIND).collection(None);
            let request = Request::get(&path).query("labelSelector", selector);
            let list = client.json(request).await?;
            let items = list.get("items").and_then(Value::as_array);
            let name = |node: &Value| Some(node.pointer("/metadata/name")?.as_str()?.to_owned());
            names.extend(items.into_iter().flatten().filter_map(name));
            if names.is_empty() {
                return message(format!(
                    "no node has the labels {selector}; see: kubectl get nodes --show-labels"
                ));
            }
        }
        (words, None) => {
            for word in words {
                let name = name(word)?;
                if !names.contains(&name) {
                    client.json(Request::get(&path(&name))).await?;
                    names.push(name);
                }
            }
        }
    }
    Ok(names)
}

/// The name in `NODE` or `node/NODE`.
pub(super) fn name(word: &str) -> Result<String, Error> {
    let name = match word.split_once('/') {
        None => word,
        Some(("node" | "nodes" | "no", name)) => name,
        Some(_) => return message(format!("found \"{word}\", want NODE or node/NODE")),
    };
    if name.is_empty() || name.contains('/') {
        return message(format!("found \"{word}\", want NODE or node/NODE"));
    }
    Ok(name.to_owned())
}
