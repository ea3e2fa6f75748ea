//! What containers are made of. Pure.

use std::collections::HashMap;
use std::path::Path;

use bollard::models::{
    ContainerCreateBody, ContainerUpdateBody, HostConfig, HostConfigLogConfig, Mount,
    MountBindOptions, MountBindOptionsPropagationEnum, MountTmpfsOptions, MountType,
    ResourcesUlimits,
};
use common::link::{Origin, PodAssignment};
use common::pod_protocol::env;

use super::DockerOptions;
use super::network;
use crate::runtime::{
    GenericStart, Kind, Limits, PodStart, Step, function_environment, generic, plain_environment,
};

/// Which agent made it.
pub(super) const AGENT_LABEL: &str = "troupe.dev/agent";
/// Which pod it is; steps of builds have none.
pub(super) const POD_LABEL: &str = "troupe.dev/pod";
const NODE_LABEL: &str = "troupe.dev/node";
const NAME_LABEL: &str = "troupe.dev/name";

const SERVER: &str = "/opt/troupe/troupe_pod";
const FUNCTION: &str = "/function";
const PACKAGES: &str = "/opt/troupe/packages";
/// Directories of a generic pod that stand for those inside.
pub(super) const FUNCTION_PLACE: &str = "function";
pub(super) const PACKAGES_PLACE: &str = "packages";
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
    };
    let network = network_of(options, assignment.egress);
    let server = server(options);
    let mut labels = labels(options);
    labels.insert(POD_LABEL.to_owned(), assignment.uid.clone());
    let name = format!("{}/{}", assignment.namespace, assignment.name);
    labels.insert(NAME_LABEL.to_owned(), name);
    ContainerCreateBody {
        image: Some(image.to_owned()),
        entrypoint: ours.then_some(server),
        cmd: ours.then(Vec::new),
        env: Some(environment(pod_environment(assignment))),
        working_dir: ours.then(|| "/tmp".to_owned()),
        hostname: Some("pod".to_owned()),
        user: Some(user(pod.user)),
        labels: Some(labels),
        stop_signal: Some("SIGTERM".to_owned()),
        host_config: Some(host(options, limits, network, mounts)),
        ..ContainerCreateBody::default()
    }
}

/// A container that waits for its function, behind all others until it does. What is put over
/// [`FUNCTION_PLACE`] and [`PACKAGES_PLACE`] in its directory later appears inside.
pub(super) fn generic(
    options: &DockerOptions,
    image: &str,
    start: GenericStart<'_>,
) -> ContainerCreateBody {
    let place = |name: &str, target: &str| Mount {
        bind_options: Some(MountBindOptions {
            propagation: Some(MountBindOptionsPropagationEnum::RSLAVE),
            ..MountBindOptions::default()
        }),
        ..bind(&start.directory.join(name), target, true)
    };
    let mounts = vec![
        bind(&start.directory.join("run"), RUN, false),
        place(FUNCTION_PLACE, FUNCTION),
        place(PACKAGES_PLACE, PACKAGES),
        bind(&options.server, SERVER, true),
    ];
    let limits = Limits {
        tasks: options.max_tasks,
        ..generic::LIMITS
    };
    let network = network_of(options, start.kind == Kind::Egress);
    let mut environment = plain_environment("/tmp");
    environment.push((env::SOCKET.to_owned(), socket()));
    environment.push((env::GENERIC.to_owned(), "1".to_owned()));
    let mut labels = labels(options);
    labels.insert(POD_LABEL.to_owned(), start.id.to_owned());
    ContainerCreateBody {
        image: Some(image.to_owned()),
        entrypoint: Some(server(options)),
        cmd: Some(Vec::new()),
        env: Some(self::environment(environment)),
        working_dir: Some("/tmp".to_owned()),
        hostname: Some("pod".to_owned()),
        user: Some(user(start.user)),
        labels: Some(labels),
        stop_signal: Some("SIGTERM".to_owned()),
        host_config: Some(HostConfig {
            cpu_shares: Some(generic::BEHIND.into()),
            ..host(options, limits, network, mounts)
        }),
        ..ContainerCreateBody::default()
    }
}

/// What the engine is to know of a container that was generic: its limits, and that it counts like
/// any other.
pub(super) fn update(limits: Limits) -> ContainerUpdateBody {
    let memory = number(limits.memory_bytes);
    ContainerUpdateBody {
        memory: Some(memory),
        memory_swap: Some(memory),
        nano_cpus: Some(number(limits.cpu_milli * 1_000_000)),
        cpu_shares: Some(generic::USUAL.into()),
        ..ContainerUpdateBody::default()
    }
}

/// The environment of a pod that was generic.
pub(super) fn word(pod: PodStart<'_>) -> Vec<(String, String)> {
    let mut all = pod_environment(pod.assignment);
    if pod.packages.is_some() {
        all.push((env::PACKAGES.to_owned(), PACKAGES.to_owned()));
    }
    all
}

fn server(options: &DockerOptions) -> Vec<String> {
    [options.settings.python.as_str(), "-I", SERVER]
        .map(ToOwned::to_owned)
        .to_vec()
}

fn network_of(options: &DockerOptions, egress: bool) -> String {
    if egress {
        network::name(&options.node_id)
    } else {
        "none".to_owned()
    }
}

fn socket() -> String {
    format!("{RUN}/{}", common::pod_protocol::SOCKET_NAME)
}

fn pod_environment(assignment: &PodAssignment) -> Vec<(String, String)> {
    let mut all = function_environment(assignment, &socket(), FUNCTION, "/tmp");
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
    };
    let network = network_of(options, step.network);
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
        host_config: Some(host(options, limits, network, mounts)),
        ..ContainerCreateBody::default()
    }
}

fn number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn host(
    options: &DockerOptions,
    limits: Limits,
    network: String,
    mounts: Vec<Mount>,
) -> HostConfig {
    let memory = number(limits.memory_bytes);
    let log = HashMap::from([
        ("max-size".to_owned(), options.log_bytes.to_string()),
        ("max-file".to_owned(), "2".to_owned()),
    ]);
    HostConfig {
        mounts: Some(mounts),
        network_mode: Some(network),
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
