//! Server-side apply: each manager says what it wants, and only that; the server remembers who said
//! what (`metadata.managedFields`) and refuses to let one silently overwrite another. Pure.
//!
//! Lists are one field each. A field that a manager applied before and leaves out now is removed,
//! unless another manager wants it too. Those who write whole objects (update, patch) own what they
//! changed.

mod fields;
mod managed;

use common::resources::StatusCause;
use serde_json::{Map, Value};

use self::fields::{FieldPath, FieldSet, get, leaves, remove, set};
use self::managed::{Managed, Operation};
use super::error::cause;

/// The manager of those who applied with kubectl before they began with `--server-side`.
const CLIENT_SIDE: &str = "kubectl-client-side-apply";

/// Who writes, and when.
#[derive(Clone, Copy, Debug)]
pub(super) struct Writer<'a> {
    pub(super) manager: &'a str,
    pub(super) api_version: &'a str,
    pub(super) time: &'a str,
}

/// Applies a manager's wishes to an object (or to nothing); `normal` holds the same wishes as their
/// type writes them. `Err`: other managers own fields of them, one cause each.
pub(super) fn apply(
    live: Option<&Value>,
    wanted: &Value,
    normal: &Value,
    writer: Writer<'_>,
    force: bool,
) -> Result<Value, Vec<StatusCause>> {
    let mut managed = Managed::read(live.unwrap_or(&Value::Null));
    let wishes = leaves(wanted);
    let before = managed.set(writer.manager, Operation::Apply);
    let mut result = live.cloned().unwrap_or_else(|| Value::Object(Map::new()));
    let mut conflicts = Vec::new();
    for path in &wishes {
        let Some(value) = get(normal, path).or_else(|| get(wanted, path)) else {
            continue;
        };
        if get(&result, path) != Some(value) {
            let mut owners = managed.others_on(path, writer.manager, Operation::Apply);
            // kubectl moves from client-side to server-side apply: the same person, by another name.
            owners.retain(|owner| writer.manager != "kubectl" || owner != CLIENT_SIDE);
            if !owners.is_empty() && !force {
                conflicts.extend(owners.iter().map(|owner| {
                    let message = format!("conflict with {owner:?}");
                    cause("FieldManagerConflict", fields::spell(path), message)
                }));
            }
            managed.take_from_others(path, writer.manager, Operation::Apply);
            set(&mut result, path, value.clone());
        }
    }
    if !conflicts.is_empty() {
        return Err(conflicts);
    }
    for path in before.difference(&wishes) {
        let covered = wishes.iter().any(|wish| fields::overlap(wish, path));
        if !covered && !managed.is_wanted(path, writer.manager, Operation::Apply) {
            remove(&mut result, path);
        }
    }
    for field in ["apiVersion", "kind"] {
        if let Some(value) = wanted.get(field) {
            result[field] = value.clone();
        }
    }
    for field in ["name", "namespace"] {
        if let Some(value) = wanted["metadata"].get(field) {
            result["metadata"][field] = value.clone();
        }
    }
    managed.put(writer, Operation::Apply, wishes);
    managed.write(&mut result);
    Ok(result)
}

/// Notes who changed what when a whole object was written.
pub(super) fn note_update(old: Option<&Value>, new: &mut Value, writer: Writer<'_>) {
    let nothing = Value::Null;
    let old = old.unwrap_or(&nothing);
    // A client may mend the list of managers itself, as kubectl does when it changes to server-side
    // apply.
    let mended = new["metadata"]
        .get("managedFields")
        .is_some_and(Value::is_array)
        && new["metadata"]["managedFields"] != old["metadata"]["managedFields"];
    let mut managed = Managed::read(if mended { new } else { old });
    let (before, after) = (leaves(old), leaves(new));
    let changed: FieldSet = after
        .iter()
        .filter(|path| get(old, path) != get(new, path))
        .cloned()
        .collect();
    let gone: Vec<FieldPath> = before.difference(&after).cloned().collect();
    if changed.is_empty() && gone.is_empty() && !mended {
        managed.write(new);
        return;
    }
    for path in changed.iter().chain(&gone) {
        managed.take_from_others(path, writer.manager, Operation::Update);
    }
    let mut own = managed.set(writer.manager, Operation::Update);
    own.retain(|path| after.contains(path));
    own.extend(changed);
    managed.put(writer, Operation::Update, own);
    managed.write(new);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn writer(manager: &str) -> Writer<'_> {
        Writer {
            manager,
            api_version: "v1",
            time: "2026-01-01T00:00:00Z",
        }
    }

    fn applied(live: Option<&Value>, wanted: &Value, manager: &str) -> Value {
        apply(live, wanted, wanted, writer(manager), false).unwrap()
    }

    #[test]
    fn what_a_manager_leaves_out_goes() {
        let one = json!({ "spec": { "a": 1, "b": { "c": 2 } } });
        let live = applied(None, &one, "x");
        let live = applied(Some(&live), &json!({ "spec": { "a": 1 } }), "x");
        assert_eq!(live["spec"], json!({ "a": 1 }));
    }

    #[test]
    fn what_two_want_stays_until_both_leave_it_out() {
        let both = json!({ "spec": { "a": 1 } });
        let none = json!({ "spec": {} });
        let live = applied(None, &both, "x");
        let live = applied(Some(&live), &both, "y");
        let live = applied(Some(&live), &none, "x");
        assert_eq!(live["spec"]["a"], 1);
        let live = applied(Some(&live), &none, "y");
        assert!(live["spec"].get("a").is_none());
    }

    #[test]
    fn a_conflict_names_field_and_manager_and_force_settles_it() {
        let live = applied(None, &json!({ "spec": { "a": 1, "l": [1] } }), "x");
        let other = json!({ "spec": { "a": 2, "l": [2] } });
        let causes = apply(Some(&live), &other, &other, writer("y"), false).unwrap_err();
        let told: Vec<_> = causes
            .iter()
            .map(|c| format!("{} {}", c.field, c.message))
            .collect();
        assert_eq!(
            told,
            [".spec.a conflict with \"x\"", ".spec.l conflict with \"x\""]
        );
        let live = apply(Some(&live), &other, &other, writer("y"), true).unwrap();
        assert_eq!(live["spec"], other["spec"]);
        let mine = json!({ "spec": { "a": 1 } });
        let causes = apply(Some(&live), &mine, &mine, writer("x"), false);
        assert_eq!(causes.unwrap_err().len(), 1, "y owns it now");
    }

    #[test]
    fn an_update_takes_ownership_of_what_it_changes() {
        let live = applied(None, &json!({ "spec": { "a": 1, "b": 1 } }), "x");
        let mut edited = live.clone();
        edited["spec"]["a"] = 2.into();
        note_update(Some(&live), &mut edited, writer("edit"));
        let again = json!({ "spec": { "a": 1, "b": 1 } });
        let causes = apply(Some(&edited), &again, &again, writer("x"), false).unwrap_err();
        assert_eq!(causes[0].field, ".spec.a");
        assert!(causes[0].message.contains("edit"));
        let again = json!({ "spec": { "a": 2, "b": 1 } });
        assert!(apply(Some(&edited), &again, &again, writer("x"), false).is_ok());
    }

    proptest! {
        #[test]
        fn applying_twice_is_applying_once(wanted in prop::collection::btree_map("[a-d]", 0..3_u8, 1..4)) {
            let wanted = json!({ "spec": wanted });
            let once = applied(None, &wanted, "x");
            prop_assert_eq!(&once["spec"], &wanted["spec"]);
            prop_assert_eq!(applied(Some(&once), &wanted, "x"), once);
        }

        #[test]
        fn the_last_applier_with_force_gets_what_it_wants(
            sets in prop::collection::vec((0..3_usize, prop::collection::btree_map("[a-d]", 0..3_u8, 0..4)), 1..6),
        ) {
            let mut live = None;
            for (manager, wanted) in sets {
                let wanted = json!({ "spec": wanted });
                let manager = ["x", "y", "z"][manager];
                let next = apply(live.as_ref(), &wanted, &wanted, writer(manager), true).unwrap();
                for (key, value) in wanted["spec"].as_object().unwrap() {
                    prop_assert_eq!(&next["spec"][key], value);
                }
                live = Some(next);
            }
        }
    }
}
