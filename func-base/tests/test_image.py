"""The function base's image: what goes in, and that the same content gives the same bytes."""

import json
import os
import tarfile

import pytest
from image import Failed, archive, debian, image, layer, settle


@pytest.fixture
def tree(tmp_path):
    """A directory with one of each kind."""
    root = tmp_path / "tree"
    (root / "b/deep").mkdir(parents=True)
    (root / "b/deep/file").write_text("text")
    (root / "b/file").write_text("more")
    (root / "run.sh").write_text("#!/bin/sh\n")
    (root / "run.sh").chmod(0o4755)
    (root / "a").symlink_to("b/file")
    os.link(root / "b/file", root / "b/twin")
    os.mkfifo(root / "pipe")
    return root


def entries(file):
    with tarfile.open(file) as tar:
        return {member.name: member for member in tar}


def test_a_layer_depends_on_contents_alone(tree, tmp_path):
    one = layer.write(tree, "x/y", tmp_path / "one")
    for path in tree.rglob("*"):
        if not path.is_symlink():
            os.utime(path, (1, 1))
    two = layer.write(tree, "x/y", tmp_path / "two")
    assert one == two and (tmp_path / "one").stat().st_size == one[1]
    (tree / "b/file").write_text("else")
    assert layer.write(tree, "x/y", tmp_path / "three")[0] != one[0]


def test_a_layer_has_parents_first_no_privileges_and_no_pipes(tree, tmp_path):
    layer.write(tree, "x", tmp_path / "tar")
    found = entries(tmp_path / "tar")
    assert list(found) == ["x", "x/a", "x/run.sh", "x/b", "x/b/file", "x/b/twin", "x/b/deep", "x/b/deep/file"]
    assert found["x/run.sh"].mode == 0o755
    assert found["x/a"].issym() and found["x/b/twin"].islnk()
    assert {(one.uid, one.gid, one.uname, one.mtime) for one in found.values()} == {(0, 0, "", 315532800)}


def test_a_layer_unpacks_to_what_it_was_made_of(tree, tmp_path):
    first = layer.write(tree, "", tmp_path / "tar")
    layer.unpack(tmp_path / "tar", tmp_path / "again")
    assert layer.write(tmp_path / "again", "", tmp_path / "tar2") == first


def test_rules_drop_below_and_keep_what_is_excepted():
    rules = settle.Rules("# why\nusr/share/doc\n!usr/share/doc/*/copyright\n*.pyc\ndev/*\n")
    assert rules.drops("usr/share/doc") and rules.drops("usr/share/doc/x/README")
    assert not rules.drops("usr/share/doc/x/copyright")
    assert rules.drops("a/b.pyc") and rules.drops("dev/null")
    assert not rules.drops("dev") and not rules.drops("usr/share/document") and not rules.drops("usr")


def test_strip_takes_directories_that_it_empties_and_no_others(tmp_path):
    for name in ("doc/a/readme", "doc/b/copyright", "keep/x"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    (tmp_path / "empty").mkdir()
    settle.strip(tmp_path, settle.Rules("doc\n!doc/*/copyright\n"))
    left = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*"))
    assert left == ["doc", "doc/b", "doc/b/copyright", "empty", "keep", "keep/x"]


def test_an_archive_says_its_architecture_and_names_its_layers(tree, tmp_path):
    digest, size = layer.write(tree, "", tmp_path / "layer")
    layers = [(digest, size, tmp_path / "layer")]
    config = archive.config("arm64", layers, {"User": "1"}, ["made"])
    manifest = archive.write(tmp_path / "image", "slim-arm64", config, layers)
    with tarfile.open(tmp_path / "image") as tar:
        old = json.load(tar.extractfile("manifest.json"))[0]
        index = json.load(tar.extractfile("index.json"))["manifests"]
        assert [tar.getmember(name).size for name in old["Layers"]] == [size]
        assert tar.extractfile(f"blobs/{manifest.replace(':', '/')}") is not None
    described = archive.read_config(tmp_path / "image")
    assert described["architecture"] == "arm64" and described["rootfs"]["diff_ids"] == [digest]
    assert {one["digest"] for one in index} == {manifest} and index[0]["platform"]["architecture"] == "arm64"
    assert old["RepoTags"][0] == "troupe/func-base:slim-arm64" and len(set(old["RepoTags"])) == 2


def test_packages_are_told_by_name_and_version():
    status = "Package: b\nVersion: 1:2-3\nDescription: x\n Version: no\nStatus: ok\n\nPackage: a\nVersion: 1\n\n"
    assert debian.packages(status) == ["a=1", "b=1:2-3"]


@pytest.mark.parametrize("user, hinted", [(0, False), (1000, True)])
def test_who_may_not_lay_down_packages_is_told_what_is_missing(tmp_path, monkeypatch, user, hinted):
    program = tmp_path / "mmdebstrap"
    program.write_text("#!/bin/sh\necho 'E: unable to pick chroot mode' >&2\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setattr(os, "geteuid", lambda: user)
    with pytest.raises(Failed) as failed:
        debian.make(program, "amd64", tmp_path / "root", tmp_path)
    assert "unable to pick chroot mode" in str(failed.value)
    assert ("as root" in str(failed.value) and "uidmap" in str(failed.value)) == hinted


def test_lists_have_no_comments():
    assert "python3" in settle.lines("debian.txt") and not any("#" in line or not line for line in settle.lines("debian.txt"))


def test_the_servers_digest_changes_with_it(tmp_path):
    (tmp_path / "a.py").write_text("1")
    one = image.server_digest(tmp_path)
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / "__pycache__/a.pyc").write_text("compiled")
    assert image.server_digest(tmp_path) == one
    (tmp_path / "b.py").write_text("")
    assert image.server_digest(tmp_path) != one
