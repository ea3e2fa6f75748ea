"""The function that all servers carry: seed 1's func2."""


def main(params):
    return {"x": params["x"] + params["y"], "y": params["x"] - params["y"]}
