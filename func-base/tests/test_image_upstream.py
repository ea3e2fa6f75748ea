"""The base from python:3-slim, with a `docker` that says what the test wants."""

import json
import os
import tarfile

import pytest
from image import upstream

DOCKER = """#!/bin/sh
echo "$@" >> {home}/calls
case "$1 $2" in
version*) exit {version} ;;
"manifest inspect") exit 1 ;;
"image inspect") cat {home}/inspect ;;
create*) echo container-1 ;;
export*) cat {home}/root.tar ;;
esac
"""


@pytest.fixture
def docker(tmp_path, monkeypatch):
    def lay(architecture, version=0):
        (tmp_path / "inspect").write_text(json.dumps([{"Id": "sha256:1", "Architecture": architecture, "RepoDigests": ["python@sha256:2"]}]))
        program = tmp_path / "docker"
        program.write_text(DOCKER.format(home=tmp_path, version=version))
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
        return lambda: (tmp_path / "calls").read_text().splitlines()

    return lay


def test_what_docker_has_is_taken_for_the_right_architecture_only(docker):
    docker("amd64")
    assert upstream.find("amd64")["Id"] == "sha256:1"
    assert upstream.find("arm64") is None


def test_nothing_is_pulled_where_no_registry_answers(docker):
    calls = docker("amd64")
    upstream.find("amd64")
    assert not any(call.startswith("pull") for call in calls())


def test_an_engine_that_does_not_answer_has_nothing(docker):
    docker("amd64", version=1)
    assert upstream.find("amd64") is None


def test_the_root_is_laid_down_and_the_container_removed(docker, tmp_path):
    calls = docker("amd64")
    (tmp_path / "file").write_text("text")
    with tarfile.open(tmp_path / "root.tar", "w") as tar:
        tar.add(tmp_path / "file", "etc/file")
        tar.add(tmp_path / "file", "dev/null")
    made_of = upstream.make(upstream.find("amd64"), tmp_path / "root", tmp_path)
    assert made_of == ["python@sha256:2"]
    assert (tmp_path / "root/etc/file").read_text() == "text" and not (tmp_path / "root/dev").exists()
    assert "rm container-1" in calls()
