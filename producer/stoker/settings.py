"""Settings, and the source of each: arguments, STOKER_… variables, secrets, stoker.toml or defaults, in this order."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_settings import NoDecode

from .fleet.bounds import FleetSettings
from .kinds.deploy import Roles
from .kinds.needs import (
    MOST_OFFERS,
    FunctionPath,
    FunctionPattern,
    Labels,
    ModulePath,
    function_word,
    label_words,
    module_word,
)
from .models.access import checked_root, checked_webhook_root
from .models.retention import ModelPattern, Retention
from .models.targets import checked_target_root
from .origins import as_text, listed, pairs, tables, variable
from .settings_places import LocalPath, Places
from .tenants import Quota
from .terminal.process_log import Format, Level, ProcessLog

# A running controller follows changes of these in the settings file.
FOLLOWED = ("tenants", "ageing_s", "fleet", "retention", "roles", "audit")
DataRoot = Annotated[str, AfterValidator(checked_root)]
WebhookRoot = Annotated[str, AfterValidator(checked_webhook_root)]
ExportRoot = Annotated[str, AfterValidator(checked_target_root)]


class Settings(Places):
    """All settings of a deployment. Each field is a key of stoker.toml and, in capitals, a STOKER_… variable.

    Raises:
        InvalidSettings: a value is invalid, the file cannot be read, or it has an unknown key; one line per problem.
    """

    lease_s: float = Field(
        default=15, ge=0.5, le=3600, description="Seconds after which a silent worker's job is given to another."
    )
    keep_finished: int = Field(
        default=100_000, ge=0, description="How many finished jobs to remember, the newest ones."
    )
    keep_finished_s: float = Field(
        default=7 * 24 * 3600, gt=0, description="Seconds for which a finished job is remembered."
    )
    ageing_s: float = Field(
        default=600,
        gt=0,
        description="Seconds in the queue after which a job counts as one of the next higher priority.",
    )
    builders: Annotated[tuple[FunctionPath, ...], NoDecode, BeforeValidator(listed)] = Field(
        default=(),
        description="The functions that a Builder architecture may call, each as package.module:function; "
        "in the environment, with commas between them.",
    )
    objectives: Annotated[tuple[FunctionPath, ...], NoDecode, BeforeValidator(listed)] = Field(
        default=(),
        description="The functions that a training may call as its loss or a metric, each as package.module:function; "
        "in the environment, with commas between them.",
    )
    functions: Annotated[
        tuple[FunctionPattern, ...], Field(max_length=MOST_OFFERS), NoDecode, BeforeValidator(listed)
    ] = Field(
        default=(),
        description="The functions that jobs may run on a worker, each as package.module:function, or "
        "package.module:* for all of a module; in the environment, with commas between them.",
    )
    custom_objects: Annotated[
        tuple[ModulePath, ...], Field(max_length=MOST_OFFERS), NoDecode, BeforeValidator(listed)
    ] = Field(
        default=(),
        description="The modules whose registered Keras classes models may have on a worker, each as package.module; "
        "in the environment, with commas between them.",
    )
    labels: Annotated[Labels, NoDecode, BeforeValidator(pairs)] = Field(
        default_factory=dict,
        description="What is said of a worker, for jobs that need it: a table, such as "
        'labels = { image = "shop-1.4" }; in the environment as image=shop-1.4, with commas between several.',
    )
    data_roots: Annotated[tuple[DataRoot, ...], NoDecode, BeforeValidator(listed)] = Field(
        default=(),
        description="What a worker reads as data besides its store, buckets and https of public addresses: absolute "
        "folders, and beginnings of URLs; in the environment, with commas between them. `stoker up` reads all local "
        "files of its user.",
    )
    export_roots: Annotated[tuple[ExportRoot, ...], NoDecode, BeforeValidator(listed)] = Field(
        default=(),
        description="What a worker writes exports to besides its store and buckets: absolute folders, and beginnings "
        "of URLs; in the environment, with commas between them. `stoker up` writes to all folders that its user may.",
    )
    slots: int | None = Field(
        default=None,
        ge=1,
        le=1024,
        description="How many jobs one worker runs at once. None: one per core, at least 2.",
    )
    most_slots: int | None = Field(
        default=None,
        ge=1,
        le=1024,
        description="How many slots a worker may grow to. None: slots, or one per core if that is more, at least 2.",
    )
    node: str | None = Field(
        default=None, max_length=128, description="What this node is called. None: the name of its host."
    )
    gpu_wait_s: float = Field(
        default=300,
        ge=0,
        description='Seconds for which a job with device="auto" waits for a GPU before it is queued for a CPU.',
    )
    slot_memory_bytes: int | None = Field(
        default=None,
        ge=1,
        description="Bytes that a slot's job may use of its own, unless it asks for more memory. "
        "None: what the worker has, in as many parts as it starts with slots.",
    )
    least_free_bytes: int = Field(
        default=100 * 1024**2,
        ge=0,
        description="Bytes that must be free where artifacts lie, if that is a folder, and where temporary files do: a "
        "worker that finds less claims no jobs until there are.",
    )
    part_s: float = Field(
        default=10,
        gt=0,
        le=86_400,
        description="Seconds of work that make a part of a bulk prediction worth a job of its own.",
    )
    model_cache_bytes: int = Field(
        default=2 * 1024**3,
        ge=0,
        description="Bytes of models that a slot keeps loaded for inference, at most: never more than its memory.",
    )
    model_load_timeout_s: float = Field(
        default=120,
        gt=0,
        le=86_400,
        description="Seconds that loading a model for inference may take, before its callers are refused.",
    )
    remove_leftovers: bool = Field(
        default=False,
        description="Whether a controller removes files of the store that nothing names any more; else it counts them.",
    )
    audit: bool = Field(
        default=False,
        description="Whether it is noted who submits, cancels, approves, moves, removes or reads what, and sealed in "
        "the store, by a controller with this setting.",
    )
    connect_timeout_s: float = Field(default=3, gt=0, le=60, description="Seconds that connecting to Redis may take.")
    socket_timeout_s: float = Field(default=10, gt=0, le=600, description="Seconds that an answer of Redis may take.")
    max_connections: int = Field(
        default=50,
        ge=4,
        le=10_000,
        description="How many connections to Redis one client or slot opens at most; calls beyond wait for one.",
    )
    patience_s: float = Field(
        default=1,
        ge=0,
        le=3600,
        description="Seconds that a client keeps trying while Redis is away, before it raises Unavailable.",
    )
    metrics_host: str = Field(
        default="127.0.0.1", min_length=1, description="The address on which metrics are served to Prometheus."
    )
    metrics_port: int | None = Field(
        default=None,
        ge=1,
        le=65535,
        description="The port on which a controller serves metrics, 9464 for example. None: it serves none.",
    )
    node_metrics_port: int | None = Field(
        default=None,
        ge=1,
        le=65535,
        description="The port on which the agent of a node serves metrics, 9465 for example. None: it serves none.",
    )
    flower_port: int = Field(
        default=5555,
        ge=1,
        le=65535,
        description="The port of this machine on which `stoker up` and `stoker flower` run Flower.",
    )
    gateway_host: str = Field(
        default="127.0.0.1",
        min_length=1,
        description="The address on which `stoker gateway` listens: others than this machine's need gateway_keys and "
        "gateway_hosts.",
    )
    gateway_port: int = Field(default=8765, ge=1, le=65535, description="The port on which `stoker gateway` listens.")
    gateway_keys: LocalPath | None = Field(
        default=None,
        description="The file or folder with the API keys that come in, and what each may, as `stoker gateway new-key` "
        "writes it. None: those of keys/api in the home folder, and one that a gateway makes for itself and prints.",
    )
    gateway_hosts: Annotated[tuple[str, ...], NoDecode, BeforeValidator(listed)] = Field(
        default=(),
        description="The names by which callers call the gateway's host, besides those of this machine; * for any; in "
        "the environment, with commas between them.",
    )
    gateway_origins: Annotated[tuple[str, ...], NoDecode, BeforeValidator(listed)] = Field(
        default=(),
        description="The other sites whose pages may call the gateway, each as https://shop.example.org; in the "
        "environment, with commas between them.",
    )
    gateway_connections: int = Field(
        default=1000, ge=1, le=100_000, description="How many requests a gateway serves at once; others are refused."
    )
    gateway_body_bytes: int = Field(
        default=16 * 1024**2, ge=1024, description="Bytes that the body of a request to the gateway may have."
    )
    gateway_file_bytes: int = Field(
        default=64 * 1024**3,
        ge=1024,
        description="Bytes that a file may have which is uploaded through the gateway: until it is whole, it lies in "
        "the temporary folder of the gateway's machine.",
    )
    webhook_roots: Annotated[tuple[WebhookRoot, ...], NoDecode, BeforeValidator(listed)] = Field(
        default=(),
        description="Where webhooks may go besides https of public addresses: beginnings of URLs, such as "
        "http://ci.internal/hooks/; in the environment, with commas between them.",
    )
    log_level: Level = Field(
        default="info", description="What processes log at the least: debug, info, warning or error."
    )
    log_format: Format = Field(
        default="text",
        description="How they log: text for people, or json, an object a line for programs.",
    )
    log_file: LocalPath | None = Field(
        default=None,
        description="The file that a process logs to, instead of stderr; several may share one. `stoker up` has one "
        "for each in its home.",
    )
    log_file_bytes: int = Field(
        default=64 * 1024**2,
        ge=1024,
        description="Bytes after which such a file gets a number, and another one is begun; five older ones are kept.",
    )
    traces: bool = Field(
        default=False,
        description="Whether workers send traces of jobs, by OTLP over HTTP to where the OTEL_… variables say.",
    )
    tenants: Annotated[dict[str, Quota], NoDecode, BeforeValidator(tables)] = Field(
        default_factory=dict,
        description='What jobs tagged with a tenant may have: tables with "running", "queued", "weight" and "budget" '
        "by name; in the environment, as JSON.",
    )
    fleet: Annotated[dict[Literal["cpu", "gpu", "tpu"], FleetSettings], NoDecode, BeforeValidator(tables)] = Field(
        default_factory=dict,
        description="The fleets that are scaled: a table by device, such as [fleet.cpu] with max = 8; in the "
        "environment, as JSON. A fleet without one keeps the slots that its workers started with.",
    )
    retention: Annotated[dict[ModelPattern, Retention], NoDecode, BeforeValidator(tables)] = Field(
        default_factory=dict,
        description='How many versions of a model are kept: a table by pattern of its name, such as [retention."*"] '
        "with keep = 10, the first that fits; in the environment, as JSON. A model without one keeps all.",
    )
    roles: Annotated[Roles, NoDecode, BeforeValidator(tables)] = Field(
        default_factory=dict,
        description="Who may approve deployments that ask for it: the Redis users who have a role, by its name, such "
        'as [roles] release-managers = ["alice"]; in the environment, as JSON.',
    )

    # Else pydantic's plugin for mypy takes each field for an argument of the type that it has in the end.
    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)

    @property
    def offers(self) -> tuple[str, ...]:
        """What a worker with these settings offers to jobs that need it, as words: see `kinds.needs`."""
        functions, modules = map(function_word, self.functions), map(module_word, self.custom_objects)
        return (*functions, *modules, *label_words(self.labels))

    def log(self, process: str, worker: str | None = None) -> ProcessLog:
        """How a process of this name, or this worker, logs."""
        return ProcessLog(process, self.log_level, self.log_format, self.log_file, self.log_file_bytes, worker)

    def environment(self) -> dict[str, str]:
        """The STOKER_… variables that give another process the same settings.

        Settings that a running controller follows are left to the file, even if it does not have them yet.
        """
        of_file = {name for name in FOLLOWED if self.origin(name).startswith(("stoker.toml", "default"))}
        return {variable(name): as_text(value) for name, value in self if name not in of_file}
