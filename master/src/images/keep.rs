//! What is still named, and what may go. Pure: from all that names something to what nothing names.

use std::collections::{BTreeMap, BTreeSet};

use common::digest::Digest;
use common::link::{BaseImage, BuildOutcome, Origin, PodAssignment};
use common::resources::{Function, Pod};

use super::publish::ImageRecord;
use super::record::BuildPart;
use crate::functions::build_id;
use crate::nodes::ASSIGNMENT_ANNOTATION;

/// All that names something.
#[derive(Clone, Debug, Default)]
pub(super) struct Named {
    /// Builds that functions want, or show.
    pub(super) builds: BTreeSet<String>,
    /// Sources, layers, parts of bases.
    pub(super) blobs: BTreeSet<Digest>,
    /// Indexes that pods were started from.
    pub(super) indexes: BTreeSet<Digest>,
}

impl Named {
    pub(super) fn by_function(&mut self, function: &Function) {
        let metadata = &function.metadata;
        let wanted = build_id(&metadata.namespace, metadata.generation, &function.spec);
        let shown = function.status.build.clone();
        self.builds.extend([wanted, shown].into_iter().flatten());
        self.blobs.extend(
            function
                .spec
                .source
                .as_ref()
                .and_then(|source| source.upload),
        );
        self.blobs.extend(function.status.layer);
        self.blobs.extend(
            function
                .status
                .layers
                .iter()
                .filter_map(|layer| layer.digest),
        );
        self.indexes
            .extend(function.status.image.as_deref().and_then(index_of));
    }

    pub(super) fn by_pod(&mut self, pod: &Pod) {
        let text = pod.metadata.annotations.get(ASSIGNMENT_ANNOTATION);
        let assignment = text.and_then(|text| serde_json::from_str::<PodAssignment>(text).ok());
        if let Some(Origin::Layer { digest, image, .. }) = assignment.map(|a| a.origin) {
            self.blobs.insert(digest);
            self.indexes.extend(image.as_deref().and_then(index_of));
        }
    }

    pub(super) fn by_base(&mut self, base: &BaseImage) {
        self.blobs.insert(base.config);
        self.blobs
            .extend(base.layers.iter().map(|layer| layer.digest));
    }
}

fn index_of(reference: &str) -> Option<Digest> {
    reference.rsplit_once('@')?.1.parse().ok()
}

/// What there is.
#[derive(Clone, Debug, Default)]
pub(super) struct Kept {
    /// Records of builds.
    pub(super) builds: BTreeMap<String, Vec<BuildPart>>,
    /// Records of images, by build.
    pub(super) images: BTreeMap<String, ImageRecord>,
    /// Blobs in the content store.
    pub(super) blobs: BTreeSet<Digest>,
}

/// What nothing names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Unnamed {
    pub(super) builds: BTreeSet<String>,
    pub(super) images: BTreeSet<String>,
    /// Manifests and indexes, of images that go and not of one that stays.
    pub(super) manifests: BTreeSet<Digest>,
    pub(super) blobs: BTreeSet<Digest>,
}

/// Finds what nothing names.
pub(super) fn unnamed(named: &Named, kept: &Kept) -> Unnamed {
    let goes = |build: &String| !named.builds.contains(build);
    let builds = kept
        .builds
        .keys()
        .filter(|build| goes(build))
        .cloned()
        .collect();
    let image_goes = |(build, image): &(&String, &ImageRecord)| {
        goes(build) && !named.indexes.contains(&image.index)
    };
    let (gone, stay): (Vec<_>, Vec<_>) = kept.images.iter().partition(|entry| image_goes(entry));
    let manifests = |images: &[(&String, &ImageRecord)]| -> BTreeSet<Digest> {
        let of = |image: &ImageRecord| {
            let parts = image.manifests.values().map(|manifest| manifest.digest);
            parts.chain([image.index]).collect::<Vec<_>>()
        };
        images.iter().flat_map(|(_, image)| of(image)).collect()
    };
    let staying = manifests(&stay);
    let layer = |part: &BuildPart| match &part.outcome {
        BuildOutcome::Built(built) => Some(built.layer),
        BuildOutcome::Failed(_) => None,
    };
    let built = kept.builds.iter().filter(|(build, _)| !goes(build));
    let layers: BTreeSet<_> = built
        .flat_map(|(_, parts)| parts.iter().filter_map(layer))
        .collect();
    let blob_goes = |digest: &&Digest| !named.blobs.contains(digest) && !layers.contains(digest);
    Unnamed {
        builds,
        images: gone.iter().map(|(build, _)| (*build).clone()).collect(),
        manifests: manifests(&gone).difference(&staying).copied().collect(),
        blobs: kept.blobs.iter().filter(blob_goes).copied().collect(),
    }
}

#[cfg(test)]
mod tests {
    use common::link::Built;
    use common::resources::{FunctionLayer, Source, Style};
    use proptest::prelude::*;

    use super::*;
    use crate::images::publish::Manifest;
    use crate::platform::Platform;

    fn digest(kind: &str, n: u8) -> Digest {
        Digest::of(format!("{kind}{n}").as_bytes())
    }

    fn function(n: u8) -> Function {
        let mut function = Function::default();
        function.spec.source = Some(Source {
            upload: Some(digest("source", n)),
            ..Source::default()
        });
        function.status.build = build_id("", 0, &function.spec);
        function.status.layer = Some(digest("layer", n));
        function.status.layers = vec![FunctionLayer {
            digest: Some(digest("layer", n)),
            ..FunctionLayer::default()
        }];
        function.status.image = Some(format!("f@{}", digest("index", n)));
        function
    }

    /// All that the builds of functions 0 to 9 left.
    fn all() -> Kept {
        let mut kept = Kept::default();
        for n in 0..10 {
            let build = build_id("", 0, &function(n).spec).unwrap();
            let built = Built {
                layer: digest("layer", n),
                size: 1,
                handler: "h".to_owned(),
                style: Style::Params,
                native: false,
            };
            let part = BuildPart {
                job: build.clone(),
                platform: Platform::new("amd64", "3.11"),
                ended: "1".to_owned(),
                outcome: BuildOutcome::Built(built),
                log: Vec::new(),
            };
            let manifest = Manifest {
                // Two functions in a row share an image for one architecture.
                digest: digest("manifest", n / 2),
                size: 1,
                layer: digest("layer", n),
            };
            let image = ImageRecord {
                reference: String::new(),
                index: digest("index", n),
                manifests: BTreeMap::from([("amd64".to_owned(), manifest)]),
            };
            kept.blobs.extend([digest("source", n), digest("layer", n)]);
            kept.builds.insert(build.clone(), vec![part]);
            kept.images.insert(build, image);
        }
        kept
    }

    proptest! {
        /// Nothing that a function names goes, and all that none names does.
        #[test]
        fn exactly_what_nothing_names_goes(living in prop::collection::btree_set(0_u8..10, 0..10)) {
            let mut named = Named::default();
            living.iter().for_each(|n| named.by_function(&function(*n)));
            let gone = unnamed(&named, &all());
            for n in 0..10 {
                let lives = living.contains(&n);
                let build = build_id("", 0, &function(n).spec).unwrap();
                prop_assert_eq!(gone.builds.contains(&build), !lives);
                prop_assert_eq!(gone.images.contains(&build), !lives);
                prop_assert_eq!(gone.blobs.contains(&digest("source", n)), !lives);
                prop_assert_eq!(gone.blobs.contains(&digest("layer", n)), !lives);
                prop_assert_eq!(gone.manifests.contains(&digest("index", n)), !lives);
                let shared = living.contains(&(n ^ 1));
                prop_assert_eq!(gone.manifests.contains(&digest("manifest", n / 2)), !lives && !shared);
            }
        }
    }

    #[test]
    fn what_a_pod_was_started_from_stays_while_its_function_is_another_by_now() {
        let assignment = json_assignment();
        let mut pod = Pod::default();
        pod.metadata
            .annotations
            .insert(ASSIGNMENT_ANNOTATION.to_owned(), assignment);
        let mut named = Named::default();
        named.by_pod(&pod);
        let gone = unnamed(&named, &all());
        assert!(!gone.blobs.contains(&digest("layer", 3)));
        assert!(!gone.manifests.contains(&digest("index", 3)));
        assert!(
            !gone.manifests.contains(&digest("manifest", 1)),
            "the index names it"
        );
        assert!(gone.blobs.contains(&digest("layer", 4)));
    }

    fn json_assignment() -> String {
        let origin = Origin::Layer {
            digest: digest("layer", 3),
            size: 1,
            full_base: false,
            image: Some(format!("f@{}", digest("index", 3))),
        };
        let assignment = PodAssignment {
            uid: String::new(),
            namespace: String::new(),
            name: String::new(),
            function: String::new(),
            revision: String::new(),
            origin,
            handler: None,
            style: None,
            concurrency: 1,
            timeout_seconds: 1,
            max_body_bytes: 1,
            env: Vec::new(),
            cpu_milli: 1,
            memory_bytes: 1,
            egress: false,
            grace_seconds: 1,
        };
        serde_json::to_string(&assignment).unwrap()
    }
}
