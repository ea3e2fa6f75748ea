use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use rustls::{ClientConfig, ServerConfig};
use rustls_pki_types::ServerName;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::*;
use crate::digest::Digest;

const HOUR: Duration = Duration::from_secs(3600);

fn authority() -> (tempfile::TempDir, Authority) {
    let directory = tempfile::tempdir().unwrap();
    let authority = Authority::load_or_create(directory.path(), Timestamp::now()).unwrap();
    (directory, authority)
}

/// One TLS connection over a pipe; the server tells who the client is.
async fn connect(
    server: ServerConfig,
    client: ClientConfig,
    name: &'static str,
) -> Result<Option<Peer>, String> {
    let (near, far) = tokio::io::duplex(1 << 16);
    let serve = async {
        let mut stream = TlsAcceptor::from(Arc::new(server)).accept(far).await?;
        stream.write_all(b"x").await?;
        stream.flush().await?;
        let peer = stream
            .get_ref()
            .1
            .peer_certificates()
            .map(|chain| chain[0].clone());
        std::io::Result::Ok(peer)
    };
    let call = async {
        let name = ServerName::try_from(name).unwrap();
        let mut stream = TlsConnector::from(Arc::new(client))
            .connect(name, near)
            .await?;
        let mut byte = [0];
        stream.read_exact(&mut byte).await?;
        std::io::Result::Ok(())
    };
    let (served, called) = tokio::join!(serve, call);
    called.map_err(|error| error.to_string())?;
    let peer = served.map_err(|error| error.to_string())?;
    Ok(peer.map(|der| Peer::from_der(&der).unwrap()))
}

fn server(authority: &Authority, names: &[&str], clients: ClientAuth) -> ServerConfig {
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    let identity = authority.issue_server(&names, Timestamp::now()).unwrap();
    server_config(&identity, authority.ca_pem(), clients).unwrap()
}

#[test]
fn an_authority_survives_a_restart_and_keeps_its_key_private() {
    let (directory, first) = authority();
    let again = Authority::load_or_create(directory.path(), Timestamp::now()).unwrap();
    assert_eq!(first.ca_digest(), again.ca_digest());
    let mode = |name: &str| {
        std::fs::metadata(directory.path().join(name))
            .unwrap()
            .permissions()
            .mode()
            & 0o777
    };
    assert_eq!(mode("ca.key"), 0o600);
    let (other, _) = authority();
    std::fs::copy(other.path().join("ca.key"), directory.path().join("ca.key")).unwrap();
    let error = Authority::load_or_create(directory.path(), Timestamp::now())
        .err()
        .unwrap();
    assert!(error.to_string().contains("is not the key of"), "{error}");
}

#[test]
fn the_subject_comes_from_the_signer_not_from_the_request() {
    let (_directory, authority) = authority();
    let key = rcgen::KeyPair::generate().unwrap();
    let mut wish = rcgen::CertificateParams::new(vec!["evil.example".to_owned()]).unwrap();
    wish.distinguished_name
        .push(rcgen::DnType::CommonName, "system:admin");
    wish.distinguished_name
        .push(rcgen::DnType::OrganizationName, ADMINS);
    wish.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let csr = wish.serialize_request(&key).unwrap().pem().unwrap();
    let sans = ["10.0.0.7".to_owned()];
    let pem = authority
        .sign_csr(
            &csr,
            "system:node:a",
            &[NODES],
            &sans,
            HOUR,
            Timestamp::now(),
        )
        .unwrap();
    let identity = Identity {
        cert_pem: pem,
        key_pem: key.serialize_pem(),
    };
    let leaf = &identity.chain().unwrap()[0];
    let peer = Peer::from_der(leaf).unwrap();
    assert_eq!(
        peer,
        Peer {
            cn: "system:node:a".into(),
            orgs: vec![NODES.into()],
            key: csr_key(&csr).unwrap(),
        }
    );
    assert_eq!(peer.node(), Some("a"));
    let (_, certificate) = x509_parser::parse_x509_certificate(leaf).unwrap();
    assert!(!certificate.is_ca());
    let names = certificate.subject_alternative_name().unwrap().unwrap();
    assert_eq!(names.value.general_names.len(), 1);
}

#[tokio::test]
async fn both_sides_see_whom_they_speak_to() {
    let (_directory, authority) = authority();
    let node = authority
        .issue_client("system:node:a", &[NODES], HOUR, Timestamp::now())
        .unwrap();
    let client = client_config(authority.ca_pem(), Some(&node)).unwrap();
    let peer = connect(
        server(&authority, &["127.0.0.1"], ClientAuth::Required),
        client,
        "127.0.0.1",
    )
    .await
    .unwrap()
    .unwrap();
    assert_eq!(peer.node(), Some("a"));
    let nobody = client_config(authority.ca_pem(), None).unwrap();
    let open = server(&authority, &["localhost"], ClientAuth::Optional);
    assert_eq!(connect(open, nobody.clone(), "localhost").await, Ok(None));
    let closed = server(&authority, &["localhost"], ClientAuth::Required);
    assert!(connect(closed, nobody, "localhost").await.is_err());
}

#[tokio::test]
async fn certificates_of_another_authority_are_worth_nothing() {
    let (_directory, ours) = authority();
    let (_other_directory, theirs) = authority();
    let node = theirs
        .issue_client("system:node:a", &[NODES], HOUR, Timestamp::now())
        .unwrap();
    let client = client_config(ours.ca_pem(), Some(&node)).unwrap();
    let optional = server(&ours, &["localhost"], ClientAuth::Optional);
    assert!(connect(optional, client, "localhost").await.is_err());
    let trusting_ours = client_config(ours.ca_pem(), None).unwrap();
    let of_theirs = server(&theirs, &["localhost"], ClientAuth::Optional);
    assert!(
        connect(of_theirs, trusting_ours, "localhost")
            .await
            .is_err()
    );
}

#[tokio::test]
async fn a_joining_node_verifies_everything_but_needs_only_the_hash() {
    let (_directory, authority) = authority();
    let join = |digest| joining_client_config(digest).unwrap();
    let config = |names: &[&str]| server(&authority, names, ClientAuth::Optional);
    let digest = authority.ca_digest();
    assert_eq!(
        connect(config(&["localhost"]), join(digest), "localhost").await,
        Ok(None)
    );
    let wrong = connect(config(&["localhost"]), join(Digest::of(b"x")), "localhost").await;
    assert!(wrong.unwrap_err().contains("hash in the join token"));
    assert!(
        connect(config(&["other.example"]), join(digest), "localhost")
            .await
            .is_err()
    );
    let long_ago = Timestamp::from_second(1_000_000_000).unwrap();
    let expired = authority
        .issue_server(&["localhost".to_owned()], long_ago)
        .unwrap();
    let expired = server_config(&expired, authority.ca_pem(), ClientAuth::Optional).unwrap();
    assert!(connect(expired, join(digest), "localhost").await.is_err());
}

#[tokio::test]
async fn presenting_the_right_authority_beside_a_forged_leaf_does_not_help() {
    let (_directory, ours) = authority();
    let (_other_directory, theirs) = authority();
    let forged = theirs
        .issue_server(&["localhost".to_owned()], Timestamp::now())
        .unwrap();
    let mut forged = forged;
    forged.cert_pem += ours.ca_pem();
    let server = server_config(&forged, theirs.ca_pem(), ClientAuth::Optional).unwrap();
    let client = joining_client_config(ours.ca_digest()).unwrap();
    assert!(connect(server, client, "localhost").await.is_err());
}

#[test]
fn tokens_read_back_and_say_what_is_wrong() {
    let token = JoinToken::random(Digest::of(b"ca"), &mut StdRng::seed_from_u64(1));
    assert_eq!(token.to_string().parse::<JoinToken>().unwrap(), token);
    assert!(!format!("{token:?}").contains(&token.secret));
    for bad in [
        "",
        "K10",
        "K10ab.c.d",
        &token.to_string()[3..],
        &(token.to_string() + "0"),
    ] {
        let error = bad.parse::<JoinToken>().unwrap_err().to_string();
        assert!(error.contains("master token create"), "{error}");
    }
}

#[test]
fn an_identity_is_one_private_file() {
    let (directory, authority) = authority();
    let now = Timestamp::now();
    let identity = authority.issue_client("a", &[], HOUR, now).unwrap();
    let path = directory.path().join("node.pem");
    identity.save(&path).unwrap();
    let read = Identity::load(&path).unwrap();
    assert_eq!(
        (read.cert_pem, read.key_pem),
        (identity.cert_pem.clone(), identity.key_pem.clone())
    );
    assert_eq!(
        std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o600
    );
    let (from, to) = identity.validity().unwrap();
    assert!(from < now && now < to);
    std::fs::write(&path, "").unwrap();
    assert!(Identity::load(&path).is_err());
}

#[tokio::test]
async fn a_node_does_not_pass_for_a_master() {
    let (_directory, authority) = authority();
    let csr = Csr::new().unwrap();
    let names = ["localhost".to_owned()];
    let now = Timestamp::now();
    let signed = authority
        .sign_csr(
            &csr.csr_pem,
            "system:node:localhost",
            &[NODES],
            &names,
            HOUR,
            now,
        )
        .unwrap();
    let node = csr.signed(signed);
    let passing = || server_config(&node, authority.ca_pem(), ClientAuth::Optional).unwrap();
    let anybody = client_config(authority.ca_pem(), None).unwrap();
    assert_eq!(connect(passing(), anybody, "localhost").await, Ok(None));

    let agent = || master_client_config(authority.ca_pem(), &node).unwrap();
    let joining = joining_client_config(authority.ca_digest()).unwrap();
    for client in [agent(), joining] {
        let refused = connect(passing(), client, "localhost").await.unwrap_err();
        assert!(refused.contains("no master"), "{refused}");
    }
    let master = server(&authority, &["localhost"], ClientAuth::Optional);
    assert!(connect(master, agent(), "localhost").await.is_ok());
}
