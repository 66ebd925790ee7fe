"""What `import stoker` gives, and what it must not cost."""

import ast
import inspect
import subprocess
import sys
from collections.abc import Iterator
from typing import get_args, get_origin, get_type_hints

import pytest

import stoker

from ..conftest import PATIENCE_S

# What apps may rely on: a name that is added or taken away is added or taken away here, and in the docs.
PUBLIC = [
    "CNN",
    "MLP",
    "Acted",
    "Alarm",
    "Answer",
    "Artifact",
    "AsyncClient",
    "AsyncJob",
    "AsyncJobFile",
    "AsyncStoredFile",
    "Attribution",
    "AuditEntry",
    "AuditReport",
    "Augment",
    "Bounds",
    "Builder",
    "Candidates",
    "Checkpoints",
    "Choice",
    "Client",
    "ClientClosed",
    "Compare",
    "CompareResult",
    "Data",
    "Delivery",
    "Deploy",
    "DeployResult",
    "Describe",
    "DescribeResult",
    "EarlyStopping",
    "Eta",
    "Evaluate",
    "EvaluateResult",
    "Event",
    "Explain",
    "ExplainResult",
    "Explanation",
    "Export",
    "ExportResult",
    "Feedback",
    "FleetStatus",
    "Float",
    "Forecast",
    "Guard",
    "Guarded",
    "Import",
    "ImportResult",
    "Importance",
    "ImportedInput",
    "ImportedOutput",
    "Infer",
    "InferResult",
    "Int",
    "InvalidArgument",
    "InvalidJob",
    "InvalidSettings",
    "Job",
    "JobCancelled",
    "JobDead",
    "JobFailed",
    "JobFile",
    "JobNotFound",
    "JobPruned",
    "JobState",
    "JobStatus",
    "KerasConfig",
    "Matching",
    "ModelChange",
    "ModelInUse",
    "ModelNotFound",
    "ModelVersion",
    "Monitor",
    "MonitorResult",
    "NewWebhook",
    "Optimize",
    "OptimizeResult",
    "Optimizer",
    "Output",
    "PastAttempt",
    "Paused",
    "Plateau",
    "Prediction",
    "Pretrained",
    "Removal",
    "ResNet",
    "Run",
    "RunResult",
    "Schedule",
    "ScheduleStatus",
    "Sequence",
    "Settings",
    "Signature",
    "StokerError",
    "StoredFile",
    "TensorSpec",
    "Text",
    "Timeout",
    "Tolerance",
    "Train",
    "TrainResult",
    "Tune",
    "TuneResult",
    "UNet",
    "Unauthorized",
    "Untrusted",
    "TooManyRequests",
    "Unavailable",
    "Upload",
    "Usage",
    "Webhook",
    "WebhookStatus",
    "When",
    "WideAndDeep",
    "Worker",
    "events",
    "job",
]


def test_the_public_names() -> None:
    assert sorted(stoker.__all__) == sorted(PUBLIC)
    for name in stoker.__all__:
        assert getattr(stoker, name).__name__.removeprefix("stoker.") == name or name == "Event"


def classes_in(hint: object) -> Iterator[type]:
    """The classes of Stoker that a type names, alone or within another."""
    if isinstance(hint, type) and hint.__module__.startswith("stoker."):
        yield hint
    for part in (get_origin(hint), *get_args(hint)):
        if part is not None and part is not hint:
            yield from classes_in(part)


@pytest.mark.parametrize("of", [stoker.Client, stoker.AsyncClient, stoker.Job, stoker.AsyncJob])
def test_what_public_methods_return_can_be_imported(of: type) -> None:
    for name, member in inspect.getmembers(of):
        method = member.fget if isinstance(member, property) else member
        if not name.startswith("_") and inspect.isfunction(method):
            for kind in classes_in(get_type_hints(method).get("return")):
                public = [getattr(room, kind.__name__, None) for room in (stoker, stoker.events)]
                assert kind in public, f"{of.__name__}.{name} returns {kind.__name__}"


def printed_by(code: str) -> str:
    """What a Python of its own prints."""
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=PATIENCE_S)
    return done.stdout.strip()


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Klient'"):
        stoker.Klient  # noqa: B018


def test_the_light_half_loads_nothing_heavy() -> None:
    heavy = "tensorflow keras sklearn pyarrow matplotlib flower fastapi stoker_workers"
    code = (
        "import sys, stoker, stoker.client.aio, stoker.client.blocking, stoker.cli\n"
        f"print(*[heavy for heavy in {heavy.split()} if heavy in sys.modules])"
    )
    assert printed_by(code) == ""


def test_importing_stoker_loads_neither_redis_nor_celery() -> None:
    code = "import sys, stoker; print(*[name for name in ('redis', 'celery', 'typer', 'numpy') if name in sys.modules])"
    assert printed_by(code) == ""


def test_importing_stoker_builds_no_validator() -> None:
    code = (
        "import stoker; from pydantic import BaseModel\n"
        "models = [BaseModel]; [models.extend(model.__subclasses__()) for model in models]\n"
        "print(len(models) > 50, *[model.__name__ for model in models[1:] if model.__pydantic_complete__])"
    )
    assert printed_by(code) == "True"


def test_what_is_only_read_is_not_built_before_it_is_read() -> None:
    code = (
        "import sys, inspect, stoker; assert 'stoker.events' not in sys.modules\n"
        "print(stoker.TrainResult.__pydantic_complete__, 'epochs' in inspect.signature(stoker.Train).parameters)\n"
        "stoker.Artifact(name='model.keras', digest='0' * 64, size=1); print(stoker.Artifact.__pydantic_complete__)"
    )
    assert printed_by(code).split() == ["False", "True", "True"]


def test_type_checkers_know_what_is_loaded_later() -> None:
    tree = ast.parse(inspect.getsource(stoker))
    [block] = [node for node in tree.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"]
    known = {alias.name for node in block.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert known >= set(stoker._LAZY)


def test_names_that_are_loaded_later_are_listed_before() -> None:
    assert printed_by("import stoker; print(*{*stoker.__all__} - {*dir(stoker)})") == ""


def test_both_clients_have_the_same_methods() -> None:
    def methods(client: type) -> set[str]:
        return {name for name in dir(client) if not name.startswith("_")}

    assert methods(stoker.Client) == methods(stoker.AsyncClient)


def test_a_spec_that_was_never_used_shows_its_fields() -> None:
    assert printed_by("import inspect, stoker; print('hidden' in inspect.signature(stoker.MLP).parameters)") == "True"
