use std::fs::File;
use std::io::{self, BufWriter};
use std::path::PathBuf;

use common::archive::{self, Limits, Packing};
use common::digest::Digest;

use super::build::Build;
use super::error::BuildError;
use super::files::{Hashing, blocking};
use super::native;
use super::place::Place;

impl Build<'_> {
    /// Compiles all files as they will be named in a pod.
    pub(super) async fn compile(&self, place: &Place) -> Result<(), BuildError> {
        // Another Python cannot read what this one compiles.
        let own = self.own_platform();
        if !own.serves(&own.arch, &self.order.python) {
            return Ok(());
        }
        let words = [
            "-s",
            "-m",
            "compileall",
            "-qq",
            "-f",
            "--invalidation-mode=unchecked-hash",
            "-s",
            "{build}",
            "-p",
            "/",
            "{build}/function",
        ];
        // Some packages carry files for other Pythons; what does not compile stays as it is.
        let arguments = words.map(ToOwned::to_owned);
        self.step(place, "compile", &arguments, false, &|_| {})
            .await
            .map(|_| ())
    }

    /// Writes what was built into a tar, with its names under `prefix`.
    pub(super) async fn pack(
        &self,
        place: &Place,
        directory: PathBuf,
        prefix: &'static str,
    ) -> Result<(Digest, u64, bool), BuildError> {
        let (tar, user) = (place.tar(), place.user);
        let most = self.order.max_layer_bytes;
        blocking(move || {
            let node = |error: io::Error| BuildError::Node(format!("pack layer: {error}"));
            let native = native::holds_machine_code(&directory).map_err(node)?;
            let packing = Packing {
                prefix,
                bytecode: true,
                owner: user,
                limits: Limits::bytes(most),
            };
            let mut out = Hashing::new(BufWriter::new(File::create(&tar).map_err(node)?));
            archive::pack(&directory, &packing, &mut out).map_err(BuildError::pack)?;
            let (digest, size) = out.finish().map_err(node)?;
            if size > most {
                let text = format!("the layer is {size} bytes, more than the {most} allowed");
                return Err(BuildError::TooLarge(text));
            }
            Ok((digest, size, native))
        })
        .await
    }
}
