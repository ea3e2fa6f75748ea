//! The command line: `master` serves; its commands speak to the master that runs.

mod ask;
mod migrate;
mod token;
mod user;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use common::settings;
use common::trust::install_crypto;
use master::house;
use master::registry::{TETHER, become_tethered};
use master::settings::Settings;

use token::TokenCommand;
use user::UserCommand;

/// Troupe's control plane: API, gateway and scheduler of a cluster that runs Python functions and
/// workflows.
///
/// Settings come from the file, over it the environment (TROUPE_MASTER__GATEWAY__HOLD=30s), over that
/// the flags. Once it is up, DATA-DIR/admin.kubeconfig lets kubectl in:
///
///   export KUBECONFIG=DATA-DIR/admin.kubeconfig
#[derive(Parser)]
#[command(name = "master", version, verbatim_doc_comment)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: Serve,
}

#[derive(Args)]
struct Serve {
    /// Settings file (TOML); config/master.toml shows every key
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where the store, the certificates, the code and the layers live
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Address of the API [default: 127.0.0.1:6443]
    #[arg(long, value_name = "HOST:PORT")]
    api_listen: Option<String>,
    /// Address of the gateway [default: 127.0.0.1:8080]
    #[arg(long, value_name = "HOST:PORT")]
    gateway_listen: Option<String>,
    /// Address of the open Step Functions API, loopback only [default: off]
    #[arg(long, value_name = "HOST:PORT")]
    sfn_listen: Option<String>,
    /// embedded, or etcd://HOST:PORT[,HOST:PORT…] [default: embedded]
    #[arg(long, value_name = "STORE")]
    store: Option<String>,
    /// File with the secret that several masters share; needed from the second master on
    #[arg(long, value_name = "FILE")]
    cluster_secret_file: Option<PathBuf>,
    /// none, auto or the URL of a registry [default: auto]
    #[arg(long, value_name = "REGISTRY")]
    registry: Option<String>,
}

#[derive(Subcommand)]
enum Command {
    /// Takes a cluster from one store into another; no master may be running
    ///
    /// Settings of etcd come from the file and the environment, as for the master. Afterwards start the
    /// master with --store ETCD and the same data directory: certificates, code and layers stay there.
    Migrate {
        /// What to take over: embedded, the store in the data directory
        #[arg(long, value_name = "STORE", value_parser = ["embedded"])]
        from: String,
        /// Where to: an etcd that holds nothing yet beneath etcd.prefix
        #[arg(long, value_name = "etcd://HOST:PORT[,HOST:PORT…]")]
        to: String,
        /// The data directory
        #[arg(long, value_name = "DIR")]
        data_dir: Option<PathBuf>,
    },
    /// Becomes a program that ends with the process that started it
    #[command(name = TETHER, hide = true)]
    Tether {
        /// That process
        parent: i32,
        program: PathBuf,
        arguments: Vec<String>,
    },
    /// Join tokens
    Token {
        #[command(subcommand)]
        command: TokenCommand,
    },
    /// Who may use the cluster, and what for
    User {
        #[command(subcommand)]
        command: UserCommand,
    },
}

pub(crate) fn run(cli: Cli) -> ExitCode {
    install_crypto();
    let result = match cli.command {
        None => serve(&cli.serve),
        Some(Command::Tether {
            parent,
            program,
            arguments,
        }) => Err(become_tethered(parent, &program, &arguments).into()),
        Some(Command::Token { command }) => token::run(&cli.serve, command),
        Some(Command::User { command }) => user::run(&cli.serve, command),
        Some(Command::Migrate { from, to, data_dir }) => {
            migrate::run(cli.serve, from, to, data_dir.as_ref())
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("master: {}", master::explain(&*error));
            ExitCode::FAILURE
        }
    }
}

type Failure = Box<dyn std::error::Error>;

fn load(serve: &Serve, data_dir: Option<&PathBuf>) -> Result<Settings, Failure> {
    let path = |path: &PathBuf| path.display().to_string();
    let flags = [
        ("data-dir", data_dir.or(serve.data_dir.as_ref()).map(path)),
        ("api-listen", serve.api_listen.clone()),
        ("gateway-listen", serve.gateway_listen.clone()),
        ("sfn-listen", serve.sfn_listen.clone()),
        ("store", serve.store.clone()),
        (
            "cluster-secret-file",
            serve.cluster_secret_file.as_ref().map(path),
        ),
        ("registry", serve.registry.clone()),
    ];
    let given: Vec<_> = flags
        .into_iter()
        .filter_map(|(key, v)| Some((key, v?)))
        .collect();
    let loaded: Settings = settings::load(
        serve.config.as_deref(),
        "TROUPE_MASTER",
        std::env::vars(),
        &given,
    )?;
    Ok(loaded.complete()?)
}

fn serve(flags: &Serve) -> Result<(), Failure> {
    let filter = tracing_subscriber::EnvFilter::try_from_env("TROUPE_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
    let settings = load(flags, None)?;
    common::open_files::raise_limit();
    actix_web::rt::System::new().block_on(house::run(settings))?;
    Ok(())
}
