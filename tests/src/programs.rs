use std::path::{Path, PathBuf};
use std::process::Command;

/// One of the programs under test, from the directory that this test was built into.
///
/// # Panics
/// When it was not built: `make test` does, and so does `cargo build --workspace --bins`.
#[must_use]
pub fn program(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let path = test.ancestors().nth(2).unwrap().join(name);
    assert!(
        path.exists(),
        "{} is not there: cargo build --workspace --bins",
        path.display()
    );
    path
}

/// The repository, for the examples.
#[must_use]
pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// The real kubectl: the first on PATH that is not one of ours.
///
/// # Panics
/// When there is none.
#[must_use]
pub fn real_kubectl() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .map(|folder| folder.join("kubectl"))
        .find(|file| file.is_file() && is_real(file))
        .expect("no real kubectl on PATH")
}

fn is_real(file: &Path) -> bool {
    let said = Command::new(file).args(["version", "--client"]).output();
    said.is_ok_and(|said| String::from_utf8_lossy(&said.stdout).contains("Kustomize"))
}
