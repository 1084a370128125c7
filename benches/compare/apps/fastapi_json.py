"""A FastAPI application with one JSON route."""

from fastapi import FastAPI

app = FastAPI()


@app.get("/item/{number}")
async def item(number: int, q: str = ""):
    return {"number": number, "q": q, "tags": ["a", "b", "c"]}
