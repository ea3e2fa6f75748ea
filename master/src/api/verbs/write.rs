//! What create, update and patch have in common: an object is fitted into its type, judged, and put
//! in the place of the one it replaces.

use common::resources::timestamp;
use serde_json::Value;

use super::Call;
use crate::api::apply::{self, Writer};
use crate::api::error::cause;
use crate::api::request::FieldValidation;
use crate::api::{ApiError, kinds, validation};
use crate::objects::{Durability, lifecycle};

/// Most attempts to change what others change too.
const ATTEMPTS: usize = 16;

/// An object that was written (or, with `dryRun`, would have been).
pub(super) struct Written {
    pub(super) object: Value,
    pub(super) warnings: Vec<String>,
}

/// Fits an object into its type and into the path it was sent to.
pub(super) fn fit(call: &Call, mut raw: Value) -> Result<Written, ApiError> {
    let kind = call.target.kind;
    let said = |what: &str| {
        let message = format!(
            "{} in version {:?} cannot be handled as a {}: {what}",
            kind.kind,
            kind.api_version(),
            kind.kind
        );
        ApiError::bad_request(message)
    };
    if !raw.is_object() {
        return Err(said("the body is not a map of fields"));
    }
    for (field, want) in [
        ("kind", kind.kind.to_owned()),
        ("apiVersion", kind.api_version()),
    ] {
        let found = raw[field].as_str().unwrap_or("");
        if !found.is_empty() && found != want {
            return Err(ApiError::bad_request(format!(
                "{field}: found {found:?}, this path wants {want:?}"
            )));
        }
        raw[field] = want.into();
    }
    for (field, want) in [
        ("namespace", call.target.namespace()),
        ("name", call.name()),
    ] {
        let found = raw["metadata"][field].as_str().unwrap_or("").to_owned();
        if !want.is_empty() && !found.is_empty() && found != want {
            return Err(ApiError::bad_request(format!(
                "the {field} of the object ({found}) does not match the {field} on the URL ({want})"
            )));
        }
        if !want.is_empty() && found.is_empty() {
            lifecycle::metadata_mut(&mut raw).insert(field.to_owned(), want.into());
        }
    }
    if !kind.namespaced {
        lifecycle::metadata_mut(&mut raw).shift_remove("namespace");
    }
    let decoded = kinds::decode(kind, raw).map_err(|error| {
        let causes = vec![cause("FieldValueTypeInvalid", &error.path, &error.message)];
        said(&error.to_string())
            .about(kind, call.name())
            .with_causes(causes)
    })?;
    let unknown: Vec<String> = decoded
        .unknown
        .iter()
        .map(|path| format!("unknown field {path:?}"))
        .collect();
    let mut warnings = Vec::new();
    match call.options.field_validation {
        FieldValidation::Strict if !unknown.is_empty() => {
            let causes = decoded
                .unknown
                .iter()
                .map(|p| cause("FieldValueUnknown", p, "unknown field"));
            let causes = causes.collect();
            let what = format!("strict decoding error: {}", unknown.join(", "));
            return Err(said(&what).about(kind, call.name()).with_causes(causes));
        }
        FieldValidation::Warn => warnings = unknown,
        FieldValidation::Strict | FieldValidation::Ignore => {}
    }
    let mut object = decoded.object;
    if kind.plural == "secrets" {
        validation::secret::fold_string_data(&mut object);
    }
    Ok(Written { object, warnings })
}

/// Judges an object that is about to be written.
pub(super) fn judge(call: &Call, old: Option<&Value>, new: &mut Written) -> Result<(), ApiError> {
    let kind = call.target.kind;
    let findings = validation::check(kind, old, &new.object, call.state.definitions());
    if !findings.causes.is_empty() {
        let name = new.object["metadata"]["name"]
            .as_str()
            .unwrap_or_else(|| call.name());
        return Err(ApiError::invalid(kind, name, findings.causes));
    }
    new.warnings.extend(findings.warnings);
    Ok(())
}

/// Notes who changed what.
pub(super) fn note(call: &Call, old: Option<&Value>, new: &mut Value) {
    let time = timestamp(call.state.objects().clock().now());
    let version = call.target.kind.api_version();
    let writer = Writer {
        manager: call.manager(),
        api_version: &version,
        time: &time,
    };
    apply::note_update(old, new, writer);
}

/// Makes an object.
pub(super) async fn create(call: &Call, mut new: Written) -> Result<Written, ApiError> {
    let kind = call.target.kind;
    if let Some(instead) = validation::made_by_platform(kind) {
        return Err(ApiError::forbidden(instead).about(kind, call.name()));
    }
    if kind.plural == "workflowruns" {
        set_base(&mut new.object, None);
    }
    judge(call, None, &mut new)?;
    let objects = call.state.objects();
    if call.options.dry_run {
        if kind.namespaced {
            objects.living_namespace(call.target.namespace()).await?;
        }
        let name = new.object["metadata"]["name"].as_str().unwrap_or("");
        if !name.is_empty()
            && objects
                .get_raw(kind, call.target.namespace(), name)
                .await?
                .is_some()
        {
            let name = name.to_owned();
            let exists = crate::objects::ObjectError::AlreadyExists {
                kind: kind.plural,
                name,
            };
            return Err(exists.into());
        }
        lifecycle::begin(
            kind,
            &mut new.object,
            lifecycle::new_uid(),
            objects.clock().now(),
        );
        return Ok(new);
    }
    let object = objects
        .create_raw(kind, new.object, Durability::Durable, true)
        .await?;
    Ok(Written {
        object,
        warnings: new.warnings,
    })
}

/// Changes an object: `build` makes the new one from the old one. Again when somebody else was
/// faster, unless the caller named the version that he wants to change. With `applied` the managers
/// are noted already.
pub(super) async fn replace(
    call: &Call,
    applied: bool,
    mut build: impl FnMut(&Value) -> Result<Value, ApiError>,
) -> Result<Written, ApiError> {
    let kind = call.target.kind;
    let objects = call.state.objects();
    for attempt in 1.. {
        let old = objects
            .get_raw(kind, call.target.namespace(), call.name())
            .await?;
        let old = old.ok_or_else(|| ApiError::not_found(kind, call.name()))?;
        let raw = build(&old)?;
        let version = lifecycle::meta_text(&old, "resourceVersion");
        let named = lifecycle::meta_text(&raw, "resourceVersion");
        if !named.is_empty() && named != version {
            return Err(crate::objects::ObjectError::changed(kind, call.name()).into());
        }
        let mut new = fit(call, raw)?;
        keep(call, &old, &mut new.object);
        judge(call, Some(&old), &mut new)?;
        if !applied {
            note(call, Some(&old), &mut new.object);
        }
        lifecycle::metadata_mut(&mut new.object)
            .insert("resourceVersion".to_owned(), version.into());
        if call.options.dry_run {
            let version = version.to_owned();
            lifecycle::succeed(&old, &mut new.object).map_err(|why| {
                ApiError::from(crate::objects::ObjectError::conflict(
                    kind,
                    call.name(),
                    why,
                ))
            })?;
            lifecycle::metadata_mut(&mut new.object)
                .insert("resourceVersion".to_owned(), version.into());
            return Ok(new);
        }
        match objects
            .update_raw(kind, new.object, Durability::Durable)
            .await
        {
            Ok(object) => {
                return Ok(Written {
                    object,
                    warnings: new.warnings,
                });
            }
            Err(error) if error.is_conflict() && attempt < ATTEMPTS => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(crate::objects::ObjectError::changed(kind, call.name()).into())
}

/// Keeps what this request may not write: the status, or everything but the status.
fn keep(call: &Call, old: &Value, new: &mut Value) {
    let kind = call.target.kind;
    if call.target.part.as_deref() == Some("status") {
        let status = new["status"].take();
        *new = old.clone();
        new["status"] = status;
    } else if kind.has_status {
        new["status"] = old["status"].clone();
    }
    if kind.plural == "namespaces" {
        new["spec"] = old["spec"].clone();
    }
    if kind.plural == "workflowruns" {
        set_base(new, Some(old));
    }
}

/// What a run takes of its workflow or state machine is the platform's: what it said when the run began.
fn set_base(run: &mut Value, old: Option<&Value>) {
    let Some(Value::Object(spec)) = run.get_mut("spec") else {
        return;
    };
    for field in ["definition", "mapRunArn", "roleArn", "startedBy", "type"] {
        match old.and_then(|old| old["spec"].get(field)) {
            Some(value) => spec.insert(field.to_owned(), value.clone()),
            None => spec.shift_remove(field),
        };
    }
}
