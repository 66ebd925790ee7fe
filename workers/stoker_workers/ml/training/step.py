"""The compiled training loop: many gradient steps per call, metrics included."""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from stoker.errors import InvalidJob
from stoker.kinds.training.outputs import larger_is_better

from .measures import Measure
from .objective import Objective
from .replicas import Replicas
from .rows import WEIGHT, Window, answer_key, input_key, target_key
from .updating import Gradients, Update, add_up

Totals = tuple[float, ...]
"""Sums over rows: the loss; of several outputs, that of each; what the metrics need; and the weights of the rows."""

Lines = NDArray[np.int32]
"""Row indices of shape (steps, batch size)."""

# To trace validation takes as long as some twenty steps of a small network, operation by operation.
_FEW_STEPS = 10

_NOTHING: Mapping[str, tf.TensorSpec] = MappingProxyType({})

Batch = Mapping[str, tf.Tensor]
"""Rows by the names that `rows` gives them."""

Step = Callable[[Batch, tf.Tensor, tf.Tensor], tf.Tensor]
"""From a window, the indices of a replica's rows in it, and the size of the whole batch to its share of the totals."""

Loop = Callable[[Window, Lines, Totals], Totals]
"""Takes one step for each line, and adds its rows to the totals.

The totals pass through the compiled loop, so that the sums do not depend on how steps are divided into calls.
"""


def no_rows(objectives: Sequence[Objective]) -> Totals:
    """The totals before the first row."""
    return (0.0,) * (len(_losses(objectives)) + sum(measure.size for _, measure in _measures(objectives)) + 1)


def history_directions(objectives: Sequence[Objective], *, validated: bool) -> dict[str, bool | None]:
    """The names of the history, and whether larger values are better; None where only the author knows."""
    directions: dict[str, bool | None] = dict.fromkeys(_losses(objectives), False)
    directions |= {name: larger_is_better(measure.name) for name, measure in _measures(objectives)}
    if validated:
        directions |= {f"val_{name}": rises for name, rises in directions.items()}
    return directions


def epoch_metrics(objectives: Sequence[Objective], totals: Totals) -> dict[str, float]:
    """Loss and metrics of all rows that were added up; of several outputs, after the output's name.

    Raises:
        InvalidJob: a metric cannot be computed of these rows, or their weights are all 0.
    """
    sums, weight = np.array(totals[:-1]), totals[-1]
    if not weight:
        raise InvalidJob("sample_weight is 0 in every row of validation; correct it, or validate on other rows")
    metrics = {name: float(sums[at] / weight) for at, name in enumerate(_losses(objectives))}
    start = len(metrics)
    for name, measure in _measures(objectives):
        metrics[name] = measure.value(sums[start : start + measure.size], weight)
        start += measure.size
    return metrics


def _losses(objectives: Sequence[Objective]) -> list[str]:
    """What the history calls the losses: that of all outputs, and of several that of each."""
    return ["loss", *(f"{each.target.name}_loss" for each in objectives if len(objectives) > 1)]


def _measures(objectives: Sequence[Objective]) -> list[tuple[str, Measure]]:
    """The metrics as the history calls them: of several outputs, after the output's name."""
    return [
        (f"{objective.target.name}_{measure.name}" if len(objectives) > 1 else measure.name, measure)
        for objective in objectives
        for measure in objective.measures
    ]


def compile_training(
    network: keras.Model,
    objectives: Sequence[Objective],
    update: Update,
    replicas: Replicas,
    *,
    weighted: bool,
    parts: int,
) -> Loop:
    """One gradient step for each line of indices, divided among the replicas.

    Args:
        update: what a step does with its gradients.
        weighted: whether rows have weights.
        parts: into how many a replica's share of a batch is divided, whose gradients are added up: the less of it is
            in memory at a time.
    """
    values = [variable.value for variable in update.variables]

    def learn(batch: Batch, count: tf.Tensor, shares: tf.Tensor | int) -> tuple[Gradients, tf.Tensor]:
        """Gradients and totals of some rows of a batch of `count`, which is divided into so many shares."""
        with tf.GradientTape() as tape:
            outputs = _outputs(network, batch, objectives, training=True)
            learned = []
            for place, (objective, output) in enumerate(zip(objectives, outputs, strict=True)):
                target = batch[target_key(place)]
                losses, by_class = objective.losses(target, output), objective.weights(target)
                losses = losses if by_class is None else losses * by_class
                if objective.imitation:
                    losses = objective.imitation.mixed(losses, batch[answer_key(place)], output)
                learned.append(losses)
            loss = _mean_loss(_weighted(objectives, learned), batch, count, network, shares)
            scaled = update.optimizer.scale_loss(loss)
        return tape.gradient(scaled, values), _totals(network, objectives, batch, outputs, learned)

    def step(window: Batch, mine: tf.Tensor, count: tf.Tensor) -> tf.Tensor:
        if parts == 1:
            gradients, totals = learn(_taken(window, mine), count, replicas.size)
        else:
            gradients, totals = add_up(
                lambda rows, pieces: learn(_taken(window, rows), count, pieces * replicas.size),
                mine,
                # As many in every replica, and none of them empty unless there are fewer rows than replicas.
                tf.clip_by_value(count // replicas.size, 1, parts),
                values,
                len(no_rows(objectives)),
            )
        update(gradients)
        return totals

    answers = {
        answer_key(place): objective.imitation.answers_spec
        for place, objective in enumerate(objectives)
        if objective.imitation
    }
    return _compile(step, network, objectives, replicas, weighted=weighted, more=answers)


def compile_validation(
    network: keras.Model, objectives: Sequence[Objective], replicas: Replicas, *, weighted: bool, steps: float
) -> Loop:
    """One forward pass for each line of indices, divided among the replicas.

    Args:
        steps: how many will be taken in all; a job that is resumed must find as many. Few are not traced.
    """

    def step(window: Batch, mine: tf.Tensor, _count: tf.Tensor) -> tf.Tensor:
        batch = _taken(window, mine)
        outputs = _outputs(network, batch, objectives, training=False)
        losses = [
            objective.losses(batch[target_key(place)], output)
            for place, (objective, output) in enumerate(zip(objectives, outputs, strict=True))
        ]
        return _totals(network, objectives, batch, outputs, losses)

    traced = replicas.size > 1 or steps > _FEW_STEPS
    return _compile(step, network, objectives, replicas, weighted=weighted, traced=traced)


def _compile(
    step: Step,
    network: keras.Model,
    objectives: Sequence[Objective],
    replicas: Replicas,
    *,
    weighted: bool,
    traced: bool = True,
    more: Mapping[str, tf.TensorSpec] = _NOTHING,
) -> Loop:
    rows = {input_key(place): tf.TensorSpec(tensor.shape, tensor.dtype) for place, tensor in enumerate(network.inputs)}
    rows |= {target_key(place): objective.target_spec for place, objective in enumerate(objectives)}
    rows |= more
    if weighted:
        rows[WEIGHT] = tf.TensorSpec((None,), tf.float64)
    signature = [rows, tf.TensorSpec((None, None), tf.int32), tf.TensorSpec((len(no_rows(objectives)),), tf.float64)]

    def shared(window: Batch, lines: tf.Tensor) -> tf.Tensor:
        return replicas.total(step(window, replicas.share(lines), tf.size(lines)))

    def loop(window: Batch, indices: tf.Tensor, totals: tf.Tensor) -> tf.Tensor:
        def body(line: tf.Tensor, totals: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            return line + 1, totals + replicas.run(shared, window, indices[line])

        steps = tf.shape(indices)[0]
        _, totals = tf.while_loop(lambda line, _: line < steps, body, [0, totals], parallel_iterations=1)
        return totals

    # One graph serves every call, since all sizes are open. XLA is left out: on a CPU it takes longer to compile a
    # small network than the training takes.
    compiled = tf.function(loop, input_signature=signature, autograph=False) if traced else loop

    def call(window: Window, lines: Lines, totals: Totals) -> Totals:
        return tuple(compiled(window.rows, tf.constant(lines), tf.constant(totals, tf.float64)).numpy().tolist())

    return call


def _taken(window: Batch, rows: tf.Tensor) -> Batch:
    return {name: tf.gather(tensor, rows) for name, tensor in window.items()}


def _outputs(network: keras.Model, batch: Batch, objectives: Sequence[Objective], *, training: bool) -> list[tf.Tensor]:
    """The network's outputs in the order of the objectives."""
    inputs: Any = [batch[input_key(place)] for place in range(len(network.inputs))]
    output = network(inputs[0] if len(inputs) == 1 else inputs, training=training)
    return [output[each.target.name] for each in objectives] if isinstance(output, dict) else [output]


def _weighted(objectives: Sequence[Objective], losses: Sequence[tf.Tensor]) -> list[tf.Tensor]:
    return [
        each if objective.weight == 1 else each * objective.weight
        for objective, each in zip(objectives, losses, strict=True)
    ]


def _mean_loss(
    learned: Sequence[tf.Tensor], batch: Batch, count: tf.Tensor, network: keras.Model, shares: tf.Tensor | int
) -> tf.Tensor:
    """A share's part of the mean loss of a batch of `count` rows, and of the penalties that layers add (L1, L2)."""
    losses = tf.add_n(list(learned))
    if WEIGHT in batch:
        losses = losses * tf.cast(batch[WEIGHT], losses.dtype)
    loss = tf.reduce_sum(losses) / tf.cast(count, losses.dtype)
    if not network.losses:
        return loss
    return tf.add_n([loss, *(penalty / tf.cast(shares, penalty.dtype) for penalty in network.losses)])


def _totals(
    network: keras.Model,
    objectives: Sequence[Objective],
    batch: Batch,
    outputs: Sequence[tf.Tensor],
    learned: Sequence[tf.Tensor],
) -> tf.Tensor:
    """What a replica's rows add to the totals.

    Losses are in the targets' own units but for the sum of several, which nothing but the scaled ones can have.
    """
    targets = [batch[target_key(place)] for place in range(len(objectives))]
    weights = batch[WEIGHT] if WEIGHT in batch else tf.ones(tf.shape(targets[0])[:1], tf.float64)
    reported = [
        objective.reported(target, output) if objective.scale else losses
        for objective, target, output, losses in zip(objectives, targets, outputs, learned, strict=True)
    ]
    total = tf.add_n(_weighted(objectives, learned)) if len(objectives) > 1 else reported[0]
    amount = tf.reduce_sum(weights)
    penalty = tf.cast(tf.add_n(network.losses), tf.float64) * amount if network.losses else 0.0
    sums = [tf.reduce_sum(tf.cast(each, tf.float64) * weights) for each in (total, *reported)]
    losses = [sums[0] + penalty, *(sums[1:] if len(objectives) > 1 else [])]
    metrics = [
        objective.sums(target, output, weights)
        for objective, target, output in zip(objectives, targets, outputs, strict=True)
    ]
    return tf.concat([tf.stack(losses), *metrics, amount[None]], axis=0)
