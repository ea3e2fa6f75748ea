//! `metadata.managedFields`.

use serde_json::{Value, json};

use super::Writer;
use super::fields::{FieldPath, FieldSet, from_v1, overlap, to_v1};

/// Most managers remembered on one object; the oldest updaters are forgotten first.
const MAX_MANAGERS: usize = 20;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    Apply,
    Update,
}

impl Operation {
    fn as_str(self) -> &'static str {
        match self {
            Self::Apply => "Apply",
            Self::Update => "Update",
        }
    }
}

struct Entry {
    manager: String,
    operation: Operation,
    api_version: String,
    time: String,
    fields: FieldSet,
}

impl Entry {
    fn is(&self, manager: &str, operation: Operation) -> bool {
        self.manager == manager && self.operation == operation
    }
}

/// Who manages which fields of an object.
pub(super) struct Managed(Vec<Entry>);

impl Managed {
    pub(super) fn read(object: &Value) -> Self {
        let list = object["metadata"]["managedFields"].as_array();
        let entries = list
            .into_iter()
            .flatten()
            .filter(|entry| entry["manager"].is_string());
        Self(
            entries
                .map(|entry| {
                    let text = |field: &str| entry[field].as_str().unwrap_or("").to_owned();
                    let apply = entry["operation"] == "Apply";
                    Entry {
                        manager: text("manager"),
                        operation: if apply {
                            Operation::Apply
                        } else {
                            Operation::Update
                        },
                        api_version: text("apiVersion"),
                        time: text("time"),
                        fields: from_v1(&entry["fieldsV1"]),
                    }
                })
                .collect(),
        )
    }

    pub(super) fn write(mut self, object: &mut Value) {
        self.0.retain(|entry| !entry.fields.is_empty());
        while self.0.len() > MAX_MANAGERS {
            let oldest = self
                .0
                .iter()
                .position(|entry| entry.operation == Operation::Update);
            self.0.remove(oldest.unwrap_or(0));
        }
        let list: Vec<Value> = self
            .0
            .into_iter()
            .map(|entry| {
                json!({
                    "manager": entry.manager,
                    "operation": entry.operation.as_str(),
                    "apiVersion": entry.api_version,
                    "time": entry.time,
                    "fieldsType": "FieldsV1",
                    "fieldsV1": to_v1(&entry.fields),
                })
            })
            .collect();
        if !object["metadata"].is_object() {
            object["metadata"] = json!({});
        }
        object["metadata"]["managedFields"] = Value::Array(list);
    }

    /// The fields of a manager.
    pub(super) fn set(&self, manager: &str, operation: Operation) -> FieldSet {
        let entry = self.0.iter().find(|entry| entry.is(manager, operation));
        entry.map(|entry| entry.fields.clone()).unwrap_or_default()
    }

    /// Replaces the fields of a manager; the time moves only when they change.
    pub(super) fn put(&mut self, writer: Writer<'_>, operation: Operation, fields: FieldSet) {
        let position = self
            .0
            .iter()
            .position(|entry| entry.is(writer.manager, operation));
        if let Some(position) = position {
            let entry = &mut self.0[position];
            if entry.fields != fields {
                entry.fields = fields;
                writer.time.clone_into(&mut entry.time);
            }
            return;
        }
        self.0.push(Entry {
            manager: writer.manager.to_owned(),
            operation,
            api_version: writer.api_version.to_owned(),
            time: writer.time.to_owned(),
            fields,
        });
    }

    fn others<'a>(
        &'a mut self,
        manager: &'a str,
        operation: Operation,
    ) -> impl Iterator<Item = &'a mut Entry> {
        self.0
            .iter_mut()
            .filter(move |entry| !entry.is(manager, operation))
    }

    /// Other managers of a field, or of something above or beneath it.
    pub(super) fn others_on(
        &mut self,
        path: &FieldPath,
        manager: &str,
        operation: Operation,
    ) -> Vec<String> {
        self.others(manager, operation)
            .filter(|entry| entry.manager != manager)
            .filter(|entry| entry.fields.iter().any(|own| overlap(own, path)))
            .map(|entry| entry.manager.clone())
            .collect()
    }

    pub(super) fn take_from_others(
        &mut self,
        path: &FieldPath,
        manager: &str,
        operation: Operation,
    ) {
        self.others(manager, operation)
            .for_each(|entry| entry.fields.retain(|own| !overlap(own, path)));
    }

    /// Whether another manager wants a field.
    pub(super) fn is_wanted(
        &mut self,
        path: &FieldPath,
        manager: &str,
        operation: Operation,
    ) -> bool {
        self.others(manager, operation)
            .any(|entry| entry.fields.iter().any(|own| overlap(own, path)))
    }
}
