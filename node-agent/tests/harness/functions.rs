use common::archive::{Limits, Packing, pack, pack_gzip};
use common::digest::Digest;
use common::link::{BuildOrder, Origin, PodAssignment};

use super::master::FakeMaster;

/// Entries that no archive may hold.
pub const HOSTILE: [(&str, tar::EntryType, &str); 4] = [
    ("../../escaped", tar::EntryType::Regular, ""),
    ("/etc/escaped", tar::EntryType::Regular, ""),
    ("link", tar::EntryType::Symlink, "/etc/passwd"),
    ("dev", tar::EntryType::Char, ""),
];

/// An archive of one such entry, that everybody may run as its owner.
pub fn hostile(name: &str, kind: tar::EntryType, link: &str) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    let old = header.as_old_mut();
    old.name[..name.len()].copy_from_slice(name.as_bytes());
    old.linkname[..link.len()].copy_from_slice(link.as_bytes());
    header.set_entry_type(kind);
    header.set_size(0);
    header.set_mode(0o6755);
    header.set_cksum();
    tar.append(&header, std::io::empty()).unwrap();
    tar.into_inner().unwrap()
}

/// As sources are packed.
pub fn gzipped(tar: &[u8]) -> Vec<u8> {
    let mut out = flate2::write::GzEncoder::new(Vec::new(), Default::default());
    std::io::Write::write_all(&mut out, tar).unwrap();
    out.finish().unwrap()
}

fn write(files: &[(&str, &str)]) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = directory.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    directory
}

/// Stores a layer of these files; returns a pod that runs it.
pub fn pod(master: &FakeMaster, uid: &str, files: &[(&str, &str)]) -> PodAssignment {
    let directory = write(files);
    let packing = Packing {
        prefix: "function",
        ..Packing::upload(Limits::bytes(1 << 24))
    };
    let mut tar = Vec::new();
    pack(directory.path(), &packing, &mut tar).unwrap();
    let size = tar.len() as u64;
    let digest = master.store(tar);
    PodAssignment {
        uid: uid.to_owned(),
        namespace: "default".to_owned(),
        name: format!("pod-{uid}"),
        function: "f".to_owned(),
        revision: "r1".to_owned(),
        origin: Origin::Layer {
            digest,
            size,
            full_base: false,
            image: None,
        },
        handler: None,
        style: None,
        concurrency: 4,
        timeout_seconds: 30,
        max_body_bytes: 6 << 20,
        env: vec![("GREETING".to_owned(), "hello".to_owned())],
        cpu_milli: 1000,
        memory_bytes: 256 << 20,
        egress: true,
        grace_seconds: 5,
    }
}

/// A pod of one `func.py`.
pub fn simple(master: &FakeMaster, uid: &str, code: &str) -> PodAssignment {
    pod(master, uid, &[("func.py", code)])
}

/// Stores a source of these files; returns the order to build it.
pub fn build(master: &FakeMaster, id: &str, files: &[(&str, &str)]) -> BuildOrder {
    let directory = write(files);
    let mut archive = Vec::new();
    let packing = Packing::upload(Limits::bytes(1 << 24));
    pack_gzip(directory.path(), &packing, &mut archive).unwrap();
    order(id, master.store(archive))
}

pub fn order(id: &str, source: Digest) -> BuildOrder {
    BuildOrder {
        id: id.to_owned(),
        namespace: "default".to_owned(),
        function: "f".to_owned(),
        source,
        handler: None,
        style: None,
        full_base: false,
        arch: node_agent::machine::arch().to_owned(),
        python: String::new(),
        timeout_seconds: 120,
        max_layer_bytes: 64 << 20,
    }
}
