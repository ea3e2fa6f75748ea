use common::link::Built;

use super::build::Build;
use super::error::BuildError;
use super::place::Place;
use super::platform::Platform;
use super::requirements::Serves;

impl Build<'_> {
    /// Does all of it, and cleans up whatever happens.
    pub(super) async fn run(&self) -> Result<Built, BuildError> {
        let mut place = self.begin()?;
        let done = self.limit(self.make(&mut place)).await;
        self.end(place).await;
        done
    }

    async fn make(&self, place: &mut Place) -> Result<Built, BuildError> {
        place.make(self.room.options.settings.disk.0).await?;
        let place = &*place;
        self.unpack_source(place).await?;
        let entry = self.check(place).await?;
        let serves = self.install(place).await?;
        self.mark_preinstalled(place, &entry.imports).await?;
        self.compile(place).await?;
        let packed = self.pack(place, place.function(), "function").await?;
        let (layer, size, native) = packed;
        if native && serves == Serves::Own {
            self.check_platform()?;
        }
        (self.say)(&format!("layer {layer}, {size} bytes"));
        let tar = place.tar();
        self.room.blobs.put(layer, &tar).await?;
        // The node that built it is likely to run it.
        self.room.layers.put(layer, &tar).await?;
        Ok(Built {
            layer,
            size,
            handler: entry.handler,
            style: entry.style,
            native,
        })
    }

    /// Whether machine code made here is what was ordered.
    fn check_platform(&self) -> Result<(), BuildError> {
        let own = self.own_platform();
        if own.serves(&self.order.arch, &self.order.python) {
            return Ok(());
        }
        let wanted = Platform {
            arch: self.order.arch.clone(),
            python: self.order.python.clone(),
        };
        Err(BuildError::NeedsArchitecture {
            wanted: wanted.to_string(),
            found: own.to_string(),
        })
    }
}
