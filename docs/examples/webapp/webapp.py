"""A web app for models of tables: upload one, train, watch, predict, read the report, cancel. See docs/apps.md."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from tempfile import NamedTemporaryFile
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Header, HTTPException, Request, UploadFile
from fastapi.responses import HTMLResponse, JSONResponse, StreamingResponse

import stoker

connect = stoker.AsyncClient
client: stoker.AsyncClient  # one for the whole app, as long as it runs


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    global client
    async with connect() as client:
        yield


app = FastAPI(lifespan=lifespan)
User = Annotated[str, Header(alias="X-User", pattern="^[a-z]{1,32}$")]  # as the proxy in front names who is logged in


async def own_job(job_id: str, user: User) -> stoker.AsyncJob:
    job = await client.job(job_id)
    if (await job.status()).tags.get("user") != user:
        raise HTTPException(404, "no job of yours has this id")
    return job


OwnJob = Annotated[stoker.AsyncJob, Depends(own_job)]


@app.post("/models/{name}")
async def train(name: str, target: str, file: UploadFile, user: User) -> list[str]:
    with NamedTemporaryFile(suffix=".csv") as table:
        table.write(await file.read())
        table.flush()
        data = await client.upload(table.name, name=f"{name}.csv")
    tags = {"user": user}
    training = stoker.Train(model=f"{user}-{name}", data=data, target=target, optimizer="adamw", tags=tags)
    jobs = await client.submit_many([training, stoker.Evaluate(model="#0", data=data, tags=tags)])
    return [job.id for job in jobs]


@app.get("/jobs/{job_id}/events")
async def events(job: OwnJob, last_event_id: Annotated[str | None, Header()] = None) -> StreamingResponse:
    sent = (f"id: {event.id}\ndata: {event.model_dump_json()}\n\n" async for event in job.events(last_event_id))
    return StreamingResponse(sent, media_type="text/event-stream")


@app.get("/jobs/{job_id}/report")
async def report(job: OwnJob) -> HTMLResponse:
    files = await job.files()
    if "html" not in files:
        raise HTTPException(404, "this job has no report: ask for that of the evaluation")
    return HTMLResponse(await files["html"].read())


@app.post("/models/{name}/predictions")
async def predict(name: str, rows: list[dict[str, Any]], user: User) -> list[stoker.Prediction]:
    return await client.predict(f"{user}-{name}", rows)


@app.delete("/jobs")
async def cancel(user: User) -> int:
    return (await client.cancel_many(tags={"user": user})).done


@app.exception_handler(stoker.StokerError)
async def refuse(_: Request, error: Exception) -> JSONResponse:
    status = 404 if isinstance(error, LookupError) else 503 if isinstance(error, OSError) else 422
    return JSONResponse({"detail": str(error)}, status)
