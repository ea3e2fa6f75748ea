//! What makes two versions of a function differ.

use std::collections::BTreeSet;

use common::digest::Digest;
use common::link::Origin;
use common::resources::{FunctionLayer, FunctionSpec, FunctionStatus, Network, Style};
use serde_json::json;

use crate::platform::Platform;

/// A version of a function that can run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revision {
    /// Eight hexadecimal digits over all that its pods are made of.
    pub name: String,
    /// What runs in the pods; of several layers the one that was built first.
    pub origin: Origin,
    /// Layers for machines of one kind each; empty when `origin` serves all.
    pub layers: Vec<PlatformLayer>,
    /// The image in the cluster's registry and the architectures it runs on.
    pub image: Option<RegistryImage>,
    /// The entry that the build found.
    pub handler: Option<String>,
    /// The style that the build found.
    pub style: Option<Style>,
    /// Calls at once in one pod.
    pub concurrency: u32,
}

/// A layer that holds machine code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlatformLayer {
    /// What the code is for.
    pub platform: Platform,
    /// Digest of the layer's tar.
    pub digest: Digest,
    /// Its size, in bytes.
    pub size: u64,
}

/// A function's image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegistryImage {
    /// `NAME@sha256:INDEX`.
    pub reference: String,
    /// Architectures it runs on.
    pub architectures: Vec<String>,
}

/// Names the build that a spec asks for: the same code and settings give the same id. `None` for
/// functions that need no build (an image) or cannot be built (no source).
#[must_use]
pub fn build_id(namespace: &str, generation: i64, spec: &FunctionSpec) -> Option<String> {
    let source = spec.source.as_ref()?;
    let code = if let Some(upload) = source.upload {
        json!({ "upload": upload })
    } else if let Some(files) = &source.inline {
        json!({ "inline": files })
    } else if let Some(name) = &source.config_map {
        // What the ConfigMap holds is read when the build is ordered: once per generation.
        json!({ "configMap": [namespace, name, generation] })
    } else {
        return None;
    };
    let order = json!([
        code,
        spec.handler,
        spec.style,
        spec.base.unwrap_or_default()
    ]);
    Some(Digest::of(order.to_string().as_bytes()).hex()[..24].to_owned())
}

impl Revision {
    /// The revision of a spec that is built, or that names an image.
    #[must_use]
    pub fn of(spec: &FunctionSpec, status: &FunctionStatus) -> Option<Self> {
        let origin = if let Some(reference) = &spec.image {
            Origin::Image {
                reference: reference.clone(),
                port: spec.port,
            }
        } else {
            Origin::Layer {
                digest: status.layer?,
                size: status.layer_bytes.unwrap_or_default(),
                full_base: spec.base == Some(common::resources::Base::Full),
                image: None,
            }
        };
        let style = spec.style.or(status.style);
        let handler = spec.handler.clone().or_else(|| status.handler.clone());
        let concurrency = spec.concurrency(style);
        // A layer for one more platform, or the image that follows, is no reason to start pods anew.
        let mut parts = json!([
            format!("{origin:?}"),
            handler,
            style,
            concurrency,
            spec.timeout_seconds(),
            spec.env,
            spec.resources,
            spec.network.unwrap_or(Network::Egress),
            spec.node_selector,
        ]);
        if let (Some(parts), false) = (parts.as_array_mut(), spec.tolerations.is_empty()) {
            parts.push(json!(spec.tolerations));
        }
        let name = Digest::of(parts.to_string().as_bytes()).hex()[..8].to_owned();
        Some(Self {
            name,
            origin,
            layers: platform_layers(status),
            image: registry_image(status),
            handler,
            style,
            concurrency,
        })
    }

    /// What there are layers for; `None` when all nodes are served.
    #[must_use]
    pub fn platforms(&self) -> Option<BTreeSet<Platform>> {
        let layers = self.layers.iter().map(|layer| layer.platform.clone());
        (!self.layers.is_empty()).then(|| layers.collect())
    }

    /// What runs in a pod on a node of a platform; `None` when there is no layer for it.
    #[must_use]
    pub fn origin_on(&self, platform: &Platform) -> Option<Origin> {
        let mut chosen = self.origin.clone();
        if let Origin::Layer {
            digest,
            size,
            image,
            ..
        } = &mut chosen
        {
            if !self.layers.is_empty() {
                let fits = |layer: &&PlatformLayer| layer.platform.serves(platform);
                let layer = self.layers.iter().find(fits)?;
                (*digest, *size) = (layer.digest, layer.size);
            }
            let runs = |image: &&RegistryImage| image.architectures.contains(&platform.arch);
            *image = self
                .image
                .as_ref()
                .filter(runs)
                .map(|i| i.reference.clone());
        }
        Some(chosen)
    }
}

/// The layers of a function none of whose layers serves all.
fn platform_layers(status: &FunctionStatus) -> Vec<PlatformLayer> {
    let layer = |layer: &FunctionLayer| {
        Some(PlatformLayer {
            platform: Platform::of_layer(layer)?,
            digest: layer.digest?,
            size: layer.bytes.unwrap_or_default(),
        })
    };
    let built = status.layers.iter().filter(|layer| layer.digest.is_some());
    let layers: Option<Vec<_>> = built.map(layer).collect();
    layers.unwrap_or_default()
}

fn registry_image(status: &FunctionStatus) -> Option<RegistryImage> {
    let reference = status.image.as_ref().filter(|image| image.contains('@'))?;
    Some(RegistryImage {
        reference: reference.clone(),
        architectures: status.image_architectures.clone(),
    })
}

#[cfg(test)]
mod tests {
    use common::resources::{EnvVar, Source};

    use super::*;

    fn built() -> (FunctionSpec, FunctionStatus) {
        let source = Source {
            upload: Some(Digest::of(b"code")),
            ..Source::default()
        };
        let spec = FunctionSpec {
            source: Some(source),
            ..FunctionSpec::default()
        };
        let status = FunctionStatus {
            layer: Some(Digest::of(b"layer")),
            ..FunctionStatus::default()
        };
        (spec, status)
    }

    #[test]
    fn scaling_makes_no_new_revision_and_environment_does() {
        let (mut spec, status) = built();
        let first = Revision::of(&spec, &status).unwrap();
        spec.scaling = Some(common::resources::Scaling::default());
        assert_eq!(Revision::of(&spec, &status).unwrap(), first);
        spec.env.push(EnvVar {
            name: "A".into(),
            value: Some("1".into()),
            value_from: None,
        });
        assert_ne!(Revision::of(&spec, &status).unwrap().name, first.name);
    }

    #[test]
    fn a_second_platforms_layer_serves_its_nodes_and_is_no_new_revision() {
        let (spec, mut status) = built();
        let layer = |arch: &str, text: &[u8]| FunctionLayer {
            architecture: Some(arch.to_owned()),
            python: Some("3.11".to_owned()),
            digest: Some(Digest::of(text)),
            ..FunctionLayer::default()
        };
        status.layers = vec![layer("amd64", b"layer")];
        let first = Revision::of(&spec, &status).unwrap();
        let arm = Platform::new("arm64", "3.11");
        assert_eq!(first.origin_on(&arm), None);
        status.layers.push(layer("arm64", b"arm"));
        status.image = Some("f@sha256:1".to_owned());
        status.image_architectures = vec!["arm64".to_owned()];
        let both = Revision::of(&spec, &status).unwrap();
        assert_eq!(both.name, first.name);
        let Some(Origin::Layer { digest, image, .. }) = both.origin_on(&arm) else {
            panic!("no layer for arm64")
        };
        assert_eq!(
            (digest, image.as_deref()),
            (Digest::of(b"arm"), Some("f@sha256:1"))
        );
        let amd = both.origin_on(&Platform::new("amd64", "3.11"));
        assert!(matches!(amd, Some(Origin::Layer { image: None, .. })));
    }

    #[test]
    fn the_same_code_asks_for_the_same_build() {
        let (spec, _) = built();
        assert_eq!(build_id("a", 1, &spec), build_id("b", 2, &spec));
        let other = FunctionSpec {
            handler: Some("x.y".into()),
            ..spec.clone()
        };
        assert_ne!(build_id("a", 1, &spec), build_id("a", 1, &other));
        assert_eq!(build_id("a", 1, &FunctionSpec::default()), None);
    }
}
