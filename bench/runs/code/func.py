"""A step that does nothing: what is measured is the engine around it."""


def main(params):
    return params
