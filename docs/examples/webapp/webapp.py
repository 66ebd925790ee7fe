"""A web app for models of tables: upload one, train, watch, predict, read the report, cancel. See docs/apps.md."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Header, HTTPException, Request, UploadFile
from fastapi.responses import HTMLResponse, JSONResponse, StreamingResponse

import stoker
from stoker.models.store import Store

connect = stoker.AsyncClient
UPLOADS = Path("uploads")  # a folder that the workers see, too


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    async with connect() as app.state.client:
        yield


def client_of(request: Request) -> stoker.AsyncClient:
    client: stoker.AsyncClient = request.app.state.client
    return client


app = FastAPI(lifespan=lifespan)
User = Annotated[str, Header(alias="X-User", pattern="^[a-z]{1,32}$")]  # as the proxy in front names who is logged in
Client = Annotated[stoker.AsyncClient, Depends(client_of)]


async def own_job(job_id: str, user: User, client: Client) -> stoker.AsyncJob:
    job = await client.job(job_id)
    if (await job.status()).tags.get("user") != user:
        raise HTTPException(404, "no job of yours has this id")
    return job


OwnJob = Annotated[stoker.AsyncJob, Depends(own_job)]


def saved(content: bytes) -> Path:
    UPLOADS.mkdir(exist_ok=True)
    path = UPLOADS / f"{uuid.uuid4()}.csv"
    path.write_bytes(content)
    return path


@app.post("/models/{name}")
async def train(name: str, target: str, file: UploadFile, user: User, client: Client) -> list[str]:
    data, tags = await asyncio.to_thread(saved, await file.read()), {"user": user}
    training = stoker.Train(model=f"{user}-{name}", data=data, target=target, optimizer="adamw", tags=tags)
    jobs = await client.submit_many([training, stoker.Evaluate(model="#0", data=data, tags=tags)])
    return [job.id for job in jobs]


@app.get("/jobs/{job_id}/events")
async def events(job: OwnJob, last_event_id: Annotated[str | None, Header()] = None) -> StreamingResponse:
    sent = (f"id: {event.id}\ndata: {event.model_dump_json()}\n\n" async for event in job.events(last_event_id))
    return StreamingResponse(sent, media_type="text/event-stream")


@app.get("/jobs/{job_id}/report")
async def report(job: OwnJob, client: Client) -> HTMLResponse:
    page = (await job.result(timeout=5)).shown().files["html"]
    return HTMLResponse(await asyncio.to_thread(Store(client.settings.store).read, page))


@app.post("/models/{name}/predictions")
async def predict(name: str, rows: list[dict[str, Any]], user: User, client: Client) -> list[stoker.Prediction]:
    return await client.predict(f"{user}-{name}", rows)


@app.delete("/jobs")
async def cancel(user: User, client: Client) -> int:
    return (await client.cancel_many(tags={"user": user})).done


@app.exception_handler(stoker.StokerError)
async def refuse(_: Request, error: Exception) -> JSONResponse:
    status = 404 if isinstance(error, LookupError) else 503 if isinstance(error, OSError) else 422
    return JSONResponse({"detail": str(error)}, status)
