//! The HTTP face for calls and runs; the hot path.
//!
//! `/function/…` finds the route, waits for a slot, forwards and answers; no actor is asked on the way
//! when a pod has room. `/workflow/…` and `/state_machine/…` start a run and wait for its end. The same
//! handlers serve the gateway's own port and, behind authentication, the API's. With
//! `Prefer: respond-async` a call is stored and answered at once; `/invocations/…` says what came of it.

mod access;
mod answer;
mod body;
mod departure;
mod function;
mod heartbeat;
mod invocation;
mod path;
mod prefer;
mod run;
mod state;

pub use access::{Access, Doorkeeper, check_local};
pub use body::BodyRoom;
pub(crate) use departure::departure;
pub use departure::{Connection, note_connection};
pub use state::{Gateway, Limits};

use actix_web::web;

/// The gateway's routes.
pub fn configure(config: &mut web::ServiceConfig) {
    config
        // Not as a pattern: that would be matched as a regular expression for each call.
        .service(web::scope("/function").default_service(web::route().to(function::call)))
        .route("/workflow/{path:.*}", web::route().to(run::workflow))
        .route(
            "/state_machine/{path:.*}",
            web::route().to(run::state_machine),
        )
        .route("/invocations", web::get().to(invocation::list))
        .route("/invocations/{id}", web::get().to(invocation::read))
        .route(
            "/invocations/{id}/redrive",
            web::post().to(invocation::redrive),
        )
        .route("/runs/{namespace}/{name}", web::get().to(run::read));
}
