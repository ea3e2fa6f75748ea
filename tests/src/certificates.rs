use std::path::Path;
use std::time::Duration;

use common::trust::{Authority, Identity};

/// Writes certificates of a server on this machine and of a client of it into a directory: `ca.pem`, `server.pem`,
/// `server.key`, `client.pem`, `client.key`.
pub(crate) fn write_certificates(home: &Path) {
    let now = jiff::Timestamp::now();
    let authority = Authority::load_or_create(&home.join("authority"), now).unwrap();
    let names = ["127.0.0.1".to_owned(), "localhost".to_owned()];
    let server = authority.issue_server(&names, now).unwrap();
    let validity = Duration::from_secs(24 * 3600);
    let client = authority
        .issue_client("troupe", &[], validity, now)
        .unwrap();
    std::fs::write(home.join("ca.pem"), authority.ca_pem()).unwrap();
    let save = |name: &str, identity: &Identity| {
        std::fs::write(home.join(format!("{name}.pem")), &identity.cert_pem).unwrap();
        std::fs::write(home.join(format!("{name}.key")), &identity.key_pem).unwrap();
    };
    save("server", &server);
    save("client", &client);
}
