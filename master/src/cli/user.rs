//! `master user`

use std::path::PathBuf;

use clap::Subcommand;
use common::trust::Csr;
use master::house::{Credential, kubeconfig};
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use super::ask::{Running, seconds};
use super::{Failure, Serve};

#[derive(Subcommand)]
pub(super) enum UserCommand {
    /// Makes a user and prints a kubeconfig for him, which cannot be had again
    ///
    ///   master user create ann --role developer --namespace team-a > ann.kubeconfig
    ///
    /// Roles: admin may do everything; developer everything that belongs to the work in the namespaces; invoker may
    /// only call functions and start runs there. The token in the kubeconfig also opens the gateway, as
    /// Authorization: Bearer TOKEN or X-Api-Key: TOKEN.
    #[command(verbatim_doc_comment)]
    Create {
        /// The user's name
        name: String,
        /// admin, developer or invoker
        #[arg(long)]
        role: String,
        /// A namespace the role is for; may be given several times
        #[arg(short, long = "namespace", value_name = "NAMESPACE")]
        namespaces: Vec<String>,
        /// How long the credentials are good, as 24h or 90d; at most 366 days
        #[arg(long, value_name = "TIME", default_value = "90d")]
        ttl: String,
        /// A client certificate instead of a token
        #[arg(long)]
        certificate: bool,
        /// The running master's data directory
        #[arg(long, value_name = "DIR")]
        data_dir: Option<PathBuf>,
    },
    /// Lists the users
    List {
        /// The running master's data directory
        #[arg(long, value_name = "DIR")]
        data_dir: Option<PathBuf>,
    },
    /// Removes a user; his credentials are worth nothing from then on
    Delete {
        /// The user's name
        name: String,
        /// The running master's data directory
        #[arg(long, value_name = "DIR")]
        data_dir: Option<PathBuf>,
    },
}

pub(super) fn run(serve: &Serve, command: UserCommand) -> Result<(), Failure> {
    match command {
        UserCommand::Create {
            name,
            role,
            namespaces,
            ttl,
            certificate,
            data_dir,
        } => {
            let running = Running::find(serve, data_dir.as_ref())?;
            let csr = certificate.then(Csr::new).transpose()?;
            let home = namespaces.first().cloned();
            let body = json!({
                "name": name,
                "role": role,
                "namespaces": namespaces,
                "ttlSeconds": seconds(&ttl)?,
                "csr": csr.as_ref().map(|csr| &csr.csr_pem),
            });
            let made: Made = running.ask(Method::POST, "/users", Some(body))?;
            let credential = match (csr, made) {
                (
                    Some(csr),
                    Made {
                        certificate: Some(certificate),
                        ..
                    },
                ) => Credential::Certificate(csr.signed(certificate)),
                (
                    None,
                    Made {
                        token: Some(token), ..
                    },
                ) => Credential::Token(token),
                _ => return Err("the master answers without a credential".into()),
            };
            let admin = &running.admin;
            let text = kubeconfig(
                &admin.server,
                &admin.ca_pem,
                &name,
                &credential,
                home.as_deref(),
            );
            print!("{text}");
        }
        UserCommand::List { data_dir } => {
            let running = Running::find(serve, data_dir.as_ref())?;
            let users: Users = running.ask(Method::GET, "/users", None)?;
            println!("{:24}{:12}NAMESPACES", "NAME", "ROLE");
            for user in users.items {
                let namespaces = match user.namespaces.as_slice() {
                    [] => "*".to_owned(),
                    own => own.join(","),
                };
                println!("{:24}{:12}{namespaces}", user.name, user.role);
            }
        }
        UserCommand::Delete { name, data_dir } => {
            let running = Running::find(serve, data_dir.as_ref())?;
            let _: Value = running.ask(Method::DELETE, &format!("/users/{name}"), None)?;
            println!("user {name} removed");
        }
    }
    Ok(())
}

#[derive(Deserialize)]
struct Made {
    token: Option<String>,
    certificate: Option<String>,
}

#[derive(Deserialize)]
struct Users {
    items: Vec<User>,
}

#[derive(Deserialize)]
struct User {
    name: String,
    role: String,
    namespaces: Vec<String>,
}
