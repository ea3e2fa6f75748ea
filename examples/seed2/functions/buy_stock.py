import json


def handler(env):
    return json.dumps({**env.body, "done": "bought"})
