import os


def handler(env):
    user = env.uri.get("user", "") or (env.body or {}).get("user", "world")
    return f"{os.environ['GREETING']}, {user}!"
