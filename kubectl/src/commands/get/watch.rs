use std::io::Write as _;

use futures_util::StreamExt as _;
use serde_json::Value;

use super::output::{self, Output};
use super::{GetArgs, check_selectors, request};
use crate::client::{Client, Error as ClientError, JSON, TABLE, lines};
use crate::commands::error::Error;
use crate::commands::target::Target;
use crate::print::table;

/// Prints what is there, then each change, until the server ends it.
pub(super) async fn watch(
    client: &Client,
    args: &GetArgs,
    output: &Output,
    target: &Target,
) -> Result<(), Error> {
    check_selectors(args, target)?;
    let accept = if matches!(output, Output::Table { .. }) {
        TABLE
    } else {
        JSON
    };
    let path = target.path(args.all_namespaces);
    let first = client
        .json(request(args, target, &path).accept(accept))
        .await?;
    let mut printer = table::Printer::new(table::Options {
        wide: *output == Output::Table { wide: true },
        namespace: args.all_namespaces && target.resource.namespaced,
        prefix: None,
        show_labels: args.show_labels,
        no_headers: args.no_headers,
    });
    let version = first
        .pointer("/metadata/resourceVersion")
        .and_then(Value::as_str)
        .unwrap_or("0")
        .to_owned();
    if !args.watch_only {
        show(output, &mut printer, first, target.name.is_some())?;
    }
    let collection = Target {
        name: None,
        ..target.clone()
    };
    let path = collection.path(args.all_namespaces);
    let mut request = request(args, &collection, &path)
        .accept(accept)
        .query("watch", "true");
    match &target.name {
        // An object is watched from now: a server begins with what there is, which was shown.
        Some(name) => {
            request = request
                .query("fieldSelector", format!("metadata.name={name}"))
                .query("resourceVersion", version.clone());
        }
        None => request = request.query("resourceVersion", version.clone()),
    }
    let mut events = lines(client.ok(request).await?);
    while let Some(line) = events.next().await {
        let line = line.map_err(|error| Error::Message(format!("the watch broke: {error}")))?;
        if line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        let event: Value = serde_json::from_slice(&line)
            .map_err(|error| Error::Message(format!("read the server's event: {error}")))?;
        let object = event.get("object").cloned().unwrap_or_default();
        match event.get("type").and_then(Value::as_str) {
            Some("ERROR") => {
                let code = object
                    .get("code")
                    .and_then(Value::as_u64)
                    .and_then(|code| u16::try_from(code).ok());
                let body = serde_json::to_vec(&object).unwrap_or_default();
                return Err(ClientError::from_answer(code.unwrap_or(500), &body).into());
            }
            Some("BOOKMARK") => {}
            _ if is_version(&object, &version) => {}
            _ => show(output, &mut printer, object, true)?,
        }
    }
    Ok(())
}

/// Whether the event tells only what was shown at the start.
fn is_version(object: &Value, version: &str) -> bool {
    let single = [
        "/metadata/resourceVersion",
        "/rows/0/object/metadata/resourceVersion",
    ];
    version != "0"
        && single
            .iter()
            .any(|pointer| object.pointer(pointer).and_then(Value::as_str) == Some(version))
}

fn show(
    output: &Output,
    printer: &mut table::Printer,
    value: Value,
    single: bool,
) -> Result<(), Error> {
    let mut out = std::io::stdout().lock();
    match output {
        Output::Table { .. } => {
            let table = output::as_table(value);
            if table["rows"]
                .as_array()
                .is_some_and(|rows| !rows.is_empty())
            {
                out.write_all(printer.print(&table).as_bytes())?;
            }
        }
        output => {
            let objects = if single {
                vec![value]
            } else {
                output::items(&value)
            };
            for object in objects {
                if *output == Output::Yaml {
                    writeln!(out, "---")?;
                }
                let text = output.render(&object)?;
                out.write_all(text.as_bytes())?;
                if !text.ends_with('\n') && matches!(output, Output::Template(..)) {
                    writeln!(out)?;
                }
            }
        }
    }
    out.flush()?;
    Ok(())
}
