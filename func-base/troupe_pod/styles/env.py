"""`def handler(env)`: the request as one object in, a text out."""

from __future__ import annotations

from urllib.parse import parse_qsl

from troupe_pod.http_answer import JSON_TYPE, json_bytes
from troupe_pod.json_input import parse_text
from troupe_pod.styles import Style
from troupe_pod.styles.shaped import bytes_answer, is_shaped, shaped_answer, text_answer


class Query(dict):
    """The query; of a repeated name the first value, all with getlist()."""

    def __init__(self, text: str):
        self._lists: dict = {}
        for name, value in parse_qsl(text, keep_blank_values=True):
            self._lists.setdefault(name, []).append(value)
        super().__init__((name, values[0]) for name, values in self._lists.items())

    def getlist(self, name: str) -> list:
        return list(self._lists.get(name, ()))


class Headers(dict):
    """Header names in lower case; looked up in any."""

    def __getitem__(self, name):
        return super().__getitem__(name.lower())

    def __contains__(self, name):
        return isinstance(name, str) and super().__contains__(name.lower())

    def get(self, name, default=None):
        return super().get(name.lower(), default)


class Env:
    """What the handler gets. Query, body and headers are read when they are first asked for."""

    def __init__(self, request):
        self._request = request
        self.raw = request.body
        self.method = request.method.decode("latin-1")
        self.path, self._query = request.path_and_query()

    def __getattr__(self, name):
        if name == "uri":
            value = Query("" if self._request.event else self._query)
        elif name == "body":
            value = self._body()
        elif name == "headers":
            value = Headers(self._request.visible_fields())
        else:
            raise AttributeError(f"env has no {name!r}; it has uri, body, raw, method, path, headers")
        setattr(self, name, value)
        return value

    def _body(self):
        if not self.raw:
            return {}
        try:
            return parse_text(self.raw.decode())
        except ValueError:
            return None


class EnvStyle(Style):
    def arguments(self, request, call):
        return (Env(request),)

    def answer(self, value, request):
        if isinstance(value, str):
            return text_answer(value)
        if is_shaped(value) and not request.event:
            return shaped_answer(value)
        if isinstance(value, (bytes, bytearray)):
            return bytes_answer(value)
        return 200, JSON_TYPE, json_bytes(value)
