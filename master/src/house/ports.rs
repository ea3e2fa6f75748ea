//! The ports: the API (TLS), the gateway and, for development, the Step Functions API on loopback.

use std::any::Any;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs as _};
use std::sync::Arc;

use actix_web::dev::{Extensions, Server};
use actix_web::web::{self, Data};
use actix_web::{App, HttpServer};
use common::trust::{ClientAuth, server_config};

use super::tree::{self, Tree};
use super::{Ground, HouseError};
use crate::api::{self, ApiState};
use crate::gateway::{self, Doorkeeper, Gateway, Limits};
use crate::images::{self, BlobService, ImageService};
use crate::join::{self, Joining};
use crate::metrics::{self, Scraping};
use crate::nodes::AgentLogs;
use crate::step_functions::{self, AccessKeys, Door, StepFunctions};
use crate::users::{self, Users};
use crate::workflows::AslDefinitions;

/// Seconds that open requests get when the master ends.
const SHUTDOWN_SECONDS: u64 = 5;
/// Threads that serve the API.
const API_WORKERS: usize = 2;
/// Largest JSON body of the small paths beside the API's, in bytes.
const SMALL_BODY: usize = 64 << 10;

/// The ports, bound.
pub(super) struct Ports {
    api: SocketAddr,
    gateway: SocketAddr,
    step_functions: Option<SocketAddr>,
    servers: Vec<Server>,
}

impl Ports {
    /// Where the API is.
    pub(super) fn api_url(&self) -> String {
        format!("https://{}", reachable(self.api))
    }

    /// Where the gateway is.
    pub(super) fn gateway_url(&self) -> String {
        format!("http://{}", reachable(self.gateway))
    }

    /// Where the Step Functions API for development is, if it is on.
    pub(super) fn step_functions_url(&self) -> Option<String> {
        self.step_functions
            .map(|address| format!("http://{address}"))
    }

    /// Serves until the process is told to end.
    pub(super) async fn serve(self) -> std::io::Result<()> {
        futures_util::future::try_join_all(self.servers).await?;
        Ok(())
    }
}

/// An address a client on this machine can dial.
fn reachable(address: SocketAddr) -> SocketAddr {
    let mut address = address;
    if address.ip().is_unspecified() {
        address.set_ip(std::net::Ipv4Addr::LOCALHOST.into());
    }
    address
}

fn listen(flag: &'static str, address: &str) -> Result<(TcpListener, SocketAddr), HouseError> {
    let fail = |source| HouseError::Listen {
        flag,
        address: address.to_owned(),
        source,
    };
    let listener = TcpListener::bind(address).map_err(fail)?;
    let bound = listener.local_addr().map_err(fail)?;
    Ok((listener, bound))
}

/// Binds both ports and starts to serve.
pub(super) async fn open(ground: &Ground, tree: &Tree) -> Result<Ports, HouseError> {
    let settings = &ground.settings;
    let logs = Arc::new(AgentLogs::new(
        ground.objects.clone(),
        tree.book.clone(),
        tree.build_logs.clone(),
    ));
    let state = ApiState::start(ground.objects.clone(), logs, Arc::new(AslDefinitions)).await?;
    let state = Data::new(state);
    let limits = Limits {
        body_bytes: usize::try_from(settings.gateway.max_body.0).unwrap_or(usize::MAX),
        ..Limits::default()
    };
    let gateway_for = |doorkeeper| {
        Data::new(Gateway {
            calls: tree.calls.clone(),
            objects: ground.objects.clone(),
            waiters: tree.waiters.clone(),
            invocations: tree.invocations.clone(),
            doorkeeper,
            limits,
        })
    };
    let (api_listener, api) = listen("api-listen", &settings.api_listen)?;
    let (gateway_listener, gateway_address) = listen("gateway-listen", &settings.gateway_listen)?;
    let api_server = serve_api(
        ground,
        tree,
        &state,
        gateway_for(Doorkeeper::Certificate),
        api_listener,
        api,
    )?;
    let doorkeeper = if gateway_address.ip().is_loopback() {
        Doorkeeper::Nobody
    } else {
        Doorkeeper::Token
    };
    let workers = match settings.gateway.workers {
        0 => std::thread::available_parallelism().map_or(2, usize::from),
        workers => workers,
    };
    let gateway = gateway_for(doorkeeper);
    let fail = |source| HouseError::Listen {
        flag: "gateway-listen",
        address: settings.gateway_listen.clone(),
        source,
    };
    let gateway_server = HttpServer::new(move || {
        App::new()
            .app_data(gateway.clone())
            .app_data(state.clone())
            .configure(gateway::configure)
    })
    .on_connect(gateway::note_connection)
    .workers(workers)
    .shutdown_timeout(SHUTDOWN_SECONDS)
    .listen(gateway_listener)
    .map_err(fail)?
    .run();
    let mut servers = vec![api_server, gateway_server];
    let mut step_functions = None;
    if !settings.sfn_listen.is_empty() {
        let (server, address) = serve_step_functions(ground, tree)?;
        servers.push(server);
        step_functions = Some(address);
    }
    Ok(Ports {
        api,
        gateway: gateway_address,
        step_functions,
        servers,
    })
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

fn serve_step_functions(ground: &Ground, tree: &Tree) -> Result<(Server, SocketAddr), HouseError> {
    let address = &ground.settings.sfn_listen;
    let (listener, bound) = listen("sfn-listen", address)?;
    let service = step_functions_service(ground, tree, Door::Open);
    let fail = |source| HouseError::Listen {
        flag: "sfn-listen",
        address: address.clone(),
        source,
    };
    let server = HttpServer::new(move || {
        App::new()
            .app_data(service.clone())
            .configure(step_functions::configure)
    })
    .workers(API_WORKERS)
    .shutdown_timeout(SHUTDOWN_SECONDS)
    .listen(listener)
    .map_err(fail)?
    .run();
    Ok((server, bound))
}

fn serve_api(
    ground: &Ground,
    tree: &Tree,
    state: &Data<ApiState>,
    gateway: Data<Gateway>,
    listener: TcpListener,
    address: SocketAddr,
) -> Result<Server, HouseError> {
    let settings = &ground.settings;
    let names = server_names(settings, address);
    let identity = ground.authority.issue_server(&names, ground.clock.now())?;
    let tls = server_config(&identity, ground.authority.ca_pem(), ClientAuth::Optional)?;
    let state = state.clone();
    let joining = Data::new(Joining {
        authority: Arc::clone(&ground.authority),
        objects: ground.objects.clone(),
        nodes: tree.nodes.clone(),
    });
    let blobs = Data::new(BlobService {
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
    let fail = |source| HouseError::Listen {
        flag: "api-listen",
        address: settings.api_listen.clone(),
        source,
    };
    let server = HttpServer::new(move || {
        App::new()
            .app_data(state.clone())
            .app_data(gateway.clone())
            .app_data(joining.clone())
            .app_data(users.clone())
            .app_data(blobs.clone())
            .app_data(step_functions.clone())
            .app_data(scraping.clone())
            .app_data(image_service.clone())
            .app_data(web::JsonConfig::default().limit(SMALL_BODY))
            // Before the API, whose paths take all that is beneath /api.
            .configure(metrics::configure)
            .configure(api::configure)
            .configure(join::configure)
            .configure(users::configure)
            .configure(images::configure)
            .configure(images::configure_v2)
            .configure(gateway::configure)
            .configure(step_functions::configure)
    })
    .on_connect(on_api_connection)
    .workers(API_WORKERS)
    .shutdown_timeout(SHUTDOWN_SECONDS)
    .listen_rustls_0_23(listener, tls)
    .map_err(fail)?
    .run();
    Ok(server)
}

fn on_api_connection(io: &dyn Any, data: &mut Extensions) {
    api::on_connect(io, data);
    gateway::note_connection(io, data);
}

/// The names and addresses the API's certificate is good for.
fn server_names(settings: &crate::settings::Settings, address: SocketAddr) -> Vec<String> {
    let mut names = vec![
        "localhost".to_owned(),
        "127.0.0.1".to_owned(),
        "::1".to_owned(),
    ];
    if !address.ip().is_unspecified() {
        names.push(address.ip().to_string());
    }
    let hostname = nix::unistd::gethostname()
        .ok()
        .and_then(|name| name.into_string().ok());
    if let Some(hostname) = hostname.filter(|name| !name.is_empty()) {
        if let Ok(addresses) = (hostname.as_str(), 0).to_socket_addrs() {
            names.extend(addresses.map(|address| address.ip().to_string()));
        }
        names.push(hostname);
    }
    names.extend(settings.api_names.iter().cloned());
    names.sort();
    names.dedup();
    names
}
