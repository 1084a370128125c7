"""FastAPI: rgun fastapi_app:app, then http://127.0.0.1:8000/docs"""

import asyncio
import contextlib
import hashlib
from typing import Optional

from fastapi import Depends, FastAPI, HTTPException, UploadFile
from pydantic import BaseModel, Field


@contextlib.asynccontextmanager
async def lifespan(app: FastAPI):
    app.state.items = {}
    yield
    app.state.items.clear()


app = FastAPI(title="FastAPI on rgun", lifespan=lifespan)


class Item(BaseModel):
    name: str
    price: float = Field(gt=0)
    tags: list[str] = []


async def session():
    # A dependency that needs its end to run: a database session in real life.
    await asyncio.sleep(0)
    yield "session"


@app.get("/")
async def index():
    return {"hello": "world"}


@app.get("/items/{number}")
async def read(number: int, q: Optional[str] = None, opened: str = Depends(session)):
    if number not in app.state.items:
        raise HTTPException(404, "no such item")
    return {"item": app.state.items[number], "q": q}


@app.put("/items/{number}", status_code=201)
async def write(number: int, item: Item):
    app.state.items[number] = item
    return item


@app.get("/threaded")
def threaded():
    # A plain function: FastAPI runs it in a thread.
    return {"threaded": True}


@app.post("/files")
async def files(file: UploadFile):
    digest = hashlib.sha256()
    while block := await file.read(65536):
        digest.update(block)
    return {"name": file.filename, "sha256": digest.hexdigest()}
