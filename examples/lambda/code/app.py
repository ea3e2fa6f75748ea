import base64
import json


def handler(event, context):
    """Adds numbers. Over HTTP the event is that of a function URL; from a workflow it is the input itself."""
    numbers = event
    if "requestContext" in event:
        body = event.get("body") or "{}"
        numbers = json.loads(base64.b64decode(body) if event.get("isBase64Encoded") else body)
    print("remaining ms:", context.get_remaining_time_in_millis())
    return {"sum": sum(numbers.get("numbers", []))}
