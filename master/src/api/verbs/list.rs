use actix_web::HttpResponse;
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::{Call, reply};
use crate::api::ApiError;
use crate::api::cache::Cached;
use crate::api::selectors::Selector;
use crate::objects::{ListRequest, prefix};
use crate::store::Revision;

/// Objects read at once while a selector looks for its own.
const CHUNK: usize = 500;

pub(super) async fn answer(call: &Call) -> Result<HttpResponse, ApiError> {
    let selector = Selector::parse(call.target.kind, &call.options)?;
    // "0" asks for whatever is at hand.
    if call.options.resource_version == "0" && call.options.continue_from.is_empty() {
        let (objects, revision) = from_cache(call, &selector).await?;
        return Ok(reply::list(call, &objects, metadata(revision, None)));
    }
    let (objects, revision, next) = from_store(call, &selector).await?;
    Ok(reply::list(call, &objects, metadata(revision, next)))
}

fn metadata(revision: Revision, next: Option<String>) -> Value {
    let mut metadata = json!({ "resourceVersion": revision.to_string() });
    if let Some(next) = next {
        metadata["continue"] = next.into();
    }
    metadata
}

/// What the cache holds, parsed; and the revision it shows.
async fn from_cache(call: &Call, selector: &Selector) -> Result<(Vec<Value>, Revision), ApiError> {
    let cache = call
        .state
        .caches()
        .of(call.target.kind)
        .ok_or_else(|| ApiError::no_such_path(call.target.kind.plural))?;
    cache.filled().await;
    let prefix = prefix(call.target.kind, call.target.namespace.as_deref());
    let (cached, revision) = cache.read(|ring| ring.objects(&prefix));
    let objects = cached
        .iter()
        .filter_map(|(_, cached)| Cached::parse(cached));
    Ok((
        objects.filter(|object| selector.matches(object)).collect(),
        revision,
    ))
}

/// Objects of the store. A long list comes in pieces: each is consistent in itself, and the whole
/// carries the revision of the first, from which a watch repeats what changed since.
pub(super) async fn from_store(
    call: &Call,
    selector: &Selector,
) -> Result<(Vec<Value>, Revision, Option<String>), ApiError> {
    let objects = call.state.objects();
    let kind = call.target.kind;
    if let (Some(name), Some(namespace)) = (selector.name(), scope(call)) {
        let revision = objects
            .store()
            .revision()
            .await
            .map_err(crate::objects::ObjectError::from)?;
        let found = objects.get_raw(kind, namespace, name).await?;
        let found: Vec<Value> = found.into_iter().filter(|o| selector.matches(o)).collect();
        return Ok((found, revision, None));
    }
    let limit = call.options.limit;
    let (mut first, mut after) = match call.options.continue_from.as_str() {
        "" => (None, None),
        token => {
            let (revision, after) = read_token(token).ok_or_else(|| {
                ApiError::bad_request("query parameter continue: it is not one of this server's")
            })?;
            (Some(revision), Some(after))
        }
    };
    let mut taken = Vec::new();
    loop {
        let chunk = match (limit, selector.is_empty()) {
            (0, true) => 0,
            (limit, true) => limit - taken.len(),
            (_, false) => CHUNK,
        };
        let request = ListRequest {
            namespace: call.target.namespace.as_deref(),
            after: after.as_deref(),
            limit: chunk,
        };
        let listed = objects.list_raw(kind, request).await?;
        let revision = *first.get_or_insert(listed.revision);
        let mut items = listed.items.into_iter();
        for (key, object) in items.by_ref() {
            after = Some(key);
            if selector.matches(&object) {
                taken.push(object);
            }
            if limit > 0 && taken.len() == limit {
                break;
            }
        }
        let more = listed.more || items.len() > 0;
        if !more {
            return Ok((taken, revision, None));
        }
        if limit > 0 && taken.len() == limit {
            let next = after.map(|after| write_token(revision, &after));
            return Ok((taken, revision, next));
        }
    }
}

/// The one namespace a list is about; kinds outside namespaces have the empty one.
fn scope(call: &Call) -> Option<&str> {
    if call.target.kind.namespaced {
        call.target.namespace.as_deref()
    } else {
        Some("")
    }
}

fn write_token(revision: Revision, after: &str) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(format!("{revision} {after}"))
}

fn read_token(token: &str) -> Option<(Revision, String)> {
    let text = String::from_utf8(BASE64_URL_SAFE_NO_PAD.decode(token).ok()?).ok()?;
    let (revision, after) = text.split_once(' ')?;
    Some((revision.parse().ok()?, after.to_owned()))
}
