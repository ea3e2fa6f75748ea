//! Rebuilds when the embedded Python server changes.

fn main() {
    println!("cargo::rerun-if-changed=../func-base/troupe_pod");
}
