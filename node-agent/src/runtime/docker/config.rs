//! What containers are made of. Pure.

use std::collections::HashMap;
use std::path::Path;

use bollard::models::{
    ContainerCreateBody, HostConfig, HostConfigLogConfig, Mount, MountTmpfsOptions, MountType,
    ResourcesUlimits,
};
use common::link::{Origin, PodAssignment};

use super::DockerOptions;
use super::network;
use crate::runtime::{PodStart, Step, function_environment};

/// Which agent made it.
pub(super) const AGENT_LABEL: &str = "troupe.dev/agent";
/// Which pod it is; steps of builds have none.
pub(super) const POD_LABEL: &str = "troupe.dev/pod";
const NODE_LABEL: &str = "troupe.dev/node";
const NAME_LABEL: &str = "troupe.dev/name";

const SERVER: &str = "/opt/troupe/troupe_pod";
const FUNCTION: &str = "/function";
const PACKAGES: &str = "/opt/troupe/packages";
const RUN: &str = "/run/pod";
const BUILD: &str = "/build";
const OPEN_FILES: i64 = 8192;
const TMP: &str = "rw,nosuid,nodev,size=64m,mode=1777";
const VOLUME_BYTES: i64 = 64 << 20;

/// A pod's container. `image` is the function base, for functions that are put over it here, or has
/// all that is needed.
pub(super) fn pod(options: &DockerOptions, image: &str, pod: PodStart<'_>) -> ContainerCreateBody {
    let assignment = pod.assignment;
    let mut mounts = Vec::new();
    if assignment.origin.port().is_none() {
        mounts.push(bind(&pod.directory.join("run"), RUN, false));
    }
    if let Some(function) = pod.function {
        mounts.push(bind(function, FUNCTION, true));
    }
    if let Some(packages) = pod.packages {
        mounts.push(bind(packages, PACKAGES, true));
    }
    // What an image says to be a volume would be a directory on the host without a limit.
    let volumes = pod.image.map(|image| image.volumes.as_slice());
    mounts.extend(volumes.unwrap_or_default().iter().map(|path| memory(path)));
    // A custom image brings its own server.
    let ours = matches!(assignment.origin, Origin::Layer { .. });
    if ours {
        mounts.push(bind(&options.server, SERVER, true));
    }
    let limits = Limits {
        memory_bytes: assignment.memory_bytes,
        cpu_milli: assignment.cpu_milli,
        tasks: options.max_tasks,
        network: if assignment.egress {
            network::name(&options.node_id)
        } else {
            "none".to_owned()
        },
    };
    let server = [options.settings.python.as_str(), "-I", SERVER].map(ToOwned::to_owned);
    let mut labels = labels(options);
    labels.insert(POD_LABEL.to_owned(), assignment.uid.clone());
    let name = format!("{}/{}", assignment.namespace, assignment.name);
    labels.insert(NAME_LABEL.to_owned(), name);
    ContainerCreateBody {
        image: Some(image.to_owned()),
        entrypoint: ours.then(|| server.to_vec()),
        cmd: ours.then(Vec::new),
        env: Some(environment(pod_environment(assignment))),
        working_dir: ours.then(|| "/tmp".to_owned()),
        hostname: Some("pod".to_owned()),
        user: Some(user(pod.user)),
        labels: Some(labels),
        stop_signal: Some("SIGTERM".to_owned()),
        host_config: Some(host(options, limits, mounts)),
        ..ContainerCreateBody::default()
    }
}

fn pod_environment(assignment: &PodAssignment) -> Vec<(String, String)> {
    let socket = format!("{RUN}/{}", common::pod_protocol::SOCKET_NAME);
    let mut all = function_environment(assignment, &socket, FUNCTION, "/tmp");
    if let Origin::Image { port, .. } = &assignment.origin {
        // Its own are better, unless the user says otherwise.
        let said = |key: &str| assignment.env.iter().any(|(name, _)| name == key);
        all.retain(|(key, _)| !matches!(key.as_str(), "PATH" | "LANG") || said(key));
        if let Some(port) = port {
            all.retain(|(key, _)| key != common::pod_protocol::env::SOCKET);
            all.push(("PORT".to_owned(), port.to_string()));
        }
    }
    all
}

/// The container of one step of a build.
pub(super) fn step(options: &DockerOptions, image: &str, step: Step<'_>) -> ContainerCreateBody {
    let fill = |text: &str| text.replace("{server}", SERVER).replace("{build}", BUILD);
    let working = step
        .working
        .strip_prefix(step.build)
        .unwrap_or_else(|_| Path::new(""));
    let mut mounts = vec![
        bind(step.build, BUILD, false),
        bind(&options.server, SERVER, true),
    ];
    // Certificates and packages that the node's environment names are there under the same path.
    for path in step.files() {
        let target = path.to_string_lossy();
        let known = mounts
            .iter()
            .any(|mount| mount.target.as_deref() == Some(&*target));
        if !known {
            mounts.push(bind(path, &target, true));
        }
    }
    let limits = Limits {
        memory_bytes: step.memory_bytes,
        cpu_milli: 0,
        tasks: 512,
        network: if step.network {
            network::name(&options.node_id)
        } else {
            "none".to_owned()
        },
    };
    let filled = step
        .environment
        .iter()
        .map(|(key, value)| (key.clone(), fill(value)));
    let python = [options.settings.python.clone()];
    ContainerCreateBody {
        image: Some(image.to_owned()),
        entrypoint: Some(python.to_vec()),
        cmd: Some(
            step.arguments
                .iter()
                .map(|argument| fill(argument))
                .collect(),
        ),
        env: Some(environment(filled.collect())),
        working_dir: Some(Path::new(BUILD).join(working).display().to_string()),
        user: Some(user(step.user)),
        labels: Some(labels(options)),
        host_config: Some(host(options, limits, mounts)),
        ..ContainerCreateBody::default()
    }
}

struct Limits {
    memory_bytes: u64,
    cpu_milli: u64,
    tasks: u64,
    network: String,
}

fn host(options: &DockerOptions, limits: Limits, mounts: Vec<Mount>) -> HostConfig {
    let number = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
    let memory = number(limits.memory_bytes);
    let log = HashMap::from([
        ("max-size".to_owned(), options.log_bytes.to_string()),
        ("max-file".to_owned(), "2".to_owned()),
    ]);
    HostConfig {
        mounts: Some(mounts),
        network_mode: Some(limits.network),
        readonly_rootfs: Some(true),
        tmpfs: Some(HashMap::from([("/tmp".to_owned(), TMP.to_owned())])),
        cap_drop: Some(vec!["ALL".to_owned()]),
        security_opt: Some(vec!["no-new-privileges:true".to_owned()]),
        pids_limit: Some(number(limits.tasks)),
        memory: Some(memory),
        // Equal: no swap beyond it.
        memory_swap: Some(memory),
        nano_cpus: (limits.cpu_milli > 0).then(|| number(limits.cpu_milli * 1_000_000)),
        ulimits: Some(vec![ResourcesUlimits {
            name: Some("nofile".to_owned()),
            soft: Some(OPEN_FILES),
            hard: Some(OPEN_FILES),
        }]),
        log_config: Some(HostConfigLogConfig {
            typ: Some("json-file".to_owned()),
            config: Some(log),
        }),
        ..HostConfig::default()
    }
}

/// Not a `binds` text, in which a colon in a path would change the meaning.
fn bind(source: &Path, target: &str, read_only: bool) -> Mount {
    Mount {
        typ: Some(MountType::BIND),
        source: Some(source.display().to_string()),
        target: Some(target.to_owned()),
        read_only: Some(read_only),
        ..Mount::default()
    }
}

fn memory(target: &str) -> Mount {
    Mount {
        typ: Some(MountType::TMPFS),
        target: Some(target.to_owned()),
        tmpfs_options: Some(MountTmpfsOptions {
            size_bytes: Some(VOLUME_BYTES),
            mode: Some(0o1777),
            ..MountTmpfsOptions::default()
        }),
        ..Mount::default()
    }
}

fn labels(options: &DockerOptions) -> HashMap<String, String> {
    HashMap::from([
        (AGENT_LABEL.to_owned(), options.node_id.clone()),
        (NODE_LABEL.to_owned(), options.node.clone()),
    ])
}

fn user(user: Option<u32>) -> String {
    let user = user.unwrap_or_else(|| nix::unistd::geteuid().as_raw());
    format!("{user}:{user}")
}

fn environment(pairs: Vec<(String, String)>) -> Vec<String> {
    pairs
        .into_iter()
        .map(|(key, value)| format!("{key}={value}"))
        .collect()
}
