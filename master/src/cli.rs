use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::{Args, Parser, Subcommand};
use common::settings;
use common::trust::{client_config, install_crypto};
use master::house::{self, Admin};
use master::registry::{TETHER, become_tethered};
use master::settings::Settings;
use serde::Deserialize;
use serde_json::json;

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
}

#[derive(Subcommand)]
enum TokenCommand {
    /// Makes a join token through the running master and prints it
    ///
    /// Give it to the agent: node-agent --master https://HOST:6443 --token TOKEN
    Create {
        /// The running master's data directory
        #[arg(long, value_name = "DIR")]
        data_dir: Option<PathBuf>,
        /// How long the token is good, as 30m, 24h or 7d; at most 30 days
        #[arg(long, value_name = "TIME", default_value = "24h")]
        ttl: String,
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
        Some(Command::Token {
            command: TokenCommand::Create { data_dir, ttl },
        }) => create_token(&cli.serve, data_dir, &ttl),
        Some(Command::Migrate { from, to, data_dir }) => migrate(cli.serve, from, to, data_dir),
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
    actix_web::rt::System::new().block_on(house::run(settings))?;
    Ok(())
}

fn migrate(
    mut flags: Serve,
    from: String,
    to: String,
    data_dir: Option<PathBuf>,
) -> Result<(), Failure> {
    flags.store = Some(from);
    let settings = load(&flags, data_dir.as_ref())?;
    let mut shown = Instant::now();
    let copied =
        tokio::runtime::Runtime::new()?.block_on(house::migrate(&settings, &to, |done, of| {
            if done == of || shown.elapsed() > Duration::from_millis(500) {
                shown = Instant::now();
                eprintln!("{done} of {of} keys");
            }
        }))?;
    println!("{copied} keys were taken over and read back; start the master with --store {to}");
    Ok(())
}

fn create_token(flags: &Serve, data_dir: Option<PathBuf>, ttl: &str) -> Result<(), Failure> {
    let settings = load(flags, data_dir.as_ref())?;
    let ttl: jiff::Span = ttl
        .parse()
        .map_err(|_| format!("--ttl {ttl:?}: want a time as 30m or 24h"))?;
    let ttl = ttl.total((
        jiff::Unit::Second,
        jiff::SpanRelativeTo::days_are_24_hours(),
    ))?;
    let admin = Admin::read(&settings.data_dir)?;
    let tls = client_config(&admin.ca_pem, Some(&admin.identity))?;
    let token = actix_web::rt::System::new().block_on(async move {
        let client = reqwest::Client::builder()
            .use_preconfigured_tls(tls)
            .no_proxy()
            .timeout(Duration::from_secs(10))
            .build()?;
        let seconds = ttl.max(1.0).round();
        let body = json!({ "ttlSeconds": seconds as u64 });
        let answer = client
            .post(format!("{}/tokens", admin.server))
            .json(&body)
            .send()
            .await;
        let answer = answer.map_err(|error| {
            format!(
                "ask the master at {}; is it running? ({error})",
                admin.server
            )
        })?;
        let status = answer.status();
        if !status.is_success() {
            let text = answer.text().await.unwrap_or_default();
            return Err(Failure::from(format!("the master says {status}: {text}")));
        }
        #[derive(Deserialize)]
        struct Token {
            token: String,
        }
        Ok(answer.json::<Token>().await?.token)
    })?;
    println!("{token}");
    Ok(())
}
