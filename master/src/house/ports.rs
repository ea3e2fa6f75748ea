//! The ports: the API (TLS), the gateway and, for development, the Step Functions API on loopback.

use std::any::Any;
use std::sync::Arc;

use actix_web::dev::{Extensions, Server};
use actix_web::web::{self, Data};
use actix_web::{App, HttpServer};
use common::trust::{Authority, ClientAuth, server_config};
use jiff::Timestamp;
use rustls::ServerConfig;

use super::doors::{Door as Port, Doors};
use super::tree::{self, Tree};
use super::{Ground, HouseError};
use crate::api::{self, ApiState, Role};
use crate::blobs::{self, BlobService};
use crate::gateway::{self, BodyRoom, Doorkeeper, Gateway, Limits};
use crate::images::{self, ImageService};
use crate::join::{self, Joining};
use crate::metrics::{self, Scraping};
use crate::nodes::AgentLogs;
use crate::settings::Settings;
use crate::step_functions::{self, AccessKeys, Door, StepFunctions};
use crate::users::{self, Users};
use crate::workflows::AslDefinitions;

/// Seconds that open requests get when the master ends.
pub(super) const SHUTDOWN_SECONDS: u64 = 5;
/// Threads that serve the API.
pub(super) const API_WORKERS: usize = 2;
/// Largest JSON body of the small paths beside the API's, in bytes.
const SMALL_BODY: usize = 64 << 10;

/// Starts to serve all ports.
pub(super) async fn open(ground: &Ground, tree: &Tree) -> Result<Vec<Server>, HouseError> {
    let settings = &ground.settings;
    let logs = Arc::new(AgentLogs::new(
        ground.objects.clone(),
        tree.book.clone(),
        tree.build_logs.clone(),
    ));
    let (objects, caches) = (ground.objects.clone(), Arc::clone(&ground.caches));
    let state = ApiState::start(objects, caches, logs, Arc::new(AslDefinitions)).await?;
    let state = Data::new(state);
    let limits = Limits {
        body_bytes: usize::try_from(settings.gateway.max_body.0).unwrap_or(usize::MAX),
        ..Limits::default()
    };
    let bodies = BodyRoom::new(settings.gateway.max_bodies.0);
    let gateway_for = |doorkeeper| {
        Data::new(Gateway {
            calls: tree.calls.clone(),
            objects: ground.objects.clone(),
            waiters: tree.waiters.clone(),
            invocations: tree.invocations.clone(),
            doorkeeper,
            limits,
            bodies: bodies.clone(),
        })
    };
    let doors = &ground.doors;
    let api_server = serve_api(ground, tree, &state, gateway_for(Doorkeeper::Certificate))?;
    let doorkeeper = if doors.gateway.address.ip().is_loopback() {
        Doorkeeper::Nobody
    } else {
        Doorkeeper::Token
    };
    let gateway = gateway_for(doorkeeper);
    let door = &doors.gateway;
    let gateway_server = HttpServer::new(move || {
        App::new()
            .app_data(gateway.clone())
            .app_data(state.clone())
            .configure(gateway::configure)
    })
    .on_connect(gateway::note_connection)
    .workers(gateway_workers(settings))
    .shutdown_timeout(SHUTDOWN_SECONDS)
    .listen(door.listener()?)
    .map_err(|error| door.fail(error))?
    .run();
    let mut servers = vec![api_server, gateway_server];
    if let Some(door) = &doors.step_functions {
        servers.push(serve_step_functions(ground, tree, door)?);
    }
    Ok(servers)
}

/// Threads that serve the gateway: half of the cores where the settings do not say. The other half is for the pods
/// beside it, and calls that wait for the same pod are handed on without waking another thread.
pub(super) fn gateway_workers(settings: &Settings) -> usize {
    match settings.gateway.workers {
        0 => std::thread::available_parallelism().map_or(1, |cores| cores.get().div_ceil(2)),
        workers => workers,
    }
}

fn step_functions_service(ground: &Ground, tree: &Tree, door: Door) -> Data<StepFunctions> {
    Data::new(StepFunctions {
        objects: ground.objects.clone(),
        waiters: tree.waiters.clone(),
        task_queue: tree.task_queue.clone(),
        tools: Arc::clone(&tree.workflow_tools),
        realm: tree::realm(&ground.settings),
        door,
        keys: AccessKeys::default(),
    })
}

fn serve_step_functions(ground: &Ground, tree: &Tree, door: &Port) -> Result<Server, HouseError> {
    let service = step_functions_service(ground, tree, Door::Open);
    let server = HttpServer::new(move || {
        App::new()
            .app_data(service.clone())
            .configure(step_functions::configure)
    })
    .workers(API_WORKERS)
    .shutdown_timeout(SHUTDOWN_SECONDS)
    .listen(door.listener()?)
    .map_err(|error| door.fail(error))?
    .run();
    Ok(server)
}

fn serve_api(
    ground: &Ground,
    tree: &Tree,
    state: &Data<ApiState>,
    gateway: Data<Gateway>,
) -> Result<Server, HouseError> {
    let settings = &ground.settings;
    let door = &ground.doors.api;
    let tls = api_tls(
        settings,
        &ground.doors,
        &ground.authority,
        ground.clock.now(),
    )?;
    let state = state.clone();
    let joining = Data::new(Joining {
        taken: Doors::without_own(api_names(settings, &ground.doors)?),
        authority: Arc::clone(&ground.authority),
        objects: ground.objects.clone(),
        nodes: tree.nodes.clone(),
    });
    let blob_service = Data::new(BlobService {
        blobs: ground.blobs.clone(),
        grants: tree.grants.clone(),
        max_upload: settings.builds.max_upload.0,
        max_layer: settings.builds.max_layer.0,
    });
    let step_functions = step_functions_service(ground, tree, Door::Guarded);
    let users = Data::new(Users {
        authority: Arc::clone(&ground.authority),
        objects: ground.objects.clone(),
    });
    let scraping = Data::new(Scraping {
        metrics: Arc::clone(&tree.metrics),
        book: tree.book.clone(),
    });
    let image_service = Data::new(ImageService {
        images: Arc::clone(&ground.images),
        grants: tree.grants.clone(),
    });
    let role = Data::new(Role::Leader);
    let server = HttpServer::new(move || {
        App::new()
            .app_data(state.clone())
            .app_data(role.clone())
            .app_data(gateway.clone())
            .app_data(joining.clone())
            .app_data(users.clone())
            .app_data(blob_service.clone())
            .app_data(step_functions.clone())
            .app_data(scraping.clone())
            .app_data(image_service.clone())
            .app_data(web::JsonConfig::default().limit(SMALL_BODY))
            // Before the API, whose paths take all that is beneath /api.
            .configure(metrics::configure)
            .configure(api::configure)
            .configure(join::configure)
            .configure(users::configure)
            .configure(blobs::configure)
            .configure(images::configure_v2)
            .configure(gateway::configure)
            .configure(step_functions::configure)
    })
    .on_connect(on_api_connection)
    .workers(API_WORKERS)
    .shutdown_timeout(SHUTDOWN_SECONDS)
    .listen_rustls_0_23(door.listener()?, tls)
    .map_err(|error| door.fail(error))?
    .run();
    Ok(server)
}

pub(super) fn on_api_connection(io: &dyn Any, data: &mut Extensions) {
    api::on_connect(io, data);
    gateway::note_connection(io, data);
}

/// The names and addresses under which this master's API is found.
fn api_names(settings: &Settings, doors: &Doors) -> Result<Vec<String>, HouseError> {
    let advertised = settings.etcd()?;
    let advertised = advertised.map(|etcd| doors.advertised(settings, &etcd.members).0);
    Ok(doors.names(settings, advertised.as_deref()))
}

/// TLS of the API's port.
pub(super) fn api_tls(
    settings: &Settings,
    doors: &Doors,
    authority: &Authority,
    now: Timestamp,
) -> Result<ServerConfig, HouseError> {
    let identity = authority.issue_server(&api_names(settings, doors)?, now)?;
    Ok(server_config(
        &identity,
        authority.ca_pem(),
        ClientAuth::Optional,
    )?)
}
