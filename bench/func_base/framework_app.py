"""The same function for functions-framework."""

from func import main


def call(request):
    return main(request.get_json(force=True))
