import json

PRICES = {"TRPE": 42, "ACME": 87}


def handler(env):
    symbol = env.body.get("symbol", "TRPE")
    return json.dumps({"symbol": symbol, "stock_price": PRICES.get(symbol, 50)})
