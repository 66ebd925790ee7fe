"""A model's signature: what is read off its file, and what the import says of it."""

from collections.abc import Mapping, Sequence
from typing import TypeVar

from stoker.errors import InvalidJob
from stoker.kinds import Import, ImportedInput, ImportedOutput
from stoker.kinds.import_model import ONLY
from stoker.kinds.problems import short
from stoker.models.data import choices
from stoker.models.signature import Signature, TensorSpec

from .ports import DTYPES, Port, Ports

Said = TypeVar("Said", ImportedInput, ImportedOutput)

# The registry keeps them, and every request names some.
_MOST_PORTS, _LONGEST_NAME = 1_000, 256


def drafted(spec: Import, ports: Ports, entry: str | None) -> tuple[Signature, list[str]]:
    """The signature as far as the file tells it, which is enough to try the model; and what to say of it.

    Raises:
        InvalidJob: the import says what cannot be, or the model takes or gives what no rows are.
    """
    _check_sizes(ports)
    said = _named(spec.inputs, ports.inputs, "inputs")
    inputs = tuple(_input(port, said.get(port.name, ImportedInput())) for port in ports.inputs)
    batch = _batch(ports.inputs)
    served, notes = _served(spec, ports.outputs)
    outputs = tuple(_output(port, each) for port, each in served)
    for what, specs in (("inputs", inputs), ("outputs", outputs)):
        names = [each.name for each in specs]
        if len(set(names)) < len(names):
            raise InvalidJob(f"two {what} would be called alike: {', '.join(names)}; give them other names")
    parts = {each.name: Signature(inputs=(), outputs=(each,), task="regression") for each in outputs}
    draft = Signature(
        inputs=inputs,
        outputs=outputs,
        task="several" if len(outputs) > 1 else "regression",
        parts=parts if len(outputs) > 1 else {},
        batch=batch,
        entry=entry,
    )
    if batch is not None:
        notes.append(f"every call takes exactly {batch} row(s), so that many rows take many calls")
    return draft, [*notes, *(note for port in ports.inputs for note in _of_quantised(port, said.get(port.name)))]


def _check_sizes(ports: Ports) -> None:
    for what, listed in (("inputs", ports.inputs), ("outputs", ports.outputs)):
        if len(listed) > _MOST_PORTS:
            raise InvalidJob(
                f"the model has {len(listed):,} {what} and may have {_MOST_PORTS:,}; join them in the model"
            )
        for port in listed:
            if len(port.name) > _LONGEST_NAME or not port.name.isprintable():
                raise InvalidJob(
                    f"the model has one of its {what} called {short(port.name)}: expected at most {_LONGEST_NAME} "
                    "characters that can be printed; export it with another name"
                )


def said_of(spec: Import, ports: Sequence[Port]) -> list[ImportedOutput]:
    """What the import says of each output that is served, in order."""
    return [each for _, each in _served(spec, ports)[0]]


def _input(port: Port, said: ImportedInput) -> TensorSpec:
    what = f"input {port.name!r}"
    if port.dtype not in DTYPES:
        raise InvalidJob(
            f"{what} takes {port.dtype}, which no rows are; export the model with an input of plain numbers"
        )
    shape = _row_shape(port, said, what)
    name = said.name or port.name
    dtype = port.dtype
    if said.dtype is not None:
        if port.quantised is None:
            raise InvalidJob(f"{what} takes {port.dtype} as it is, not quantised: leave dtype out")
        dtype = said.dtype
    columns = said.columns
    if len(columns) == 1 and not shape:
        name, columns = said.name or columns[0], ()
    elif columns and (len(shape) != 1 or shape[0] not in (None, len(columns))):
        raise InvalidJob(
            f"{what} takes rows of shape {_shown(shape)}, and columns names {len(columns)}: name one for each place"
        )
    if columns:
        shape = (len(columns),)
    fields: dict[str, object] = {}
    match said.kind:
        case "image":
            if len(shape) != 3 or None in shape or shape[2] not in (1, 3) or port.dtype == "string":
                raise InvalidJob(
                    f"{what} takes rows of shape {_shown(shape)}, which are no pictures (height, width, 1 or 3): give "
                    "shape, or leave kind out"
                )
            dtype, fields = "uint8", {"low": 0.0, "high": 255.0}
        case "category" | "text" if port.dtype != "string":
            raise InvalidJob(f"{what} takes {port.dtype}, and kind={said.kind!r} is text: leave kind out")
        case "category" if not columns:
            raise InvalidJob(f"{what} takes categories of no columns: name them in columns")
        case "text" if shape:
            raise InvalidJob(f"{what} takes rows of shape {_shown(shape)}, and kind='text' is one text: leave kind out")
    own = None if name == port.name else port.name
    return TensorSpec(name=name, shape=shape, dtype=dtype, kind=said.kind, columns=columns, tensor=own, **fields)


def _row_shape(port: Port, said: ImportedInput, what: str) -> tuple[int | None, ...]:
    if port.shape is None:
        if said.shape is None:
            raise InvalidJob(f"{what} may have any number of axes: say the shape of a row, as in shape=(None, 64)")
        return said.shape
    if not port.shape:
        raise InvalidJob(
            f"{what} is a single value for all rows; export the model with that value in it, for each row is its own"
        )
    shape = port.shape[1:]
    if said.shape is None:
        return shape
    if len(said.shape) != len(shape) or any(
        own is not None and size != own for own, size in zip(shape, said.shape, strict=False)
    ):
        raise InvalidJob(f"{what} takes rows of shape {_shown(shape)}, and shape says {_shown(said.shape)}")
    return said.shape


def _batch(ports: Sequence[Port]) -> int | None:
    sizes = {port.shape[0] if port.shape else None for port in ports}
    if len(sizes) > 1:
        shapes = ", ".join(f"{port.name} {_shown(port.shape or ())}" for port in ports)
        raise InvalidJob(
            f"the first axes of the inputs differ, and count rows: {shapes}; export them alike; one that you do not "
            "know is a constant of which the exporter has made an input, as Keras does of Normalization for ONNX: "
            "import the .keras file or SavedModel instead"
        )
    return sizes.pop() if sizes else None


def _served(spec: Import, ports: Sequence[Port]) -> tuple[list[tuple[Port, ImportedOutput]], list[str]]:
    """The outputs to be served, with what is said of each."""
    notes = []
    if spec.outputs:
        said = _named(spec.outputs, ports, "outputs")
        chosen = [(port, said[port.name]) for port in ports if port.name in said]
    else:
        chosen = [(port, ImportedOutput()) for port in ports if port.dtype in DTYPES - {"string"}]
        if left_out := [port.name for port in ports if port not in [each for each, _ in chosen]]:
            notes.append(f"outputs of no numbers are left out: {', '.join(left_out)}")
        if len(chosen) == 1:
            alone = ImportedOutput(task=spec.task, classes=spec.classes, target=spec.target, logits=spec.logits)
            chosen = [(chosen[0][0], alone)]
        elif spec.task or spec.classes or spec.target or spec.logits is not None:
            names = ", ".join(port.name for port, _ in chosen)
            raise InvalidJob(f"the model has the outputs {names}: say in outputs which of them you mean")
    for port, _ in chosen:
        if port.dtype not in DTYPES or port.dtype == "string":
            raise InvalidJob(f"output {port.name!r} gives {port.dtype}, not numbers: name other outputs")
    if not chosen:
        raise InvalidJob("the model gives no numbers, so there is nothing to be served; export it with such an output")
    return chosen, notes


def _output(port: Port, said: ImportedOutput) -> TensorSpec:
    name = said.name or port.name
    dtype = "float32" if port.quantised or port.dtype == "bfloat16" else port.dtype
    shape = () if port.shape is None else port.shape[1:]
    return TensorSpec(name=name, shape=shape, dtype=dtype, tensor=None if name == port.name else port.name)


def _named(said: Mapping[str, Said], ports: Sequence[Port], what: str) -> dict[str, Said]:
    """What is said of each port, by its name in the model."""
    names = [port.name for port in ports]
    if ONLY in said:
        if len(ports) > 1 or len(said) > 1:
            raise InvalidJob(f"the model has the {what} {', '.join(names)}: say which of them you mean, by name")
        return {names[0]: said[ONLY]}
    if unknown := next((name for name in said if name not in names), None):
        raise InvalidJob(f"the model has no {what[:-1]} {unknown!r}; it has {choices(unknown, names)}")
    return dict(said)


def _of_quantised(port: Port, said: ImportedInput | None) -> list[str]:
    if port.quantised is None or (said is not None and said.dtype is not None):
        return []
    real = f"{port.quantised.scale:.6g} × (number − {port.quantised.zero})"
    told = f"input {port.name!r} takes {port.dtype}, as the model does: {real} is the real one"
    return [f"{told}; with dtype='float32' rows would be the real numbers"]


def _shown(shape: Sequence[int | None]) -> str:
    return "(" + ", ".join("any" if size is None else str(size) for size in shape) + ")"
