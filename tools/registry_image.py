"""An image of a registry for tests, from Debian's docker-registry: the program and its libraries, nothing else."""

import io
import re
import subprocess
import tarfile

from packages import Lacking, need

NAME = "troupe-test/registry:2"


def _libraries(program):
    said = subprocess.run(["ldd", program], capture_output=True, text=True).stdout
    return re.findall(r"(/\S+) \(0x", said)


def registry_image(host):
    """Puts the image into the engine at `host` and tells its name. Raises Lacking."""
    program = need("docker-registry", "docker-registry", "the registry that images are pushed to")
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", dereference=True) as tar:
        for file in (program, *_libraries(program)):
            tar.add(file)
    change = f'ENTRYPOINT ["{program}"]'
    done = subprocess.run(["docker", "-H", host, "import", "--change", change, "-", NAME], input=packed.getvalue(), capture_output=True)
    if done.returncode != 0:
        raise Lacking(f"docker import failed: {done.stderr.decode().strip()}")
    return NAME
