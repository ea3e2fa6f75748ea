//! Users and their roles, and nodes that do not belong.

use std::path::PathBuf;
use std::process::{Command, Output};

use reqwest::Method;
use serde_json::{Value, json};
use tests::{Cluster, Http, Identity, Kubectl, Node, Options, Source, eventually, params, program};

fn master_user(cluster: &Cluster, words: &[&str]) -> Output {
    let mut command = Command::new(program("master"));
    command.arg("user").args(words).arg("--data-dir");
    command.arg(cluster.home().join("master")).output().unwrap()
}

/// A new user's kubeconfig.
fn user(cluster: &Cluster, name: &str, words: &[&str]) -> PathBuf {
    let made = master_user(cluster, &[&["create", name], words].concat());
    assert!(
        made.status.success(),
        "{}",
        String::from_utf8_lossy(&made.stderr)
    );
    let path = cluster.home().join(format!("{name}.kubeconfig"));
    std::fs::write(&path, made.stdout).unwrap();
    path
}

fn token(kubeconfig: &PathBuf) -> String {
    let text = std::fs::read_to_string(kubeconfig).unwrap();
    let line = text.lines().find(|line| line.contains("token:")).unwrap();
    line.split(": ").nth(1).unwrap().to_owned()
}

fn shown(token: &str, client: &Http, path: &str) -> u16 {
    let call = client.send(Method::POST, path, |request| {
        request.bearer_auth(token).body("{}")
    });
    call.status
}

fn with_teams() -> Cluster {
    let cluster = Cluster::with(Options::default().open_to_others());
    for team in ["team", "others"] {
        cluster.kubectl().run(&["create", "namespace", team]);
        let name = format!("{team}-f");
        let source = Source::write(cluster.home(), &name, &params("params['n'] + 1"), "");
        cluster
            .kubectl()
            .run(&["apply", "--wait", "-n", team, "-f", source.yaml()]);
    }
    cluster
}

fn team_yaml(cluster: &Cluster) -> String {
    let path = cluster.home().join("sources/team-f/function.yaml");
    path.display().to_string()
}

fn works_in_team(kubectl: &Kubectl, yaml: &str) {
    kubectl.run(&["apply", "--wait", "-f", yaml]);
    assert_eq!(
        kubectl.run(&["execute", "team-f", r#"{"n": 4}"#]).trim(),
        "5"
    );
    assert!(kubectl.run(&["get", "functions"]).contains("team-f"));
    assert!(kubectl.run(&["get", "pods"]).contains("team-f"));
    kubectl.run_with(
        &["apply", "-f", "-"],
        r#"{"apiVersion":"v1","kind":"Secret","metadata":{"name":"s"},"stringData":{"a":"b"}}"#,
    );
    kubectl.run(&["logs", "function/team-f"]);
}

#[test]
fn a_developer_works_in_his_namespace_and_nowhere_else() {
    let cluster = with_teams();
    let yaml = team_yaml(&cluster);
    for (name, more) in [("ann", vec![]), ("bob", vec!["--certificate"])] {
        let words = [&["--role", "developer", "-n", "team"], more.as_slice()].concat();
        let kubectl = cluster
            .kubectl()
            .with_kubeconfig(&user(&cluster, name, &words));
        works_in_team(&kubectl, &yaml);
        for words in [
            ["get", "functions", "-n", "others"].as_slice(),
            &["get", "functions", "-A"],
            &["get", "secrets", "-n", "others"],
            &["get", "nodes"],
            &["delete", "namespace", "team"],
            &["create", "namespace", "mine"],
            &["apply", "-n", "others", "-f", &yaml],
            &["execute", "others/others-f", "{}"],
        ] {
            let said = kubectl.say(words);
            assert_ne!(said.code, 0, "{name}: {words:?} passed");
            let told = said.err.contains("forbidden") || said.err.contains("may not");
            assert!(told, "{name}: {words:?}: {}", said.err);
        }
    }
    let theirs = cluster
        .kubectl()
        .items(&["get", "functions", "-n", "others"]);
    assert_eq!(theirs.len(), 1, "nothing was stored");
}

#[test]
fn who_may_only_invoke_calls_and_nothing_else() {
    let cluster = with_teams();
    let words = ["--role", "invoker", "-n", "team"];
    let config = user(&cluster, "bot", &words);
    let (token, gateway) = (token(&config), cluster.gateway());
    let body = r#"{"n": 1}"#;
    let key = gateway.post_with("/function/team/team-f", "x-api-key", &token, body);
    assert_eq!(key.expect(200), json!(2));
    assert_eq!(shown(&token, &gateway, "/function/others/others-f"), 403);
    assert_eq!(shown(&token, &gateway, "/function/others/nobody"), 403);
    assert_eq!(shown("wrong", &gateway, "/function/team/team-f"), 401);
    let kubectl = cluster.kubectl().with_kubeconfig(&config);
    assert_eq!(
        kubectl.run(&["execute", "team-f", r#"{"n": 4}"#]).trim(),
        "5"
    );
    for words in [["get", "functions"], ["get", "secrets"], ["get", "pods"]] {
        let said = kubectl.say(&words);
        assert_ne!(said.code, 0, "{words:?} passed");
    }
    let yaml = team_yaml(&cluster);
    assert_ne!(kubectl.say(&["apply", "-f", &yaml]).code, 0);
}

#[test]
fn a_function_does_not_see_the_key_that_opened_the_door() {
    let cluster = Cluster::with(Options::default().open_to_others());
    let code = "def handler(env):\n    headers = env.headers\n    return sorted(name.lower() for name in headers)\n";
    cluster.apply("peek", code, "style: env");
    let token = token(&user(
        &cluster,
        "bot",
        &["--role", "invoker", "-n", "default"],
    ));
    let seen = cluster
        .gateway()
        .post_with("/function/peek", "x-api-key", &token, "{}");
    let seen = seen.expect(200);
    let names: Vec<&str> = seen
        .as_array()
        .unwrap()
        .iter()
        .filter_map(Value::as_str)
        .collect();
    assert!(!names.contains(&"x-api-key"), "{names:?}");
}

#[test]
fn a_deleted_user_is_out_at_once_and_for_good() {
    let cluster = Cluster::start();
    let words = ["--role", "admin"];
    let by_token = user(&cluster, "ann", &words);
    let by_certificate = user(&cluster, "bob", &["--role", "admin", "--certificate"]);
    let again = master_user(&cluster, &["create", "ann", "--role", "admin"]);
    assert!(!again.status.success(), "the name is taken");
    let listed = String::from_utf8(master_user(&cluster, &["list"]).stdout).unwrap();
    assert!(listed.contains("ann") && listed.contains("bob"), "{listed}");
    for config in [&by_token, &by_certificate] {
        cluster
            .kubectl()
            .with_kubeconfig(config)
            .run(&["get", "nodes"]);
    }
    for name in ["ann", "bob"] {
        assert!(master_user(&cluster, &["delete", name]).status.success());
    }
    let out = |config: &PathBuf| {
        let said = cluster
            .kubectl()
            .with_kubeconfig(config)
            .say(&["get", "nodes"]);
        assert_ne!(said.code, 0, "{}", said.out);
    };
    out(&by_token);
    out(&by_certificate);
    let old = [by_token, by_certificate].map(|config| {
        let kept = config.with_extension("old");
        std::fs::rename(&config, &kept).unwrap();
        kept
    });
    for name in ["ann", "bob"] {
        let _ = user(&cluster, name, &words);
    }
    old.iter().for_each(out);
}

#[test]
fn bad_users_are_refused_with_a_reason() {
    let cluster = Cluster::with(Options::default().agents(0));
    for (words, told) in [
        (
            ["create", "x", "--role", "king"].as_slice(),
            "want admin, developer or invoker",
        ),
        (
            &["create", "x", "--role", "developer"],
            "in which namespaces",
        ),
        (&["create", "system:admin", "--role", "admin"], "name"),
        (
            &["create", "x", "--role", "admin", "--ttl", "soon"],
            "want a time",
        ),
        (&["delete", "nobody"], "does not exist"),
    ] {
        let said = master_user(&cluster, words);
        let error = String::from_utf8_lossy(&said.stderr).into_owned();
        assert!(
            !said.status.success() && error.contains(told),
            "{words:?}: {error}"
        );
    }
}

#[test]
fn a_users_credentials_end_with_their_time() {
    let cluster = Cluster::with(Options::default().agents(0));
    let config = user(&cluster, "ann", &["--role", "admin", "--ttl", "2s"]);
    let kubectl = cluster.kubectl().with_kubeconfig(&config);
    eventually("the token is expired", || {
        let said = kubectl.say(&["get", "nodes"]);
        if said.code != 0 && said.err.contains("Unauthorized") {
            Ok(())
        } else {
            Err(said)
        }
    });
}

#[test]
fn a_name_that_is_taken_is_not_joined_with_another_key() {
    let cluster = Cluster::start();
    let home = cluster.home().join("second");
    std::fs::create_dir(&home).unwrap();
    let mut thief = Node::start("node-1", &home, cluster.api_url(), &cluster.token(), &[]);
    let log = eventually("the second node-1 is told why", || {
        let log = thief.process.log();
        if log.contains("with another key") {
            Ok(log)
        } else {
            Err(log)
        }
    });
    thief.process.kill();
    assert!(!thief.data().join("node.pem").exists(), "{log}");
    cluster.wait_for_node("node-1");
}

#[test]
fn a_deleted_node_is_out_until_it_has_a_token() {
    let mut cluster = Cluster::start();
    let identity = Identity::load(&cluster.nodes[0].data().join("node.pem")).unwrap();
    let node = cluster.api().with(&identity);
    assert_eq!(node.get("/api/v1/nodes/node-1").status, 200);
    cluster.nodes[0].process.kill();
    cluster.kubectl().run(&["delete", "node", "node-1"]);
    for path in ["/api/v1/nodes/node-1", "/link", "/v2/"] {
        assert_eq!(node.get(path).status, 401, "{path}");
    }
    let renewed = node.post_with(
        "/join/renew",
        "content-type",
        "application/json",
        r#"{"csr":""}"#,
    );
    assert_eq!(renewed.status, 401, "{renewed:?}");
    // The token it was started with is still good.
    cluster.nodes[0].process.start_again();
    cluster.wait_for_node("node-1");
    assert!(
        cluster.nodes[0]
            .process
            .log()
            .contains("joined the cluster anew")
    );
    assert_eq!(
        node.get("/api/v1/nodes/node-1").status,
        401,
        "the old key stays out"
    );
}
