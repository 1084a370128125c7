"""A Flask application with one JSON route."""

from flask import Flask, jsonify, request

app = Flask(__name__)


@app.get("/item/<int:number>")
def item(number):
    return jsonify(number=number, q=request.args.get("q", ""), tags=["a", "b", "c"])
