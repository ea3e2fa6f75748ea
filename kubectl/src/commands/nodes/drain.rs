//! `drain`: nodes are closed to new pods, and their pods move to others.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::time::{Duration, Instant};

use clap::Args;
use common::resources::{Pod, Resource as _};
use reqwest::Method;
use serde_json::{Value, json};

use super::chosen::chosen;
use super::cordon::close;
use crate::cli::{Globals, duration};
use crate::client::{Client, JSON, Request, ResourceType};
use crate::commands::completion::nodes;
use crate::commands::error::{Error, message};

/// Between two looks at what is left.
const LOOK_EVERY: Duration = Duration::from_millis(300);

/// `kubectl drain`.
#[derive(Args, Clone, Debug)]
#[command(
    after_help = "The node takes no new pods from now on. For each pod that is there another one starts elsewhere, takes
over its calls, and then the pod goes when its own calls have ended: no call is lost. Where no other node
has room, pods go without a replacement, and calls wait for room.

Examples:
  # before node-1 is switched off
  kubectl drain node-1

  # it is back
  kubectl uncordon node-1

  # a rack, two minutes at most
  kubectl drain -l rack=2 --timeout 2m"
)]
pub struct DrainArgs {
    /// The nodes
    #[arg(value_name = "NODE", add = nodes())]
    words: Vec<String>,
    /// The nodes with these labels
    #[arg(short = 'l', long, value_name = "SELECTOR")]
    selector: Option<String>,
    /// Only pods with these labels
    #[arg(long, value_name = "SELECTOR")]
    pod_selector: Option<String>,
    /// How long to wait until all pods are gone; 0 waits for good
    #[arg(long, default_value = "0", value_parser = duration)]
    timeout: Duration,
    /// Here every pod is replaced, so that these make no difference; scripts pass them.
    #[arg(long, hide = true)]
    force: bool,
    /// As above.
    #[arg(long, hide = true)]
    ignore_daemonsets: bool,
    /// As above.
    #[arg(long, hide = true, alias = "delete-local-data")]
    delete_emptydir_data: bool,
    /// Pods end when their calls have ended.
    #[arg(long, hide = true, allow_hyphen_values = true)]
    grace_period: Option<i64>,
}

/// A pod by namespace and name.
type Key = (String, String);

/// Runs `drain`.
///
/// # Errors
/// When a node is not there, the server refuses, or pods are left when the time is up.
pub async fn drain(args: &DrainArgs, globals: &Globals) -> Result<(), Error> {
    let client = globals.connect()?;
    let nodes = chosen(&client, &args.words, args.selector.as_deref()).await?;
    for node in &nodes {
        close(&client, node, true).await?;
    }
    let start = Instant::now();
    for node in &nodes {
        let left = (!args.timeout.is_zero()).then(|| args.timeout.saturating_sub(start.elapsed()));
        empty(&client, args, node, left).await?;
        writeln!(std::io::stdout().lock(), "node/{node} drained")?;
    }
    Ok(())
}

/// Evicts a node's pods until none is left, those too that were on their way there.
async fn empty(
    client: &Client,
    args: &DrainArgs,
    node: &str,
    longest: Option<Duration>,
) -> Result<(), Error> {
    let start = Instant::now();
    // By uid, since a name may be used again.
    let mut evicted: BTreeMap<String, Key> = BTreeMap::new();
    loop {
        let there = pods(client, args, node).await?;
        let gone = |uid: &String| !there.contains_key(uid);
        for uid in evicted
            .keys()
            .filter(|uid| gone(uid))
            .cloned()
            .collect::<Vec<_>>()
        {
            if let Some((_, name)) = evicted.remove(&uid) {
                writeln!(std::io::stdout().lock(), "pod/{name} evicted")?;
            }
        }
        if there.is_empty() {
            return Ok(());
        }
        for (uid, key) in &there {
            if !evicted.contains_key(uid) {
                evict(client, uid, key).await?;
                evicted.insert(uid.clone(), key.clone());
            }
        }
        if longest.is_some_and(|longest| start.elapsed() >= longest) {
            let left: Vec<_> = there
                .values()
                .map(|(ns, name)| format!("{ns}/{name}"))
                .collect();
            return message(format!(
                "drain of node \"{node}\" is not over in time; it is cordoned, and these pods go when others \
                 have taken over and their calls have ended: {}; see: kubectl describe pod",
                left.join(", ")
            ));
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// The pods of a node, by uid.
async fn pods(
    client: &Client,
    args: &DrainArgs,
    node: &str,
) -> Result<BTreeMap<String, Key>, Error> {
    let path = ResourceType::from(Pod::KIND).collection(None);
    let mut request = Request::get(&path).query("fieldSelector", format!("spec.nodeName={node}"));
    if let Some(selector) = &args.pod_selector {
        request = request.query("labelSelector", selector);
    }
    let list = client.json(request).await?;
    let items = list.get("items").and_then(Value::as_array);
    let key = |pod: &Value| {
        let text = |field: &str| pod.pointer(field)?.as_str().map(str::to_owned);
        let key = (text("/metadata/namespace")?, text("/metadata/name")?);
        Some((text("/metadata/uid")?, key))
    };
    Ok(items.into_iter().flatten().filter_map(key).collect())
}

async fn evict(client: &Client, uid: &str, (namespace, name): &Key) -> Result<(), Error> {
    writeln!(std::io::stdout().lock(), "evicting pod {namespace}/{name}")?;
    let pod = ResourceType::from(Pod::KIND).object(namespace, name);
    let eviction = json!({
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": { "name": name, "namespace": namespace },
        "deleteOptions": { "preconditions": { "uid": uid } },
    });
    let path = format!("{pod}/eviction");
    let request = Request::new(Method::POST, &path).body(JSON, eviction.to_string());
    match client.json(request).await {
        Ok(_) => Ok(()),
        // It went by itself.
        Err(error) if error.is_not_found() || error.is_conflict() => Ok(()),
        Err(error) => Err(error.into()),
    }
}
