//! Functions' layers: fetched by digest, verified, unpacked once, kept as long as there is room.

mod ahead;
mod blobs;
mod shelf;
mod store;

#[cfg(test)]
mod tests;

pub use ahead::Ahead;
pub use blobs::{BlobError, Blobs};
pub use store::{Layer, LayerError, Layers, LayersOptions};
