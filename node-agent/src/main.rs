//! `node-agent`: see the crate's own documentation.

use std::process::ExitCode;

use clap::Parser as _;
use node_agent::agent::Agent;
use node_agent::chain::chain;
use node_agent::cli::{Cli, ENVIRONMENT, Internal};
use node_agent::settings::Settings;
use node_agent::supervisor;
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
    let cli = Cli::parse();
    match cli.internal {
        Some(Internal::PodSupervisor) => ExitCode::from(supervisor::run()),
        Some(Internal::PodKill { uid }) => ExitCode::from(supervisor::kill_all_of(uid)),
        None => match start(&cli) {
            Ok(()) => ExitCode::SUCCESS,
            Err(text) => {
                eprintln!("node-agent: {text}");
                ExitCode::FAILURE
            }
        },
    }
}

fn start(cli: &Cli) -> Result<(), String> {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
    common::trust::install_crypto();
    common::open_files::raise_limit();
    let overrides = cli.overrides();
    let settings: Settings = common::settings::load(
        cli.config.as_deref(),
        ENVIRONMENT,
        std::env::vars(),
        &overrides,
    )
    .map_err(|error| chain(&error))?;
    let settings = settings.complete().map_err(|error| chain(&error))?;
    let system = actix_rt::System::with_tokio_rt(|| {
        tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .unwrap_or_else(|error| {
                eprintln!("node-agent: start threads: {error}");
                std::process::exit(1)
            })
    });
    system.block_on(async {
        let agent = Agent::start(settings)
            .await
            .map_err(|error| chain(&error))?;
        agent.run().await.map_err(|error| chain(&error))
    })
}
