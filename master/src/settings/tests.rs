use super::*;

#[test]
fn the_commented_file_shows_the_defaults() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../config/master.toml");
    let shown: Settings = common::settings::load(Some(file.as_ref()), "NONE", [], &[]).unwrap();
    assert_eq!(shown, Settings::default());
}

#[test]
fn a_registry_is_none_auto_or_a_url_and_passwords_go_by_tls() {
    let with = |registry: &str, username: &str, prefix: &str| {
        let settings = Settings {
            registry: registry.to_owned(),
            registry_access: RegistryAccess {
                username: username.to_owned(),
                prefix: prefix.to_owned(),
                ..RegistryAccess::default()
            },
            ..Settings::default()
        };
        settings
            .complete()
            .map(|_| ())
            .map_err(|error| error.to_string())
    };
    for good in [
        "none",
        "auto",
        "https://r.lan:5000",
        "http://r.lan",
        "https://r/mirror/",
    ] {
        assert_eq!(with(good, "", "troupe"), Ok(()), "{good}");
    }
    assert_eq!(with("http://127.0.0.1:5000", "me", "team/troupe-1"), Ok(()));
    let clear = with("http://r.lan", "me", "troupe").unwrap_err();
    assert!(clear.contains("in the clear"), "{clear}");
    for bad in ["r.lan:5000", "ftp://r", "https://", "https://me@r"] {
        assert!(
            with(bad, "", "troupe")
                .unwrap_err()
                .starts_with("setting registry:"),
            "{bad}"
        );
    }
    for bad in ["", "Team", "a//b", "a--b", "-a"] {
        assert!(
            with("none", "", bad).unwrap_err().contains("prefix"),
            "{bad}"
        );
    }
}

#[test]
fn a_store_is_one_we_know_and_with_etcd_it_is_said_where_the_code_lies() {
    let with = |store: &str, blobs: &str| {
        let settings = Settings {
            store: store.to_owned(),
            blobs: blobs.to_owned(),
            ..Settings::default()
        };
        settings.complete().map_err(|error| error.key)
    };
    assert!(with("embedded", "").is_ok());
    assert!(with("etcd://localhost:2379", "local").is_ok());
    let shared = with("etcd://localhost:2379", "/mnt/shared").unwrap();
    assert_eq!(shared.blobs_dir(), PathBuf::from("/mnt/shared"));
    assert!(with("etcd://localhost:2379", "s3://code/troupe").is_ok());
    assert!(with("embedded", "s3://code").is_ok());
    assert_eq!(with("embedded", "s3://").unwrap_err(), "blobs");
    assert_eq!(with("etcd://localhost:2379", "").unwrap_err(), "blobs");
    assert_eq!(
        with("etcd://localhost:2379", "shared").unwrap_err(),
        "blobs"
    );
    assert_eq!(
        with("etcd://10.0.0.1:2379", "local").unwrap_err(),
        "etcd.ca-file"
    );
    assert_eq!(with("sqlite", "").unwrap_err(), "store");
}

#[test]
fn a_port_where_any_credentials_pass_is_on_loopback() {
    let listen = |address: &str| {
        let settings = Settings {
            sfn_listen: address.to_owned(),
            ..Settings::default()
        };
        settings.complete().is_ok()
    };
    assert!(listen("127.0.0.1:8083") && listen("[::1]:8083") && listen("localhost:0"));
    assert!(!listen("0.0.0.0:8083") && !listen("10.0.0.1:8083") && !listen(":8083"));
}
