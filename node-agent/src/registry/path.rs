use common::digest::Digest;

/// What of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Manifest,
    Blob,
}

/// What a request is about.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Place<'a> {
    /// Whether this is a registry.
    Version,
    /// A part of an image, by digest.
    Part {
        kind: Kind,
        name: &'a str,
        digest: Digest,
    },
}

/// Reads a path of the OCI distribution protocol; tags, lists and uploads are not served.
pub(super) fn read(path: &str) -> Option<Place<'_>> {
    let rest = path.strip_prefix("/v2")?;
    if matches!(rest, "" | "/") {
        return Some(Place::Version);
    }
    let (rest, digest) = rest.strip_prefix('/')?.rsplit_once('/')?;
    let (name, kind) = rest.rsplit_once('/')?;
    let kind = match kind {
        "manifests" => Kind::Manifest,
        "blobs" => Kind::Blob,
        _ => return None,
    };
    let digest = digest.parse().ok()?;
    is_name(name).then_some(Place::Part { kind, name, digest })
}

/// A repository's name, as the protocol allows it.
fn is_name(name: &str) -> bool {
    let component = |part: &str| {
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        let bytes = part.as_bytes();
        let ends = bytes.first().zip(bytes.last());
        ends.is_some_and(|(first, last)| plain(*first) && plain(*last))
            && bytes.iter().all(|b| plain(*b) || b"._-".contains(b))
            && !part.contains("..")
    };
    name.len() <= 255 && name.split('/').all(component)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_named_by_digest_and_nothing_else_is_served() {
        let digest = Digest::of(b"x");
        let path = format!("/v2/troupe/f/manifests/{digest}");
        let wanted = Place::Part {
            kind: Kind::Manifest,
            name: "troupe/f",
            digest,
        };
        assert_eq!(read(&path), Some(wanted));
        assert_eq!(read("/v2/"), Some(Place::Version));
        for path in [
            "/v2/f/manifests/latest".to_owned(),
            "/v2/f/tags/list".to_owned(),
            "/v2/_catalog".to_owned(),
            format!("/v2/../blobs/{digest}"),
            format!("/v2/f/../../blobs/{digest}"),
            format!("/v2//blobs/{digest}"),
            format!("/v2/f%2f/blobs/{digest}"),
            format!("/v2/f/blobs/uploads/{digest}"),
            format!("/blobs/{digest}"),
        ] {
            assert_eq!(read(&path), None, "{path}");
        }
    }
}
