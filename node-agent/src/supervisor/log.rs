use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use super::{LOG_FILE, OLD_LOG_FILE};

/// Carries what the processes print into a file that is turned over when it is full.
pub(super) struct Log {
    pipe: Option<io::PipeReader>,
    directory: PathBuf,
    file: File,
    size: u64,
    limit: u64,
}

impl Log {
    /// The log and the end of the pipe that the processes write to.
    pub(super) fn open(directory: &Path, limit: u64) -> io::Result<(Self, io::PipeWriter)> {
        let (reader, writer) = io::pipe()?;
        set_nonblocking(reader.as_fd())?;
        let (file, size) = open(directory)?;
        let directory = directory.to_owned();
        Ok((
            Self {
                pipe: Some(reader),
                directory,
                file,
                size,
                limit,
            },
            writer,
        ))
    }

    pub(super) fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        self.pipe.as_ref().map(AsFd::as_fd)
    }

    /// Writes what stands in the pipe. Stops at a full disk: the processes must not hang on it.
    pub(super) fn take(&mut self) {
        let mut buffer = [0; 64 << 10];
        while let Some(pipe) = &mut self.pipe {
            match pipe.read(&mut buffer) {
                Ok(0) => self.pipe = None,
                Ok(count) => {
                    let _ = self.write(&buffer[..count]);
                    if count < buffer.len() {
                        return;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(_) => self.pipe = None,
            }
        }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.size > 0 && self.size + bytes.len() as u64 > self.limit {
            fs::rename(
                self.directory.join(LOG_FILE),
                self.directory.join(OLD_LOG_FILE),
            )?;
            (self.file, self.size) = open(&self.directory)?;
        }
        self.file.write_all(bytes)?;
        self.size += bytes.len() as u64;
        Ok(())
    }
}

fn open(directory: &Path) -> io::Result<(File, u64)> {
    let path = directory.join(LOG_FILE);
    let file = OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(path)?;
    let size = file.metadata()?.len();
    Ok((file, size))
}

fn set_nonblocking(descriptor: BorrowedFd<'_>) -> io::Result<()> {
    use nix::fcntl::{FcntlArg, OFlag, fcntl};
    let flags = OFlag::from_bits_retain(fcntl(descriptor, FcntlArg::F_GETFL)?);
    fcntl(descriptor, FcntlArg::F_SETFL(flags | OFlag::O_NONBLOCK))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_log_is_turned_over_and_never_more_than_two_files_stand() {
        let directory = tempfile::tempdir().unwrap();
        let (mut log, mut writer) = Log::open(directory.path(), 100).unwrap();
        for index in 0..20 {
            writeln!(writer, "line {index:02} {}", "x".repeat(20)).unwrap();
            log.take();
        }
        let read = |name| fs::read_to_string(directory.path().join(name)).unwrap();
        assert!(read(LOG_FILE).contains("line 19"));
        assert!(read(LOG_FILE).len() <= 100 && read(OLD_LOG_FILE).len() <= 100);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 2);
    }
}
