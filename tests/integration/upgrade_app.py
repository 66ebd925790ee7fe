"""An app of one version of Stoker, as a program: `upgrade_app.py TRAININGS [JOB …]`; prints what it saw, as JSON.

It submits so many trainings one after the other and follows each to its end, reads what else there is, and looks at
the jobs that it is given, which another version may have submitted.
"""

import json
import sys
from typing import Any

import stoker


def main(trainings: int, others: list[str]) -> None:
    with stoker.Client() as client:
        told: dict[str, Any] = {
            "trainings": [_train(client, number) for number in range(trainings)],
            "others": {job_id: _look(client, job_id) for job_id in others},
            "models": len(client.models()),
            "jobs": len(client.jobs()),
            "workers": len(client.workers()),
        }
    print(json.dumps(told))


def _train(client: stoker.Client, number: int) -> dict[str, Any]:
    # A drain costs no attempt; a worker that were lost would end the job.
    spec = stoker.Train(model=f"model-{number % 2}", data="sample://iris", epochs=1, seed=number, max_attempts=1)
    job = client.submit(spec)
    types = [event.type for event in job.events()]
    result = job.result()
    assert isinstance(result, stoker.TrainResult)
    return {"model": result.model, "epochs": result.epochs, "last": types[-1]}


def _look(client: stoker.Client, job_id: str) -> dict[str, Any]:
    job = client.job(job_id)
    status = job.status()
    seen: dict[str, Any] = {"state": str(status.state), "kind": status.kind, "reason": status.reason}
    if status.state.final:
        seen["events"] = [event.type for event in job.events()]
        try:
            seen["result"] = job.result().kind
        except stoker.StokerError as error:
            seen["error"] = type(error).__name__
    return seen


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
