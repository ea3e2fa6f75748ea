def main(params):
    x, y = params["x"], params["y"]
    return {"x": x - y, "y": y - x}
