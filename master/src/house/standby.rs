//! A master while another one leads.

use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::{Server, ServerHandle};
use actix_web::web::Data;
use actix_web::{App, HttpServer};
use common::metrics::Metrics;
use common::trust::Authority;
use rustls::ClientConfig;
use tokio::sync::watch;

use super::doors::{Door, Doors};
use super::{Admin, HouseError, authority, keyring, ports, store, tree};
use crate::api::auth::Entrance;
use crate::api::{self, ApiState, Caches, NoLogs, Role};
use crate::clock::Clock;
use crate::gateway;
use crate::metrics::{self, Scraping};
use crate::nodes::NodeBook;
use crate::objects::Objects;
use crate::relay::{self, Relay};
use crate::seal::Keyring;
use crate::settings::Settings;
use crate::store::etcd::Target;
use crate::store::lead::{Lead, Leader, Leaders};
use crate::store::{Reader, Store};
use crate::workflows::AslDefinitions;

/// How often it is looked whether the first leader of a cluster has written its authority.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// Seconds that requests which were handed on get when this master takes the lead.
const LEAVE_SECONDS: u64 = 30;

/// Takes the lead as soon as nobody has it, and keeps it. Until then the master stands by: it serves reads and hands
/// everything else to whoever leads. The caches that it served watches from go on, so that a watch goes on by this master
/// from where it was.
pub(super) async fn lead(
    settings: &Settings,
    doors: &Doors,
    etcd: &Target,
    store: &Arc<dyn Store>,
    clock: &Arc<dyn Clock>,
) -> Result<(Arc<Lead>, Option<Arc<Caches>>), HouseError> {
    let (host, port) = doors.advertised(settings, &etcd.members);
    let me = Leader {
        id: who(),
        url: if host.contains(':') {
            format!("https://[{host}]:{port}")
        } else {
            format!("https://{host}:{port}")
        },
    };
    let (lead, caches) = match Lead::try_take(store, &me, clock).await? {
        Some(lead) => (lead, None),
        None => wait(settings, doors, store, clock, &me).await?,
    };
    let lead = Arc::new(lead);
    let kept = Arc::clone(&lead);
    actix_web::rt::spawn(async move { kept.keep().await });
    Ok((lead, caches))
}

/// What others are told of this master; nobody else says the same.
fn who() -> String {
    let host = nix::unistd::gethostname().unwrap_or_default();
    let (host, process) = (host.to_string_lossy(), std::process::id());
    format!("{host}, process {process}, {:08x}", rand::random::<u32>())
}

async fn wait(
    settings: &Settings,
    doors: &Doors,
    store: &Arc<dyn Store>,
    clock: &Arc<dyn Clock>,
    me: &Leader,
) -> Result<(Lead, Option<Arc<Caches>>), HouseError> {
    let leaders = Leaders::default();
    let mut taking = Box::pin(Lead::take(Arc::clone(store), me, clock, &leaders));
    let found = tokio::select! {
        lead = &mut taking => return Ok((lead, None)),
        found = find(settings, store, clock) => found?,
    };
    let (authority, keys) = found;
    let store = store::sealed(Arc::new(Reader::new(Arc::clone(store))), keys);
    let objects = Objects::new(store, Arc::clone(clock));
    let shared = Shared {
        me: Arc::new(me.clone()),
        tls: tree::master_tls(&authority, clock.now(), b"http/1.1")?,
        leaders: leaders.subscribe(),
    };
    let caches = Arc::new(Caches::start(&objects));
    let state = ApiState::reader(
        objects,
        Arc::clone(&caches),
        Arc::new(NoLogs),
        Arc::new(AslDefinitions),
    );
    let standing = Standing::begin(settings, doors, &authority, state, &shared)?;
    let lead = taking.await;
    // Whoever comes now waits for the leader that this master becomes.
    standing.end();
    Ok((lead, Some(caches)))
}

/// What the first leader of a cluster makes.
async fn find(
    settings: &Settings,
    store: &Arc<dyn Store>,
    clock: &Arc<dyn Clock>,
) -> Result<(Authority, Keyring), HouseError> {
    loop {
        if let Some(authority) = authority::find(settings, &**store, clock.now()).await?
            && let Some(keys) = keyring::find(settings, &**store).await?
        {
            return Ok((authority, keys));
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// The ports of a master that stands by.
struct Standing(Vec<ServerHandle>);

/// What the ports share.
#[derive(Clone)]
struct Shared {
    me: Arc<Leader>,
    tls: Arc<ClientConfig>,
    leaders: watch::Receiver<Option<Leader>>,
}

impl Shared {
    fn relay(&self, entrance: Entrance) -> Data<Relay> {
        let (me, tls) = (Arc::clone(&self.me), Arc::clone(&self.tls));
        Data::new(Relay::new(entrance, me, self.leaders.clone(), tls))
    }
}

impl Standing {
    fn begin(
        settings: &Settings,
        doors: &Doors,
        authority: &Authority,
        state: ApiState,
        shared: &Shared,
    ) -> Result<Self, HouseError> {
        let now = state.objects().clock().now();
        let entrance = if doors.gateway.address.ip().is_loopback() {
            Entrance::LocalGateway
        } else {
            Entrance::Gateway
        };
        let workers = ports::gateway_workers(settings);
        let mut servers = vec![
            serve_api(settings, doors, authority, state, shared)?,
            serve_plain(&doors.gateway, entrance, workers, shared)?,
        ];
        if let Some(door) = &doors.step_functions {
            let entrance = Entrance::StepFunctions;
            servers.push(serve_plain(door, entrance, ports::API_WORKERS, shared)?);
        }
        let handles = servers.iter().map(Server::handle).collect();
        servers.into_iter().for_each(|server| {
            actix_web::rt::spawn(server);
        });
        let admin = Admin::issue(authority, &doors.api_url(), now)?;
        admin.write(&settings.data_dir)?;
        tracing::info!(
            version = env!("CARGO_PKG_VERSION"),
            api = doors.api_url(),
            gateway = doors.gateway_url(),
            data = %settings.data_dir.display(),
            "master is up and stands by: it waits to take over"
        );
        Ok(Self(handles))
    }

    /// Takes no more requests; those under way have time to end.
    fn end(self) {
        for handle in self.0 {
            actix_web::rt::spawn(handle.stop(true));
        }
    }
}

fn serve_api(
    settings: &Settings,
    doors: &Doors,
    authority: &Authority,
    state: ApiState,
    shared: &Shared,
) -> Result<Server, HouseError> {
    let door = &doors.api;
    let tls = ports::api_tls(settings, doors, authority, state.objects().clock().now())?;
    let role = Role::Standby(shared.leaders.clone());
    let scraping = Data::new(Scraping {
        metrics: Arc::new(Metrics::default().with(role.clone())),
        book: NodeBook::new(Arc::clone(&shared.tls), 0, None),
    });
    let (state, role, shared) = (Data::new(state), Data::new(role), shared.clone());
    let server = HttpServer::new(move || {
        App::new()
            .app_data(state.clone())
            .app_data(role.clone())
            .app_data(scraping.clone())
            .app_data(shared.relay(Entrance::Api))
            .configure(metrics::configure_own)
            .configure(relay::configure_link)
            .configure(api::configure_reads)
            .configure(relay::configure)
    })
    .on_connect(ports::on_api_connection)
    .workers(ports::API_WORKERS)
    .disable_signals()
    .shutdown_timeout(LEAVE_SECONDS)
    .listen_rustls_0_23(door.listener()?, tls)
    .map_err(|error| door.fail(error))?;
    Ok(server.run())
}

/// A port without TLS, where everything is handed on.
fn serve_plain(
    door: &Door,
    entrance: Entrance,
    workers: usize,
    shared: &Shared,
) -> Result<Server, HouseError> {
    let shared = shared.clone();
    let server = HttpServer::new(move || {
        App::new()
            .app_data(shared.relay(entrance))
            .configure(relay::configure)
    })
    .on_connect(gateway::note_connection)
    .workers(workers)
    .disable_signals()
    .shutdown_timeout(LEAVE_SECONDS)
    .listen(door.listener()?)
    .map_err(|error| door.fail(error))?;
    Ok(server.run())
}
