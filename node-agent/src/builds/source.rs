use std::fs::File;
use std::io;

use common::archive::{self, Limits};

use super::build::Build;
use super::error::BuildError;
use super::files::{blocking, give_away};
use super::place::Place;
use crate::layout::{LayoutError, PRIVATE, make_directory};

impl Build<'_> {
    /// Lays down the user's files.
    pub(super) async fn unpack_source(&self, place: &Place) -> Result<(), BuildError> {
        let archive = place.root().join("source.tar.gz");
        let most = self.room.options.settings.max_source.0;
        let source = self.order.source;
        self.room
            .blobs
            .get(source, &archive, most)
            .await
            .map_err(|error| {
                if error.transient {
                    BuildError::Store(error)
                } else {
                    BuildError::BadSource(format!("fetch source: {error}"))
                }
            })?;
        let (build, function, user) = (place.build(), place.function(), place.user);
        blocking(move || {
            let io = |source| LayoutError::Io {
                action: "open",
                path: archive.clone(),
                source,
            };
            let file = File::open(&archive).map_err(io)?;
            archive::unpack_gzip(io::BufReader::new(file), &function, Limits::bytes(most))
                .map_err(|error| BuildError::BadSource(format!("unpack source: {error}")))?;
            // What users upload under this name would hide what is installed.
            if !function.join("site-packages").is_dir() {
                make_directory(&function.join("site-packages"), 0o755)?;
            }
            make_directory(&build.join("home"), PRIVATE)?;
            // The directory around them stays ours, so that neither can be replaced by a link.
            if let Some(user) = user {
                give_away(&function, user)
                    .and_then(|()| give_away(&build.join("home"), user))
                    .map_err(|error| BuildError::Node(error.to_string()))?;
            }
            Ok(())
        })
        .await
    }
}
