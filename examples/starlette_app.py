"""Starlette: rgun starlette_app:app"""

import asyncio
import contextlib

from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, StreamingResponse
from starlette.routing import Route


@contextlib.asynccontextmanager
async def lifespan(app):
    # What is yielded is request.state of every request.
    yield {"greeting": "Hello from the lifespan", "jobs": []}


async def index(request: Request):
    return PlainTextResponse(request.state.greeting)


async def echo(request: Request):
    size = 0
    async for block in request.stream():
        size += len(block)
    return JSONResponse({"size": size})


async def stream(request: Request):
    async def lines():
        for number in range(5):
            yield f"line {number}\n"
            await asyncio.sleep(0)

    return StreamingResponse(lines(), media_type="text/plain")


async def job(request: Request):
    jobs = request.state.jobs

    async def work():
        jobs.append("done")

    return JSONResponse({"before": len(jobs)}, background=BackgroundTask(work))


app = Starlette(
    routes=[
        Route("/", index),
        Route("/echo", echo, methods=["POST"]),
        Route("/stream", stream),
        Route("/job", job),
    ],
    lifespan=lifespan,
)
