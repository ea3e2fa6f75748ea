use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use common::link::{Hello, NodeUsage, RuntimeKind};
use parking_lot::{Mutex, MutexGuard};

use crate::pods::Pods;

/// What all nodes of a fleet are like.
pub(crate) struct Machine {
    pub(crate) cpu_milli: u64,
    pub(crate) memory_bytes: u64,
    pub(crate) max_pods: u32,
    /// From a pod's assignment until it is ready.
    pub(crate) start: Duration,
}

/// One node, as its link, its data plane and who counts see it.
pub(crate) struct Node {
    pub(crate) name: String,
    pub(crate) machine: Arc<Machine>,
    linked: AtomicBool,
    pods: Mutex<Pods>,
}

impl Node {
    pub(crate) fn new(name: String, machine: Arc<Machine>) -> Self {
        Self {
            name,
            machine,
            linked: AtomicBool::new(false),
            pods: Mutex::default(),
        }
    }

    pub(crate) fn pods(&self) -> MutexGuard<'_, Pods> {
        self.pods.lock()
    }

    /// Whether a master has welcomed it.
    pub(crate) fn is_linked(&self) -> bool {
        self.linked.load(Ordering::Relaxed)
    }

    pub(crate) fn set_linked(&self, linked: bool) {
        self.linked.store(linked, Ordering::Relaxed);
    }

    pub(crate) fn usage(&self) -> NodeUsage {
        NodeUsage {
            pods: u32::try_from(self.pods().count().0).unwrap_or(u32::MAX),
            ..NodeUsage::default()
        }
    }

    pub(crate) fn hello(&self, data_addr: String) -> Hello {
        let simulated = "simulated".to_owned();
        Hello {
            node: self.name.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            arch: "amd64".to_owned(),
            python: "3.11".to_owned(),
            bases: Vec::new(),
            runtime: RuntimeKind::Docker,
            runtime_version: simulated.clone(),
            isolated: true,
            isolation_message: String::new(),
            no_warm_pods: None,
            cpu_milli: self.machine.cpu_milli,
            memory_bytes: self.machine.memory_bytes,
            max_pods: self.machine.max_pods,
            machine_id: self.name.clone(),
            boot_id: self.name.clone(),
            kernel: simulated.clone(),
            os_image: simulated,
            data_addr,
            labels: BTreeMap::new(),
        }
    }
}
