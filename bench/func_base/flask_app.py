"""The seed's server: Flask parses the body and hands it to the user's main."""

from flask import Flask, jsonify, request
from func import main

app = Flask(__name__)


@app.route("/", methods=["POST"])
def call():
    return jsonify(main(request.get_json(force=True)))
