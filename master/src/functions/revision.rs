//! What makes two versions of a function differ.

use common::digest::Digest;
use common::link::Origin;
use common::resources::{FunctionSpec, FunctionStatus, Network, Style};
use serde_json::json;

/// A version of a function that can run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revision {
    /// Eight hexadecimal digits over all that its pods are made of.
    pub name: String,
    /// What runs in the pods.
    pub origin: Origin,
    /// The entry that the build found.
    pub handler: Option<String>,
    /// The style that the build found.
    pub style: Option<Style>,
    /// Calls at once in one pod.
    pub concurrency: u32,
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
        let parts = json!([
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
        let name = Digest::of(parts.to_string().as_bytes()).hex()[..8].to_owned();
        Some(Self {
            name,
            origin,
            handler,
            style,
            concurrency,
        })
    }
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
