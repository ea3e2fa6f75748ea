//! The real kubectl, through everything a user does with it.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use common::resources::{Condition, Container, Function, Node, ObjectMeta, Pod, Resource as _};
use master::objects::{Durability, EventKind};

use super::house::House;

struct Kubectl<'a> {
    house: &'a House,
    config: std::path::PathBuf,
}

impl Kubectl<'_> {
    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new("kubectl");
        command
            .args(args)
            .env("KUBECONFIG", &self.config)
            .env("HOME", self.house.path("home"))
            .env_remove("KUBERNETES_SERVICE_HOST");
        command
    }

    fn output(&self, args: &[&str], input: &str) -> Output {
        let mut child = self
            .command(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child
            .stdin
            .take()
            .unwrap()
            .write_all(input.as_bytes())
            .unwrap();
        child.wait_with_output().unwrap()
    }

    fn input(&self, args: &[&str], input: &str) -> String {
        let output = self.output(args, input);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "kubectl {args:?}: {text}{error}");
        text + &error
    }

    fn run(&self, args: &str) -> String {
        self.input(&args.split(' ').collect::<Vec<_>>(), "")
    }

    fn fails(&self, args: &[&str], input: &str) -> String {
        let output = self.output(args, input);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            !output.status.success(),
            "kubectl {args:?} succeeded: {text}"
        );
        text
    }
}

/// Runs `test` with the real kubectl on PATH; in CI it must be there.
fn with_kubectl(test: impl FnOnce(&House, &Kubectl<'_>)) {
    let found = Command::new("kubectl")
        .args(["version", "--client"])
        .output();
    if !found.is_ok_and(|output| output.status.success()) {
        assert!(
            std::env::var_os("CI").is_none(),
            "kubectl must be on PATH when CI is set"
        );
        eprintln!("skipped: no kubectl on PATH");
        return;
    }
    let house = House::new();
    let config = house.kubeconfig();
    test(
        &house,
        &Kubectl {
            house: &house,
            config,
        },
    );
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(future)
}

const HELLO: &str = "\
apiVersion: v1
kind: Function
metadata: { name: hello }
spec:
  handler: func.main
  source: { inline: { func.py: \"def main(p): return p\" } }
";

#[test]
fn apply_get_describe_edit_delete() {
    with_kubectl(|house, k| {
        assert!(
            k.input(&["apply", "-f", "-"], HELLO)
                .contains("function/hello created")
        );
        assert!(
            k.input(&["apply", "-f", "-"], HELLO)
                .contains("function/hello unchanged")
        );
        let changed = HELLO.replace("handler: func.main", "timeoutSeconds: 7");
        assert!(
            k.input(&["apply", "-f", "-"], &changed)
                .contains("function/hello configured")
        );
        let json = k.run("get function hello -o json");
        assert!(
            json.contains("\"timeoutSeconds\": 7") && !json.contains("handler"),
            "{json}"
        );

        let table = k.run("get functions");
        assert!(table.starts_with("NAME    READY   STATUS"), "{table}");
        assert!(k.run("get fn -A -o wide").contains("HANDLER"));
        assert!(k.run("get fn hello -o yaml").contains("timeoutSeconds: 7"));
        assert_eq!(k.run("get fn hello -o name").trim(), "function/hello");
        assert_eq!(
            k.run("get fn hello -o jsonpath={.spec.timeoutSeconds}"),
            "7"
        );
        assert_eq!(
            k.run("get fn -o custom-columns=N:.metadata.name --no-headers")
                .trim(),
            "hello"
        );
        assert!(k.run("get all").contains("function/hello"));
        assert!(k.run("get fn --show-labels").contains("<none>"));

        let about = block_on(house.objects.get::<Function>("default", "hello"))
            .unwrap()
            .unwrap();
        block_on(house.objects.record(
            &about,
            EventKind::Warning,
            "functions",
            "NoCapacity",
            "no room",
        ));
        let described = k.run("describe function hello");
        assert!(
            described.contains("NoCapacity") && described.contains("no room"),
            "{described}"
        );
        let events = k.run("get events");
        assert!(
            events.contains("function/hello") && events.contains("NoCapacity"),
            "{events}"
        );
        assert!(k.run("events").contains("NoCapacity"));

        k.run("label fn hello tier=front");
        assert!(k.run("get fn -l tier=front").contains("hello"));
        assert!(
            k.run("get fn -l tier!=front")
                .contains("No resources found")
        );
        k.run("annotate fn hello note=1");
        k.run("patch fn hello --type=merge -p {\"spec\":{\"concurrency\":3}}");
        k.run("patch fn hello --type=json -p [{\"op\":\"remove\",\"path\":\"/metadata/annotations/note\"}]");
        k.run("scale fn hello --replicas=4");
        assert_eq!(
            k.run("get fn hello -o jsonpath={.spec.scaling.pinned}"),
            "4"
        );

        let editor = house.path("editor.sh");
        std::fs::write(
            &editor,
            "#!/bin/sh\nsed -i 's/concurrency: 3/concurrency: 5/' \"$1\"\n",
        )
        .unwrap();
        executable(&editor);
        let edited = k
            .command(&["edit", "fn", "hello"])
            .env("KUBE_EDITOR", &editor)
            .output()
            .unwrap();
        assert!(
            edited.status.success(),
            "{}",
            String::from_utf8_lossy(&edited.stderr)
        );
        assert_eq!(k.run("get fn hello -o jsonpath={.spec.concurrency}"), "5");

        let yaml = k.run("get fn hello -o yaml");
        assert!(k.input(&["replace", "-f", "-"], &yaml).contains("replaced"));
        assert!(k.input(&["diff", "-f", "-"], &yaml).is_empty());
        assert!(k.run("delete fn hello").contains("deleted"));
        assert!(
            k.fails(&["get", "fn", "hello"], "")
                .contains("functions \"hello\" not found")
        );
    });
}

fn executable(path: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn bad_input_is_told_at_apply_time() {
    with_kubectl(|_, k| {
        let unknown = HELLO
            .replace("handler:", "handlr:")
            .replace("source:", "sauce: 1\n  source:");
        let told = k.fails(&["apply", "-f", "-"], &unknown);
        assert!(
            told.contains("unknown field \"spec.handlr\", unknown field \"spec.sauce\""),
            "{told}"
        );
        let wrong = HELLO.replace("handler: func.main", "timeoutSeconds: soon");
        let told = k.fails(&["apply", "-f", "-"], &wrong);
        assert!(
            told.contains("spec.timeoutSeconds: found string \"soon\""),
            "{told}"
        );
        let name = HELLO.replace("name: hello", "name: \"a b\"");
        let told = k.fails(&["apply", "-f", "-"], &name);
        assert!(told.contains("1 to 80 letters"), "{told}");
        let warned = HELLO.replace(
            "source: { inline: { func.py: \"def main(p): return p\" } }",
            "userUploadFilePath: ./x",
        );
        let told = k.input(&["apply", "-f", "-"], &warned);
        assert!(told.contains("Warning: spec.userUploadFilePath"), "{told}");
        let told = k.fails(&["run", "p", "--image=x"], "");
        assert!(told.contains("apply a Function instead"), "{told}");
    });
}

#[test]
fn discovery_explain_and_apply_server_side() {
    with_kubectl(|_, k| {
        let resources = k.run("api-resources");
        for word in [
            "functions",
            "fn",
            "statemachines",
            "replicasets",
            "apps/v1",
            "workflowruns",
        ] {
            assert!(resources.contains(word), "{word}: {resources}");
        }
        assert!(k.run("api-versions").contains("apps/v1"));
        let explained = k.run("explain function.spec.scaling.pinned");
        assert!(explained.contains("Exactly so many pods"), "{explained}");
        let explained = k.run("explain function.spec");
        assert!(
            explained.contains("userUploadFilePath") && explained.contains("<string>"),
            "{explained}"
        );
        assert!(k.run("explain rs --recursive").contains("matchLabels"));
        assert!(k.run("version").contains("troupe"));

        let apply = ["apply", "--server-side", "-f", "-"];
        assert!(k.input(&apply, HELLO).contains("serverside-applied"));
        k.run("patch fn hello --type=merge -p {\"spec\":{\"handler\":\"other.main\"}}");
        let conflict = k.fails(&apply, HELLO);
        assert!(
            conflict.contains("Apply failed with 1 conflict") && conflict.contains(".spec.handler"),
            "{conflict}"
        );
        k.input(
            &["apply", "--server-side", "--force-conflicts", "-f", "-"],
            HELLO,
        );
        assert_eq!(
            k.run("get fn hello -o jsonpath={.spec.handler}"),
            "func.main"
        );
        assert!(
            k.input(&["apply", "--dry-run=server", "-f", "-"], HELLO)
                .contains("server dry run")
        );
        // From client side to server side, as kubectl migrates.
        let two = HELLO.replace("name: hello", "name: two");
        k.input(&["apply", "-f", "-"], &two);
        let changed = two.replace("func.main", "other.main");
        assert!(k.input(&apply, &changed).contains("serverside-applied"));
        assert_eq!(
            k.run("get fn two -o jsonpath={.spec.handler}"),
            "other.main"
        );
    });
}

#[test]
fn core_kinds_are_created_by_command() {
    with_kubectl(|_, k| {
        k.run("create ns team");
        k.run("create secret generic s -n team --from-literal=k=v");
        assert_eq!(k.run("get secret s -n team -o jsonpath={.data.k}"), "dg==");
        k.run("create configmap c -n team --from-literal=a=1");
        assert_eq!(k.run("get cm c -n team -o jsonpath={.data.a}"), "1");
        k.run("create secret generic dry -n team --from-literal=k=v --dry-run=server");
        assert!(
            k.fails(&["get", "secret", "dry", "-n", "team"], "")
                .contains("not found")
        );
    });
}

#[test]
fn a_namespace_goes_with_what_is_in_it() {
    with_kubectl(|_, k| {
        k.run("create ns team");
        k.run("create configmap c -n team --from-literal=a=1");
        assert!(k.run("describe ns team").contains("Active"));
        assert!(k.run("delete ns team --timeout=30s").contains("deleted"));
        assert!(
            k.fails(&["get", "cm", "c", "-n", "team"], "")
                .contains("not found")
        );
        let yaml = "apiVersion: v1\nkind: Namespace\nmetadata: {name: applied}\n";
        assert!(k.input(&["apply", "-f", "-"], yaml).contains("created"));
        let labelled =
            "apiVersion: v1\nkind: Namespace\nmetadata: {name: applied, labels: {a: b}}\n";
        assert!(
            k.input(&["apply", "-f", "-"], labelled)
                .contains("configured")
        );
    });
}

#[test]
fn wait_and_watch_see_changes() {
    with_kubectl(|house, k| {
        k.input(&["apply", "-f", "-"], HELLO);
        let mut watch = k
            .command(&["get", "fn", "-w", "--no-headers"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(watch.stdout.take().unwrap()).lines();
        assert!(lines.next().unwrap().unwrap().contains("Pending"));
        let mut single = k
            .command(&["get", "fn", "hello", "-w", "--no-headers"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut single_lines = BufReader::new(single.stdout.take().unwrap()).lines();
        assert!(single_lines.next().unwrap().unwrap().contains("Pending"));
        let mut waiting = k
            .command(&["wait", "--for=condition=Ready", "fn/hello", "--timeout=30s"])
            .spawn()
            .unwrap();
        let ready = |f: &mut Function| {
            f.status.conditions = vec![
                Condition::new("Built", true, "", ""),
                Condition::new("Ready", true, "", ""),
            ];
            true
        };
        block_on(
            house
                .objects
                .modify("default", "hello", Durability::Durable, ready),
        )
        .unwrap();
        assert!(waiting.wait().unwrap().success());
        assert!(lines.next().unwrap().unwrap().contains("Ready"));
        assert!(single_lines.next().unwrap().unwrap().contains("Ready"));
        watch.kill().unwrap();
        single.kill().unwrap();
        watch.wait().unwrap();
        single.wait().unwrap();
        k.run("wait --for=jsonpath={.spec.handler}=func.main fn/hello --timeout=30s");
        let mut gone = k
            .command(&["wait", "--for=delete", "fn/hello", "--timeout=30s"])
            .spawn()
            .unwrap();
        k.run("delete fn hello");
        assert!(gone.wait().unwrap().success());
    });
}

#[test]
fn pods_and_nodes_are_read_and_nodes_cordoned() {
    with_kubectl(|house, k| {
        block_on(async {
            let node = Node::with_metadata(ObjectMeta::named("", "n1"));
            house
                .objects
                .create(node, Durability::Durable)
                .await
                .unwrap();
            let mut pod = Pod::with_metadata(ObjectMeta::named("default", "p1"));
            pod.spec.node_name = Some("n1".to_owned());
            pod.spec.containers = vec![Container {
                name: "function".to_owned(),
                image: "i".to_owned(),
                ..Container::default()
            }];
            house
                .objects
                .create(pod, Durability::Durable)
                .await
                .unwrap();
        });
        assert!(k.run("get pods -o wide").contains("n1"));
        assert!(k.run("describe pod p1").contains("function"));
        assert!(
            k.run("logs p1 --tail=5")
                .contains("p1 line 1\ntail Some(5)")
        );
        assert!(k.run("cordon n1").contains("cordoned"));
        assert!(k.run("get nodes").contains("SchedulingDisabled"));
        k.run("taint node n1 a=b:NoSchedule");
        assert_eq!(k.run("get node n1 -o jsonpath={.spec.taints[0].key}"), "a");
        k.run("taint node n1 a-");
        assert_eq!(k.run("get node n1 -o jsonpath={.spec.taints}"), "");
        assert!(k.run("uncordon n1").contains("uncordoned"));
        let described = k.run("describe node n1");
        assert!(described.contains("p1"), "{described}");
        k.run("label node n1 disk=ssd");
        assert!(k.run("delete pod p1").contains("deleted"));
    });
}
