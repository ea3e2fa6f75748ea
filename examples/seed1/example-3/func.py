def main(params):
    return {"x": params["x"] ** 2, "y": params["y"] ** 2}
