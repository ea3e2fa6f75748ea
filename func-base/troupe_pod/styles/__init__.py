"""How a function is called: what it is given, and what its returned value means.

A style has `arguments(request, call)`, which may raise BadRequest, and `answer(value, request)`,
which gives (status code, header lines, body) or raises Unserializable.
"""

from __future__ import annotations


class Style:
    home = "/function"
    """Where the user's files seem to stand."""

    def failed(self, document: dict, call) -> dict:
        """What the caller gets for an exception."""
        return document


def style(name: str, settings):
    """Imports only the one that is used."""
    if name == "params":
        from troupe_pod.styles.params import Params

        return Params()
    if name == "env":
        from troupe_pod.styles.env import EnvStyle

        return EnvStyle()
    from troupe_pod.styles.lambda_ import Lambda

    return Lambda(settings)
