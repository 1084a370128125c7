"""`/wait` is answered when the file `open` appears in the working directory; everything else at once."""

import asyncio
import os


async def app(scope, receive, send):
    assert scope["type"] == "http"
    body = b"at once"
    if scope["path"] == "/wait":
        print("request waits", flush=True)
        while not os.path.exists("open"):
            await asyncio.sleep(0.01)
        body = b"waited"
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body})
