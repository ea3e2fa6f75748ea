"""The API with an administrator's certificate, over one kept connection: looking must cost the master little."""

import base64
import http.client
import json
import re
import ssl
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent.parent / "tools"))

from cluster import Failure  # noqa: E402

# The server closes connections that are idle for longer.
KEPT_SECONDS = 2


class Api:
    """One master's API, as its kubeconfig says."""

    def __init__(self, kubeconfig):
        text = kubeconfig.read_text()

        def field(name):
            return re.search(rf"{name}: *\"?([^\s\"]+)", text)[1]

        home = kubeconfig.parent / "bench"
        home.mkdir(mode=0o700, exist_ok=True)
        for name in ("certificate-authority-data", "client-certificate-data", "client-key-data"):
            (home / name).write_bytes(base64.b64decode(field(name)))
        self.context = ssl.create_default_context(cafile=home / "certificate-authority-data")
        self.context.load_cert_chain(home / "client-certificate-data", home / "client-key-data")
        self.address = field("server").removeprefix("https://")
        self.connection = None
        self.asked = 0.0

    def ask(self, path, method="GET"):
        """What a path answers; a Failure when nobody does, or with an error."""
        try:
            if self.connection is not None and time.monotonic() - self.asked > KEPT_SECONDS:
                self.connection.close()
                self.connection = None
            if self.connection is None:
                self.connection = http.client.HTTPSConnection(self.address, timeout=60, context=self.context)
            self.connection.request(method, path)
            answer = self.connection.getresponse()
            text = answer.read()
            self.asked = time.monotonic()
        except (OSError, http.client.HTTPException) as error:
            self.connection = None
            raise Failure(f"{method} {path}: {error}") from error
        if answer.status >= 300:
            raise Failure(f"{method} {path}: {answer.status} {text[:200]!r}")
        return json.loads(text)
