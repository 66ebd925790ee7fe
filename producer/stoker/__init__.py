"""Stoker: machine-learning jobs as a service, on Celery and Redis. The light half: what an app imports."""

from typing import TYPE_CHECKING

from .errors import (
    ClientClosed,
    InvalidArgument,
    InvalidJob,
    InvalidSettings,
    JobCancelled,
    JobDead,
    JobFailed,
    JobNotFound,
    JobPruned,
    ModelInUse,
    ModelNotFound,
    StokerError,
    Timeout,
    TooManyRequests,
    Unauthorized,
    Unavailable,
    Untrusted,
)
from .kinds import (
    CNN,
    MLP,
    Attribution,
    Augment,
    Builder,
    Checkpoints,
    Choice,
    Compare,
    CompareResult,
    Data,
    Deploy,
    DeployResult,
    Describe,
    DescribeResult,
    EarlyStopping,
    Evaluate,
    EvaluateResult,
    Explain,
    ExplainResult,
    Explanation,
    Export,
    ExportResult,
    Float,
    Forecast,
    Import,
    Importance,
    ImportedInput,
    ImportedOutput,
    ImportResult,
    Infer,
    InferResult,
    Int,
    KerasConfig,
    Monitor,
    MonitorResult,
    Optimize,
    Optimizer,
    OptimizeResult,
    Output,
    Plateau,
    Pretrained,
    ResNet,
    Run,
    RunResult,
    Schedule,
    Sequence,
    Text,
    Tolerance,
    Train,
    TrainResult,
    Tune,
    TuneResult,
    UNet,
    WideAndDeep,
)
from .models.manifest import Artifact, ModelVersion
from .models.signature import Signature, TensorSpec
from .version import VERSION

if TYPE_CHECKING:
    from . import events
    from .client.aio import AsyncClient
    from .client.async_job import AsyncJob
    from .client.blocking import Client
    from .client.candidates import Candidates
    from .client.fleets import FleetStatus
    from .client.job import Job
    from .client.job_files import AsyncJobFile, JobFile
    from .client.many import Acted, Matching
    from .client.stored import AsyncStoredFile, StoredFile
    from .events import Event, JobState
    from .fleet.bounds import Bounds
    from .foresight.eta import Eta, When
    from .functions.job import job
    from .ledger.alarms import Alarm
    from .ledger.dead_jobs import PastAttempt
    from .ledger.guards import Guarded
    from .ledger.model_log import ModelChange
    from .ledger.pauses import Paused
    from .ledger.presence import Worker
    from .ledger.sampling import Feedback
    from .ledger.uploads import Upload
    from .ledger.usage import Usage
    from .models.answer import Answer
    from .models.guard import Guard
    from .models.prediction import Prediction
    from .models.retention import Removal
    from .schedules.schedule import ScheduleStatus
    from .security.audit import AuditEntry
    from .security.audit.verifying import AuditReport
    from .settings import Settings
    from .status import JobStatus
    from .webhooks.webhook import Delivery, NewWebhook, Webhook, WebhookStatus

__version__ = VERSION

# These bring redis-py, pydantic-settings, numpy or models of their own along, which a program that only builds specs
# need not wait for.
_LAZY = {
    "Acted": "client.many",
    "Alarm": "ledger.alarms",
    "Answer": "models.answer",
    "AsyncClient": "client.aio",
    "AsyncJob": "client.async_job",
    "AsyncJobFile": "client.job_files",
    "AsyncStoredFile": "client.stored",
    "AuditEntry": "security.audit",
    "AuditReport": "security.audit.verifying",
    "Bounds": "fleet.bounds",
    "Candidates": "client.candidates",
    "Client": "client.blocking",
    "Delivery": "webhooks.webhook",
    "Eta": "foresight.eta",
    "Event": "events",
    "Feedback": "ledger.sampling",
    "FleetStatus": "client.fleets",
    "Guard": "models.guard",
    "Guarded": "ledger.guards",
    "Job": "client.job",
    "JobFile": "client.job_files",
    "JobState": "events",
    "JobStatus": "status",
    "Matching": "client.many",
    "ModelChange": "ledger.model_log",
    "NewWebhook": "webhooks.webhook",
    "PastAttempt": "ledger.dead_jobs",
    "Paused": "ledger.pauses",
    "Prediction": "models.prediction",
    "Removal": "models.retention",
    "ScheduleStatus": "schedules.schedule",
    "Settings": "settings",
    "StoredFile": "client.stored",
    "Upload": "ledger.uploads",
    "Usage": "ledger.usage",
    "Webhook": "webhooks.webhook",
    "WebhookStatus": "webhooks.webhook",
    "When": "foresight.eta",
    "Worker": "ledger.presence",
    "job": "functions.job",
}

__all__ = [
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
    "TooManyRequests",
    "Train",
    "TrainResult",
    "Tune",
    "TuneResult",
    "UNet",
    "Unauthorized",
    "Unavailable",
    "Untrusted",
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


def __getattr__(name: str) -> object:
    from importlib import import_module

    if name == "events":
        return import_module(".events", __name__)
    if name not in _LAZY:
        raise AttributeError(f"module 'stoker' has no attribute {name!r}")
    return getattr(import_module(f".{_LAZY[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
