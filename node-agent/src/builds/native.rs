use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::Path;

const ELF: &[u8] = b"\x7fELF";

/// Whether a directory holds machine code, so that it serves one architecture only. Links are not
/// followed: what they lead to is looked at itself.
pub(super) fn holds_machine_code(directory: &Path) -> io::Result<bool> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() && holds_machine_code(&entry.path())?
            || kind.is_file() && is_elf(&entry.path())?
        {
            return Ok(true);
        }
    }
    Ok(false)
}

fn is_elf(path: &Path) -> io::Result<bool> {
    let mut start = Vec::new();
    File::open(path)?.take(4).read_to_end(&mut start)?;
    Ok(start == ELF)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_are_found_wherever_they_are() {
        let directory = tempfile::tempdir().unwrap();
        let deep = directory.path().join("site-packages/x");
        fs::create_dir_all(&deep).unwrap();
        fs::write(deep.join("text.so"), "no machine code").unwrap();
        assert!(!holds_machine_code(directory.path()).unwrap());
        fs::write(deep.join("lib.bin"), b"\x7fELF....").unwrap();
        assert!(holds_machine_code(directory.path()).unwrap());
    }
}
