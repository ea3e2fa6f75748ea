use std::sync::Arc;
use std::time::Duration;

use actix_web::test::{TestRequest, call_service, init_service, read_body_json};
use actix_web::{App, web::Data};
use async_trait::async_trait;
use serde_json::Value;

use super::*;
use crate::calls::{Calls, Directory, PodHealth};
use crate::clock::{Clock, SystemClock};
use crate::gateway::{BodyRoom, Limits, configure};
use crate::invocations::{Bounds, Ledger, Policy};
use crate::objects::Objects;
use crate::router::{DemandSink, Route, RouteSettings, Routes};
use crate::store::{EmbeddedStore, Store, Tenure};
use crate::supervisor::AskError;
use crate::workflows::RunWaiters;

/// Knows one function, `default/f`.
struct OneFunction;

impl DemandSink for OneFunction {
    fn demand(&self, _: &ObjectKey) -> bool {
        true
    }
}

impl PodHealth for OneFunction {
    fn stuck(&self, _: &ObjectKey, _: &str) {}
    fn unreachable(&self, _: &ObjectKey, _: &str) {}
}

#[async_trait]
impl Directory for OneFunction {
    async fn find(&self, function: &ObjectKey) -> Result<Option<Arc<Route>>, AskError> {
        let second = Duration::from_secs(1);
        let settings = RouteSettings {
            timeout: second,
            hold: second,
            queue_limit: 1,
            open: false,
            retry: None,
        };
        let route = || Route::new(function.clone(), settings, Arc::new(Self));
        Ok((*function == ObjectKey::new("default", "f")).then(route))
    }
}

fn gateway(directory: &std::path::Path, doorkeeper: Doorkeeper) -> Data<Gateway> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
    let store = EmbeddedStore::open(&directory.join("s"), Arc::clone(&clock)).unwrap();
    let store: Arc<dyn Store> = Arc::new(store);
    let ledger = Ledger::new(Arc::clone(&store), Arc::clone(&clock));
    let bounds = Bounds {
        count: 2,
        bytes: 1 << 20,
        ..Bounds::default()
    };
    let one = Arc::new(OneFunction);
    Data::new(Gateway {
        calls: Calls::new(
            Routes::default(),
            Arc::clone(&one) as _,
            one,
            Tenure::unlimited(),
        ),
        objects: Objects::new(store, clock),
        waiters: RunWaiters::default(),
        invocations: ledger.with(bounds, Policy::default()),
        doorkeeper,
        limits: Limits::default(),
        bodies: BodyRoom::new(1 << 20),
    })
}

fn call(name: &str, key: &str) -> TestRequest {
    TestRequest::post()
        .uri(&format!("/function/{name}"))
        .insert_header(("Prefer", "wait=5, respond-async"))
        .insert_header(("Idempotency-Key", key.to_owned()))
        .set_payload("{}")
}

#[actix_web::test]
async fn a_call_is_stored_before_it_is_answered() {
    let directory = tempfile::tempdir().unwrap();
    let gateway = gateway(directory.path(), Doorkeeper::Nobody);
    let app = init_service(App::new().app_data(gateway).configure(configure)).await;
    let answer = call_service(&app, call("f", "a").to_request()).await;
    assert_eq!(answer.status(), 202);
    let header = |name| {
        answer
            .headers()
            .get(name)
            .unwrap()
            .to_str()
            .unwrap()
            .to_owned()
    };
    let (location, id) = (header("location"), header("x-invocation-id"));
    assert_eq!(location, format!("/invocations/{id}"));
    let body: Value = read_body_json(answer).await;
    assert_eq!(body, json!({ "id": id, "state": "Pending" }));
    let again = call_service(&app, call("f", "a").to_request()).await;
    assert_eq!(
        again
            .headers()
            .get("x-invocation-id")
            .unwrap()
            .to_str()
            .unwrap(),
        id
    );

    let seen = call_service(&app, TestRequest::get().uri(&location).to_request()).await;
    let seen: Value = read_body_json(seen).await;
    assert_eq!(
        (&seen["function"], &seen["attempts"]),
        (&json!("default/f"), &json!(0))
    );
    let redrive = TestRequest::post()
        .uri(&format!("{location}/redrive"))
        .to_request();
    assert_eq!(call_service(&app, redrive).await.status(), 409);

    assert_eq!(
        call_service(&app, call("f", "b").to_request())
            .await
            .status(),
        202
    );
    let full = call_service(&app, call("f", "c").to_request()).await;
    assert_eq!(full.status(), 429);
    assert!(full.headers().contains_key("retry-after"));
    let missing = call_service(&app, call("nobody", "d").to_request()).await;
    assert_eq!(missing.status(), 404);
}

#[actix_web::test]
async fn strangers_read_nothing_and_the_list_is_for_administrators() {
    for (doorkeeper, read, list) in [
        (Doorkeeper::Nobody, 404, 403),
        (Doorkeeper::Token, 401, 403),
        (Doorkeeper::Certificate, 401, 401),
    ] {
        let directory = tempfile::tempdir().unwrap();
        let gateway = gateway(directory.path(), doorkeeper);
        let app = init_service(App::new().app_data(gateway).configure(configure)).await;
        let get = |uri: &str| TestRequest::get().uri(uri).to_request();
        let unknown = format!("/invocations/{}", Id(1));
        assert_eq!(
            call_service(&app, get(&unknown)).await.status(),
            read,
            "{doorkeeper:?}"
        );
        let all = get("/invocations?state=Failed");
        assert_eq!(
            call_service(&app, all).await.status(),
            list,
            "{doorkeeper:?}"
        );
    }
}
