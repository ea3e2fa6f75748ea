def handler(env):
    print("param1 in url is" + env.uri.get("param1", ""))
    print(env.body["name1"])
    return '{"hjk": "hjk"}'
