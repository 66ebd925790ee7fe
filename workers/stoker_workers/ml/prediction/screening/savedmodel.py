"""What is checked of a SavedModel before TensorFlow opens it: it only computes, and all it needs is in its folder."""

import math
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import tensorflow as tf
from google.protobuf.message import DecodeError
from tensorflow.core.protobuf import saved_model_pb2

from stoker.errors import InvalidJob
from stoker.kinds.problems import short

from .calls import check_calls
from .members import safe_path
from .savedmodel_ops import COMPUTING, SAVING
from .screen import screen

GRAPH, VARIABLES = "saved_model.pb", "variables/"
_LARGEST_GRAPH = 2**31 - 1
_LARGEST_CONSTANT = 256 << 20
_SAVING = SAVING - COMPUTING


@screen
def check_savedmodel(folder: Path, what: str) -> Any:
    """Check an unpacked SavedModel; gives its MetaGraphDef, parsed, with nothing loaded.

    Raises:
        InvalidJob: it is none, has operations that are not in `savedmodel_ops`, claims variables that it has not, or
            has another format beside it that TensorFlow would take first.
    """
    path = folder / GRAPH
    for other in ("saved_model.cpb", "saved_model.pbtxt"):
        if (folder / other).exists():
            raise InvalidJob(f"{what} has a {other}, which is not read here; save the model again, as {GRAPH}")
    if not path.is_file():
        raise InvalidJob(f"{what} has no {GRAPH}: it is no SavedModel; write one with model.export(folder)")
    if path.stat().st_size > _LARGEST_GRAPH:
        raise InvalidJob(f"{GRAPH} in {what} is larger than 2 GiB, which it cannot be; save the model again")
    try:
        saved = saved_model_pb2.SavedModel.FromString(path.read_bytes())
    except (DecodeError, RecursionError) as error:
        raise InvalidJob(f"{what} has a damaged {GRAPH} ({error}); save the model again") from error
    served = [graph for graph in saved.meta_graphs if "serve" in graph.meta_info_def.tags]
    if len(saved.meta_graphs) != 1 or not served:
        tags = [", ".join(graph.meta_info_def.tags) for graph in saved.meta_graphs]
        raise InvalidJob(f"{what} has graphs for {tags or 'nothing'}; expected one, for serve")
    [graph] = served
    if not graph.HasField("object_graph_def"):
        raise InvalidJob(
            f"{what} was written by TensorFlow 1, whose models are not read; load and save it again with TensorFlow 2"
        )
    _check_operations(graph, what)
    _check_variables(graph, folder, what)
    for asset in graph.asset_file_def:
        if not safe_path(asset.filename):
            raise InvalidJob(f"{what} names the asset {asset.filename[:80]!r}, which lies elsewhere; save it again")
    return graph


def _check_operations(graph: Any, what: str) -> None:
    library = {function.signature.name: function for function in graph.graph_def.library.function}
    if len(library) < len(graph.graph_def.library.function):
        raise InvalidJob(f"{what} has two functions of one name, and readers differ in which they take; save it again")
    for name in library:
        # TensorFlow would take it for the one or the other.
        if hasattr(tf.raw_ops, name):
            raise InvalidJob(f"{what} has a function called {short(name)}, as an operation is; save the model again")
    # The two nodes that save and restore, which loading does not run; all others it may.
    saver = {name.partition(":")[0] for name in (graph.saver_def.save_tensor_name, graph.saver_def.restore_op_name)}
    nodes = [node for node in graph.graph_def.node if node.name not in saver]
    saving = _reached(_called((node for node in graph.graph_def.node if node.name in saver), library), library)
    loaded = [*_called(nodes, library), *graph.object_graph_def.concrete_functions]
    if lacking := [name for name in loaded if name not in library]:
        raise InvalidJob(f"{what} names the function {lacking[0][:80]!r}, which it has not; save the model again")
    if both := saving & _reached(loaded, library):
        raise InvalidJob(
            f"{what} saves or restores files while it predicts, by {short(min(both))}: export it for inference"
        )
    bodies = {
        name: [*_called(function.node_def, library), *(node.op for node in function.node_def)]
        for name, function in library.items()
    }
    check_calls(bodies, what)
    known = frozenset(library)
    for name, function in library.items():
        _check_nodes(function.node_def, SAVING if name in saving else COMPUTING, known, what)
    _check_nodes(nodes, COMPUTING, known, what)


def _check_nodes(nodes: Iterable[Any], allowed: frozenset[str], functions: frozenset[str], what: str) -> None:
    for node in nodes:
        if node.op not in allowed and node.op not in functions:
            why = "which writes or reads files" if node.op in _SAVING else "which is not one of those that only compute"
            raise InvalidJob(
                f"{what} has the operation {node.op[:80]} ({node.name[:80]!r}), {why}; export the model for inference, "
                "with words and tables in its graph"
            )
        if node.op == "Const":
            _check_constant(node, what)


def _check_constant(node: Any, what: str) -> None:
    tensor = node.attr["value"].tensor
    claimed = math.prod(max(0, each.size) for each in tensor.tensor_shape.dim) * _item_bytes(tensor.dtype)
    if claimed > max(_LARGEST_CONSTANT, 2 * tensor.ByteSize()):
        raise InvalidJob(
            f"{what} claims {claimed:,} bytes for the constant {node.name[:80]!r} and holds {tensor.ByteSize():,}; it "
            "is made to fill a memory"
        )


def _check_variables(graph: Any, folder: Path, what: str) -> None:
    """Compare the declared variables with the bytes of them."""
    files = [path for path in (folder / VARIABLES).glob("*") if ".data-" in path.name]
    stored = sum(path.stat().st_size for path in files)
    variables = [node.variable for node in graph.object_graph_def.nodes if node.WhichOneof("kind") == "variable"]
    claimed = sum(
        math.prod(max(0, each.size) for each in variable.shape.dim) * _item_bytes(variable.dtype)
        for variable in variables
    )
    if claimed > stored:
        raise InvalidJob(
            f"{what} claims {claimed:,} bytes of variables and holds {stored:,}; a file of {VARIABLES} is missing, or "
            "it is made to fill a memory"
        )


def _item_bytes(dtype: int) -> int:
    try:
        return int(tf.as_dtype(dtype).size)
    except TypeError:  # of texts and resources, which have no size of their own
        return 1


def _reached(names: Iterable[str], library: dict[str, Any]) -> frozenset[str]:
    """Functions and all that they call, in turn."""
    reached: set[str] = set()
    open_names = list(names)
    while open_names:
        name = open_names.pop()
        if name in library and name not in reached:
            reached.add(name)
            open_names += _called(library[name].node_def, library)
    return frozenset(reached)


def _called(nodes: Iterable[Any], library: dict[str, Any]) -> Iterator[str]:
    """The functions that nodes call, by their operation or by an attribute."""
    for node in nodes:
        if node.op in library:
            yield node.op
        for value in node.attr.values():
            if value.HasField("func"):
                yield value.func.name
            for function in value.list.func:
                yield function.name
