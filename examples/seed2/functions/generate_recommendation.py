import json


def handler(env):
    recommended = "buy" if env.body["stock_price"] < 50 else "sell"
    return json.dumps({**env.body, "recommended_type": recommended})
