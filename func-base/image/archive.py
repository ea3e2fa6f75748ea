"""An image as one file that both `docker load` and OCI tools read."""

import hashlib
import io
import json
import tarfile
from datetime import datetime, timezone

from . import EPOCH

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"
REPOSITORY = "troupe/func-base"


def _json(value):
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def _digest(data):
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def _blob(digest):
    return "blobs/" + digest.replace(":", "/")


def config(arch, layers, settings, history):
    """The image's configuration. `docker import` would write this machine's architecture here."""
    created = datetime.fromtimestamp(EPOCH, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    return _json(
        {
            "architecture": arch,
            "os": "linux",
            **({"variant": "v8"} if arch == "arm64" else {}),
            "created": created,
            "config": settings,
            "rootfs": {"type": "layers", "diff_ids": [digest for digest, _, _ in layers]},
            "history": [{"created": created, "created_by": text} for text in history],
        }
    )


def _add(tar, name, data):
    info = tarfile.TarInfo(name)
    info.size, info.mtime, info.mode = len(data), EPOCH, 0o644
    tar.addfile(info, io.BytesIO(data))


def write(file, tag, config, layers):
    """Writes the archive; `layers` are (digest, size, file), the lowest first. Returns the manifest's digest.

    It is tagged twice: by what it is, and by what is in it, so that two never go by the same name.
    """
    config_digest = _digest(config)
    manifest = _json(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": {"mediaType": CONFIG, "digest": config_digest, "size": len(config)},
            "layers": [{"mediaType": LAYER, "digest": digest, "size": size} for digest, size, _ in layers],
        }
    )
    described = json.loads(config)
    platform = {key: described[key] for key in ("architecture", "os", "variant") if key in described}
    tags = [f"{REPOSITORY}:{tag}", f"{REPOSITORY}:{tag}-{config_digest[7:19]}"]
    index = {
        "schemaVersion": 2,
        "manifests": [
            {
                "mediaType": MANIFEST,
                "digest": _digest(manifest),
                "size": len(manifest),
                "platform": platform,
                "annotations": {"io.containerd.image.name": f"docker.io/{name}", "org.opencontainers.image.ref.name": name.split(":")[1]},
            }
            for name in tags
        ],
    }
    old = [{"Config": _blob(config_digest), "RepoTags": tags, "Layers": [_blob(digest) for digest, _, _ in layers]}]
    with tarfile.open(file, "w", format=tarfile.PAX_FORMAT) as tar:
        # First, so that who reads it knows at once what it is.
        _add(tar, "oci-layout", _json({"imageLayoutVersion": "1.0.0"}))
        _add(tar, "manifest.json", _json(old))
        _add(tar, "index.json", _json(index))
        _add(tar, _blob(config_digest), config)
        _add(tar, _blob(_digest(manifest)), manifest)
        for digest, size, source in layers:
            info = tarfile.TarInfo(_blob(digest))
            info.size, info.mtime, info.mode = size, EPOCH, 0o644
            with open(source, "rb") as content:
                tar.addfile(info, content)
    return _digest(manifest)


def read_config(file):
    """The configuration of the image in an archive."""
    with tarfile.open(file) as tar:
        old = json.load(tar.extractfile("manifest.json"))[0]
        return json.load(tar.extractfile(old["Config"]))
