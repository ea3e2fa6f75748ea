use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::Path;

use proptest::prelude::*;
use tar::{Builder, EntryType, Header};

use super::*;

const LIMITS: Limits = Limits::bytes(1 << 20);

fn packed(directory: &Path) -> Vec<u8> {
    let mut out = Vec::new();
    pack_gzip(directory, &Packing::upload(LIMITS), &mut out).unwrap();
    out
}

/// Every path beneath a directory with what is there.
fn content(directory: &Path) -> BTreeMap<String, String> {
    fn walk(root: &Path, at: &Path, out: &mut BTreeMap<String, String>) {
        for entry in fs::read_dir(at).unwrap() {
            let path = entry.unwrap().path();
            let metadata = fs::symlink_metadata(&path).unwrap();
            let name = path.strip_prefix(root).unwrap().display().to_string();
            let what = if metadata.is_symlink() {
                format!("-> {}", fs::read_link(&path).unwrap().display())
            } else if metadata.is_dir() {
                walk(root, &path, out);
                format!("dir {:o}", metadata.mode() & 0o7777)
            } else {
                format!(
                    "file {:o} {:?}",
                    metadata.mode() & 0o7777,
                    fs::read(&path).unwrap()
                )
            };
            out.insert(name, what);
        }
    }
    let mut out = BTreeMap::new();
    walk(directory, directory, &mut out);
    out
}

/// One entry, with any name and type, as a hostile packer writes it.
fn append(tar: &mut Builder<Vec<u8>>, name: &str, kind: EntryType, link: &str, mode: u32) {
    let mut header = Header::new_gnu();
    let old = header.as_old_mut();
    let length = name.len().min(99);
    old.name[..length].copy_from_slice(&name.as_bytes()[..length]);
    let length = link.len().min(99);
    old.linkname[..length].copy_from_slice(&link.as_bytes()[..length]);
    header.set_entry_type(kind);
    header.set_mode(mode);
    let data: &[u8] = if kind == EntryType::Regular {
        b"data"
    } else {
        b""
    };
    header.set_size(data.len() as u64);
    header.set_cksum();
    tar.append(&header, data).unwrap();
}

fn refusal(entries: &[(&str, EntryType, &str)]) -> String {
    let mut tar = Builder::new(Vec::new());
    for (name, kind, link) in entries {
        append(&mut tar, name, *kind, link, 0o644);
    }
    let outer = tempfile::tempdir().unwrap();
    let result = unpack(
        &tar.into_inner().unwrap()[..],
        &outer.path().join("in"),
        LIMITS,
    );
    assert_eq!(
        fs::read_dir(outer.path()).unwrap().count(),
        1,
        "wrote outside"
    );
    result.unwrap_err().to_string()
}

#[test]
fn what_was_packed_comes_out_again() {
    let from = tempfile::tempdir().unwrap();
    let root = from.path();
    fs::create_dir_all(root.join("a/b")).unwrap();
    fs::create_dir_all(root.join(".git")).unwrap();
    fs::create_dir_all(root.join("a/__pycache__")).unwrap();
    fs::write(root.join("a/__pycache__/x.pyc"), "skipped").unwrap();
    fs::write(root.join(".git/config"), "skipped").unwrap();
    fs::write(root.join("func.py"), "def main(p): return p\n").unwrap();
    fs::write(root.join(format!("a/b/{}", "n".repeat(200))), "long").unwrap();
    fs::write(root.join("run.sh"), "#!").unwrap();
    fs::set_permissions(root.join("run.sh"), fs::Permissions::from_mode(0o4775)).unwrap();
    symlink("../func.py", root.join("a/link")).unwrap();
    let to = tempfile::tempdir().unwrap();
    unpack_gzip(&packed(root)[..], to.path(), LIMITS).unwrap();
    let found = content(to.path());
    assert_eq!(found.len(), 6, "{found:#?}");
    assert_eq!(found["a/link"], "-> ../func.py");
    assert!(found["run.sh"].starts_with("file 755"));
    assert_eq!(packed(root), packed(to.path()));
}

#[test]
fn hostile_entries_are_refused() {
    use EntryType as T;
    type Entries<'a> = &'a [(&'a str, EntryType, &'a str)];
    let cases: &[(Entries<'_>, &str)] = &[
        (&[("../x", T::Regular, "")], "climbs"),
        (&[("a/../../x", T::Regular, "")], "climbs"),
        (&[("/etc/x", T::Regular, "")], "absolute"),
        (&[("l", T::Symlink, "/etc/passwd")], "leads outside"),
        (&[("l", T::Symlink, "../x")], "leads outside"),
        (&[("d/l", T::Symlink, "../../x")], "leads outside"),
        (&[("l", T::Symlink, "d/../x")], "leads outside"),
        (
            &[
                ("d", T::Directory, ""),
                ("l", T::Symlink, "d"),
                ("l/x", T::Regular, ""),
            ],
            "or link stands",
        ),
        (&[("x", T::Regular, ""), ("x", T::Regular, "")], "twice"),
        (&[("x", T::Regular, ""), ("h", T::Link, "x")], "of type"),
        (&[("dev", T::Block, "")], "of type"),
        (&[("dev", T::Char, "")], "of type"),
        (&[("pipe", T::Fifo, "")], "of type"),
        (&[("s", T::GNUSparse, "")], "of type"),
    ];
    for (entries, wanted) in cases {
        let error = refusal(entries);
        assert!(error.contains(wanted), "{entries:?}: {error}");
    }
}

#[test]
fn setuid_bits_do_not_come_out() {
    let mut tar = Builder::new(Vec::new());
    append(&mut tar, "su", EntryType::Regular, "", 0o6755);
    append(&mut tar, "d", EntryType::Directory, "", 0o7777);
    let to = tempfile::tempdir().unwrap();
    unpack(&tar.into_inner().unwrap()[..], to.path(), LIMITS).unwrap();
    let mode = |name: &str| fs::metadata(to.path().join(name)).unwrap().mode() & 0o7777;
    assert_eq!((mode("su"), mode("d")), (0o755, 0o755));
}

#[test]
fn limits_hold_for_bombs_too() {
    let from = tempfile::tempdir().unwrap();
    fs::write(from.path().join("zeros"), vec![0; 4 << 20]).unwrap();
    let mut bomb = Vec::new();
    let packing = Packing::upload(Limits::bytes(8 << 20));
    pack_gzip(from.path(), &packing, &mut bomb).unwrap();
    let to = tempfile::tempdir().unwrap();
    let error = unpack_gzip(&bomb[..], to.path(), LIMITS)
        .unwrap_err()
        .to_string();
    assert!(error.contains("more than 1048576 bytes"), "{error}");
    assert!(content(to.path()).is_empty());
    let error = pack(from.path(), &Packing::upload(LIMITS), Vec::new()).unwrap_err();
    assert!(matches!(error, Error::Limit { .. }));
    for index in 0..5 {
        fs::write(from.path().join(format!("f{index}")), "").unwrap();
    }
    let few = Limits {
        entries: 3,
        ..Limits::bytes(8 << 20)
    };
    assert!(matches!(
        pack(from.path(), &Packing::upload(few), Vec::new()),
        Err(Error::Limit { .. })
    ));
}

#[test]
fn cut_off_archives_are_noticed() {
    let from = tempfile::tempdir().unwrap();
    fs::write(from.path().join("f"), vec![7; 5000]).unwrap();
    let whole = packed(from.path());
    let to = tempfile::tempdir().unwrap();
    assert!(unpack_gzip(&whole[..whole.len() / 2], to.path(), LIMITS).is_err());
    assert!(unpack_gzip(&b"no gzip"[..], to.path(), LIMITS).is_err());
}

#[test]
fn links_out_of_the_directory_are_not_packed() {
    let from = tempfile::tempdir().unwrap();
    symlink("/etc/shadow", from.path().join("l")).unwrap();
    let error = pack(from.path(), &Packing::upload(LIMITS), Vec::new()).unwrap_err();
    assert!(error.to_string().contains("leads outside"));
    fs::remove_file(from.path().join("l")).unwrap();
    fs::write(from.path().join("f"), "").unwrap();
    let owner = fs::metadata(from.path()).unwrap().uid() + 1;
    let foreign = Packing {
        owner: Some(owner),
        ..Packing::upload(LIMITS)
    };
    assert!(pack(from.path(), &foreign, Vec::new()).is_err());
    let layer = Packing {
        prefix: "function",
        ..Packing::upload(LIMITS)
    };
    symlink("../outside", from.path().join("l")).unwrap();
    assert!(pack(from.path(), &layer, Vec::new()).is_err());
}

fn hostile_path() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::collection::vec(
            prop_oneof![
                "[a-c]",
                Just("..".to_owned()),
                Just(".".to_owned()),
                Just(String::new())
            ],
            1..5
        )
        .prop_map(|parts| parts.join("/")),
        ".{0,20}",
    ]
}

proptest! {
    #[test]
    fn the_same_content_packs_to_the_same_bytes(
        files in prop::collection::btree_map("[a-c]/[a-z]{1,3}(/[a-z]x)?", prop::collection::vec(any::<u8>(), 0..40), 0..8)
    ) {
        let one = tempfile::tempdir().unwrap();
        let two = tempfile::tempdir().unwrap();
        let write = |root: &Path, (name, data): (&String, &Vec<u8>)| {
            let path = root.join(name);
            if fs::create_dir_all(path.parent().unwrap()).is_ok() && !path.is_dir() {
                fs::write(path, data).unwrap();
            }
        };
        files.iter().for_each(|file| write(one.path(), file));
        for (name, _) in content(one.path()).iter().rev() {
            if let Some(file) = files.get_key_value(name) {
                write(two.path(), file);
            } else {
                fs::create_dir_all(two.path().join(name)).unwrap();
            }
        }
        prop_assert_eq!(packed(one.path()), packed(two.path()));
        let out = tempfile::tempdir().unwrap();
        unpack_gzip(&packed(one.path())[..], out.path(), LIMITS).unwrap();
        prop_assert_eq!(content(one.path()), content(out.path()));
    }

    #[test]
    fn nothing_is_written_or_reachable_outside(
        entries in prop::collection::vec((hostile_path(), 0_u8..8, hostile_path(), any::<u16>()), 0..12)
    ) {
        let outer = tempfile::tempdir().unwrap();
        fs::write(outer.path().join("sentinel"), "untouched").unwrap();
        let mut tar = Builder::new(Vec::new());
        for (name, kind, link, mode) in &entries {
            append(&mut tar, name, EntryType::new(b'0' + kind), link, u32::from(*mode));
        }
        let root = outer.path().join("in");
        let _ = unpack(&tar.into_inner().unwrap()[..], &root, LIMITS);
        let mut outside: Vec<_> =
            fs::read_dir(outer.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        outside.sort();
        prop_assert_eq!(outside, ["in", "sentinel"]);
        let root = root.canonicalize().unwrap();
        for (name, what) in content(&root) {
            if what.starts_with("->") && let Ok(end) = root.join(&name).canonicalize() {
                prop_assert!(end.starts_with(&root), "{} leads to {}", name, end.display());
            }
        }
    }

    #[test]
    fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
        let to = tempfile::tempdir().unwrap();
        let _ = unpack(&bytes[..], to.path(), LIMITS);
        let _ = unpack_gzip(&bytes[..], to.path(), LIMITS);
    }
}
