import json


def handler(env):
    order = env.body
    return json.dumps({"report": f"{order['done']} {order['symbol']} at {order['stock_price']}"})
