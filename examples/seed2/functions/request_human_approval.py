import json


def handler(env):
    # A person would be asked here; kind: Activity lets one answer with kubectl task approve.
    return json.dumps({**env.body, "approved": True})
