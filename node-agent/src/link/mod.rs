//! The agent's side of the link: joining the cluster, keeping the certificate fresh, and the
//! session with a master.
//!
//! [`Masters`] dials, always over TLS that verifies; [`join`] gets the node's certificate;
//! [`renewal`] replaces it at two thirds of its life; [`Session`] counts and acknowledges frames;
//! [`run`] keeps a session going for as long as the agent lives.

mod client;
mod credentials;
mod dial;
mod join;
mod open;
mod redial;
mod renewal;
mod run;
mod session;
mod standing;

pub use client::MasterBlobs;
pub use credentials::{Credentials, CredentialsError};
pub use dial::{DialError, Masters};
pub use join::{JoinError, ensure_joined};
pub use open::{LinkSocket, OpenError, open};
pub use redial::{Next, Redial};
pub use renewal::{keep_fresh, renew_at};
pub use run::{LinkRoom, run};
pub use session::{Session, SessionError};
pub use standing::Standing;
