"""Flask, a WSGI framework: rgun flask_app:app"""

from flask import Flask, Response, jsonify, request

app = Flask(__name__)


@app.get("/")
def index():
    return "Hello from Flask"


@app.post("/echo")
def echo():
    return jsonify(size=len(request.get_data()), form=request.form.to_dict())


@app.get("/stream")
def stream():
    return Response((f"line {number}\n" for number in range(5)), mimetype="text/plain")
