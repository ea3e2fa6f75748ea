//! A function's image: the base's layers and the function's own, for each architecture, and the index
//! over them. Pure: the same parts give the same bytes.

use bytes::Bytes;
use common::digest::Digest;
use common::link::BaseImage;
use common::pod_protocol::env;
use serde_json::{Map, Value, json};

/// An OCI image manifest.
pub(super) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// An OCI index over architectures.
pub(super) const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
/// Layers are not compressed: then their digest is the one that the config names too, and nothing is
/// packed and unpacked on the way.
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";

/// What is laid over a base.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Over<'a> {
    pub(super) layer: Digest,
    pub(super) size: u64,
    pub(super) handler: &'a str,
    pub(super) style: &'a str,
    /// Names the build.
    pub(super) build: &'a str,
}

/// An image for one architecture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Composed {
    pub(super) arch: String,
    pub(super) config: Bytes,
    pub(super) manifest: Bytes,
    /// Its layers, lowest first: digest and size.
    pub(super) layers: Vec<(Digest, u64)>,
}

/// A base's config is not what one should be.
#[derive(Debug, thiserror::Error)]
#[error("lay a function over base {base}: its config {problem}")]
pub(super) struct ComposeError {
    base: Digest,
    problem: String,
}

/// Lays a function over a base, whose config these bytes are.
pub(super) fn compose(
    base: &BaseImage,
    base_config: &[u8],
    over: &Over<'_>,
) -> Result<Composed, ComposeError> {
    let failed = |problem: String| ComposeError {
        base: base.config,
        problem,
    };
    let mut config: Map<String, Value> =
        serde_json::from_slice(base_config).map_err(|error| failed(error.to_string()))?;
    let arch = config.get("architecture").and_then(Value::as_str);
    let arch = arch
        .ok_or_else(|| failed("names no architecture".to_owned()))?
        .to_owned();
    let ids = config
        .get_mut("rootfs")
        .and_then(|rootfs| rootfs.get_mut("diff_ids"));
    let ids = ids.and_then(Value::as_array_mut);
    let ids = ids.ok_or_else(|| failed("names no layers".to_owned()))?;
    let named = base.layers.iter().map(|layer| json!(layer.digest));
    if !ids.iter().cloned().eq(named) {
        return Err(failed("names other layers than the base has".to_owned()));
    }
    ids.push(json!(over.layer));
    if let Some(history) = config.get_mut("history").and_then(Value::as_array_mut) {
        history.push(json!({ "created_by": "the function's files and requirements" }));
    }
    let settings = config.entry("config").or_insert_with(|| json!({}));
    let settings = settings.as_object_mut();
    add_settings(
        settings.ok_or_else(|| failed("has odd settings".to_owned()))?,
        over,
    );
    let config = to_bytes(&config);
    let mut layers: Vec<_> = base
        .layers
        .iter()
        .map(|layer| (layer.digest, layer.size))
        .collect();
    layers.push((over.layer, over.size));
    let named = layers
        .iter()
        .map(|(digest, size)| descriptor(LAYER, digest, *size));
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": descriptor(CONFIG, &Digest::of(&config), config.len() as u64),
        "layers": named.collect::<Vec<_>>(),
    });
    Ok(Composed {
        arch,
        config,
        manifest: to_bytes(&manifest),
        layers,
    })
}

/// What the server inside must know to run the function without an agent's help.
fn add_settings(settings: &mut Map<String, Value>, over: &Over<'_>) {
    let variables = [
        (env::FUNCTION_DIR, "/function"),
        (env::HANDLER, over.handler),
        (env::STYLE, over.style),
    ];
    let known = settings.entry("Env").or_insert_with(|| json!([]));
    if let Some(known) = known.as_array_mut() {
        for (name, value) in variables {
            let begins = format!("{name}=");
            known.retain(|entry| !entry.as_str().is_some_and(|text| text.starts_with(&begins)));
            known.push(json!(format!("{name}={value}")));
        }
    }
    let labels = settings.entry("Labels").or_insert_with(|| json!({}));
    if let Some(labels) = labels.as_object_mut() {
        labels.insert("dev.troupe.build".to_owned(), json!(over.build));
    }
}

/// The index over some manifests: architecture, digest and size.
pub(super) fn index<'a>(manifests: impl Iterator<Item = (&'a str, Digest, u64)>) -> Bytes {
    let entry = |(arch, digest, size): (&str, Digest, u64)| {
        let mut entry = descriptor(MANIFEST, &digest, size);
        entry["platform"] = json!({ "architecture": arch, "os": "linux" });
        entry
    };
    to_bytes(&json!({
        "schemaVersion": 2,
        "mediaType": INDEX,
        "manifests": manifests.map(entry).collect::<Vec<_>>(),
    }))
}

fn descriptor(media_type: &str, digest: &Digest, size: u64) -> Value {
    json!({ "mediaType": media_type, "digest": digest, "size": size })
}

fn to_bytes(value: &impl serde::Serialize) -> Bytes {
    // Plain data; writing it as JSON cannot fail.
    serde_json::to_vec(value).unwrap_or_default().into()
}

/// What a manifest or an index names.
pub(super) fn named(manifest: &[u8]) -> Vec<Digest> {
    let Ok(manifest) = serde_json::from_slice::<Value>(manifest) else {
        return Vec::new();
    };
    let lists = ["manifests", "layers"].map(|list| manifest.get(list).and_then(Value::as_array));
    let listed = lists.into_iter().flatten().flatten();
    let all = listed.chain(manifest.get("config"));
    all.filter_map(|entry| entry.get("digest")?.as_str()?.parse().ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use common::link::BaseLayer;
    use common::resources::Base;

    use super::*;

    fn base(config: &Value) -> (BaseImage, Vec<u8>) {
        let bytes = serde_json::to_vec(config).unwrap();
        let image = BaseImage {
            flavour: Base::Slim,
            config: Digest::of(&bytes),
            layers: vec![BaseLayer {
                digest: Digest::of(b"base"),
                size: 4,
            }],
        };
        (image, bytes)
    }

    fn over() -> Over<'static> {
        Over {
            layer: Digest::of(b"layer"),
            size: 5,
            handler: "func.main",
            style: "params",
            build: "b",
        }
    }

    #[test]
    fn the_bases_settings_stay_and_the_functions_join_them() {
        let (image, bytes) = base(&json!({
            "architecture": "arm64", "os": "linux",
            "config": { "Env": ["PATH=/bin", "TROUPE_HANDLER=old"], "Entrypoint": ["python3"], "User": "65532" },
            "rootfs": { "type": "layers", "diff_ids": [Digest::of(b"base")] },
        }));
        let one = compose(&image, &bytes, &over()).unwrap();
        assert_eq!(
            one,
            compose(&image, &bytes, &over()).unwrap(),
            "the same bytes each time"
        );
        let config: Value = serde_json::from_slice(&one.config).unwrap();
        let settings = &config["config"];
        assert_eq!(settings["Entrypoint"], json!(["python3"]));
        assert_eq!(settings["User"], json!("65532"));
        let variables = settings["Env"].as_array().unwrap();
        assert!(variables.contains(&json!("TROUPE_HANDLER=func.main")));
        assert!(!variables.contains(&json!("TROUPE_HANDLER=old")));
        assert_eq!(config["rootfs"]["diff_ids"][1], json!(Digest::of(b"layer")));
        let names = named(&one.manifest);
        for digest in [
            Digest::of(b"base"),
            Digest::of(b"layer"),
            Digest::of(&one.config),
        ] {
            assert!(names.contains(&digest));
        }
        let of = Digest::of(&one.manifest);
        assert_eq!(named(&index([("arm64", of, 1)].into_iter())), [of]);
    }

    #[test]
    fn a_config_that_does_not_fit_its_layers_is_refused() {
        let (image, bytes) =
            base(&json!({ "architecture": "amd64", "rootfs": { "diff_ids": [] } }));
        let refused = compose(&image, &bytes, &over()).unwrap_err();
        assert!(refused.to_string().contains("other layers"), "{refused}");
        assert!(compose(&image, b"{}", &over()).is_err());
        assert!(compose(&image, b"no json", &over()).is_err());
    }
}
