"""`def main(params)`: the JSON body in, a JSON value out."""

from __future__ import annotations

from troupe_pod.http_answer import JSON_TYPE, json_bytes
from troupe_pod.json_input import parse_body
from troupe_pod.styles import Style


class Params(Style):
    def arguments(self, request, call):
        return (parse_body(request.body),)

    def answer(self, value, request):
        return 200, JSON_TYPE, json_bytes(value)
