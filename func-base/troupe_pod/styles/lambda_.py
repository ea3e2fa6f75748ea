"""AWS Lambda's `handler(event, context)`: the function-URL event (payload version 2.0) over HTTP, the plain input from runs."""

from __future__ import annotations

import binascii
import json
import time
from urllib.parse import parse_qsl

from troupe_pod.http_answer import JSON_TYPE, json_bytes
from troupe_pod.json_input import parse_body
from troupe_pod.styles import Style
from troupe_pod.styles.shaped import bytes_answer, is_shaped, shaped_answer

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


class Context:
    """Lambda's context object."""

    def __init__(self, call, settings):
        self.function_name = settings.name
        self.function_version = settings.version
        self.invoked_function_arn = f"arn:aws:lambda:local:000000000000:function:{settings.name}"
        self.memory_limit_in_mb = str(settings.memory_mb)
        self.aws_request_id = call.id
        self.log_group_name = f"/troupe/{settings.namespace}/{settings.name}"
        self.log_stream_name = settings.version
        self.identity = None
        self.client_context = None
        self._deadline = call.deadline

    def get_remaining_time_in_millis(self) -> int:
        return max(0, int((self._deadline - time.monotonic()) * 1e3))


def _event(request, call) -> dict:
    path, query = request.path_and_query()
    headers = dict(request.visible_fields())
    cookies = headers.pop("cookie", None)
    now = time.time()
    day = time.gmtime(now)
    event = {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": query,
        "headers": headers,
        "requestContext": {
            "accountId": "anonymous",
            "apiId": "troupe",
            "domainName": headers.get("host", ""),
            "domainPrefix": headers.get("host", "").partition(".")[0],
            "http": {
                "method": request.method.decode("latin-1"),
                "path": path,
                "protocol": "HTTP/1.1",
                "sourceIp": headers.get("x-forwarded-for", "").partition(",")[0].strip() or "127.0.0.1",
                "userAgent": headers.get("user-agent", ""),
            },
            "requestId": call.id,
            "routeKey": "$default",
            "stage": "$default",
            "time": f"{day.tm_mday:02}/{MONTHS[day.tm_mon - 1]}/{day.tm_year}:{day.tm_hour:02}:{day.tm_min:02}:{day.tm_sec:02} +0000",
            "timeEpoch": int(now * 1e3),
        },
        "isBase64Encoded": False,
    }
    if cookies:
        event["cookies"] = [cookie.strip() for cookie in cookies.split(";")]
    if query:
        joined: dict = {}
        for name, value in parse_qsl(query, keep_blank_values=True):
            joined[name] = f"{joined[name]},{value}" if name in joined else value
        event["queryStringParameters"] = joined
    if request.body:
        try:
            event["body"] = request.body.decode()
        except UnicodeDecodeError:
            event["body"] = binascii.b2a_base64(request.body, newline=False).decode()
            event["isBase64Encoded"] = True
    return event


to_lambda_json = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode
"""With blanks after commas and colons, as on AWS: histories show the length."""


class Lambda(Style):
    home = "/var/task"
    """As on AWS, for those who compare."""

    def __init__(self, settings):
        self.settings = settings

    def failed(self, document, call):
        return {
            "errorMessage": document["errorMessage"],
            "errorType": document["errorType"],
            "requestId": call.id,
            "stackTrace": document["stackTrace"],
        }

    def arguments(self, request, call):
        event = parse_body(request.body) if request.event else _event(request, call)
        return event, Context(call, self.settings)

    def answer(self, value, request):
        if is_shaped(value) and not request.event:
            return shaped_answer(value)
        if isinstance(value, (bytes, bytearray)):
            return bytes_answer(value)
        return 200, JSON_TYPE, json_bytes(value, to_lambda_json)
