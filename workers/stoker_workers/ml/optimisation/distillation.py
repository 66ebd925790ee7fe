"""`distil`: a smaller network, the student, learns from the truth and from what the model answers, its teacher.

See `training.imitation` for the loss. The student is trained by the loop of a `Train` job; its teacher is asked for the
answer to each row as that is encoded.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import keras
import numpy as np
from numpy.typing import NDArray

from stoker.errors import InvalidJob
from stoker.kinds import Train
from stoker.kinds.training.architecture import Architecture
from stoker.models.manifest import ModelVersion
from stoker.models.rows import encode as encode_inputs
from stoker.models.tensors import Array

from ..data import Values
from ..evaluation.opening import gives_scores
from ..prediction.predictor import Predictor
from ..preprocessing.target import truth_columns, with_target
from ..progress import obey_stop
from ..reading import TrainingData
from ..run import Run
from ..training.imitation import Imitation, raw_scores
from ..training.model import Trainable, build_model
from ..training.rows import Encode, Rows, answer_key
from .forms import Given, Made
from .pruning import SHARE as HALF
from .pruning import pruned
from .retraining import Retraining, made, retrained, training_spec

TEMPERATURE = 2.0
# Of the loss, the teacher's.
_SHARE = 0.5
_EPOCHS = 30
_ROWS = 4_096
"""Rows that a teacher answers between two looks at whether to stop."""
_TASKS = ("binary", "multiclass", "regression")


def make(given: Given) -> Made:
    """See `Make`."""
    version, student = given.version, given.spec.student
    refuse_untaught(version)
    temperature = given.spec.temperature or TEMPERATURE

    def taught(student: Trainable, data: TrainingData) -> Trainable:
        if student.parameters >= version.parameters:
            raise InvalidJob(
                f"the student has {student.parameters:,} parameters, and {version.ref} {version.parameters:,}: name a "
                "smaller network as student, or leave it out for half of the units"
            )
        teacher = _loaded(given, data.profile.rows)
        return with_teacher(student, teacher, given.run, temperature)

    fit = retrained(given, replace(_student(given, student), finish=taught))
    told = f"has learned from the answers of {version.ref} as well as from the truth"
    soft = "" if version.signature.task == "regression" else f", softened by a temperature of {temperature:g}"
    words = f"a student of {fit.model.parameters:,} parameters {told}{soft}, for {fit.fitted.epochs} epochs"
    return made(given, fit, words, {"parameters_before": float(version.parameters)})


def refuse_untaught(version: ModelVersion) -> None:
    """Refuse a version whose answers no student learns.

    Raises:
        InvalidJob: it is one.
    """
    signature = version.signature
    if signature.task not in _TASKS:
        what = "several outputs" if signature.parts else f"answers of {signature.task}"
        raise InvalidJob(
            f"{version.ref} gives {what}, and students learn one class of several, yes or no, and numbers: "
            'to="prune" makes a smaller network of it'
        )


def with_teacher(student: Trainable, teacher: Predictor, run: Run, temperature: float) -> Trainable:
    """What is trained, with a teacher for its output."""
    [objective] = student.objectives
    if objective.target.classes:
        classes = len(objective.target.classes)
        imitation = Imitation("classes", classes, _SHARE, temperature, from_logits=objective.from_logits)
    else:
        imitation = Imitation("numbers", objective.units, _SHARE)
    answers = _Answers(teacher, run)

    def scaled(columns: dict[str, Values], numbering: NDArray[np.intp]) -> Array:
        given = answers(columns, numbering)
        return given if objective.target.classes else np.asarray(objective.encoded(given))

    return replace(
        student,
        objectives=(replace(objective, imitation=imitation),),
        beside=lambda encode: _beside(encode, scaled, truth_columns(teacher.version.signature)),
        row_bytes=student.row_bytes + 4 * imitation.width,
    )


@dataclass(frozen=True)
class _Answers:
    """A teacher's answers for raw rows: numbers, or the raw scores of classes."""

    teacher: Predictor
    run: Run

    def __call__(self, columns: dict[str, Values], numbering: NDArray[np.intp]) -> Array:
        signature = self.teacher.version.signature
        inputs = encode_inputs(signature.inputs, columns, numbering)
        pieces = []
        for start in range(0, len(numbering), _ROWS):
            obey_stop(self.run)
            piece = {name: values[start : start + _ROWS] for name, values in inputs.items()}
            pieces.append(np.asarray(self.teacher.predict(piece)))
        answers = np.concatenate(pieces)
        if not np.isfinite(answers).all():
            raise InvalidJob(f"{self.teacher.version.ref} gives NaN or infinite answers, from which nothing is learned")
        if not signature.classes:
            return answers
        return raw_scores(answers, logits=gives_scores(signature, self.teacher, 0))


def _beside(
    encode: Encode, answers: Callable[[dict[str, Values], NDArray[np.intp]], Array], truth: tuple[str, ...]
) -> Encode:
    """Encodes rows with the teacher's answers, of the rows that have a target."""

    def encoded(columns: dict[str, Values], numbering: NDArray[np.intp]) -> Rows:
        there = with_target(columns, truth)
        if not there.all():
            columns = {name: values[there] for name, values in columns.items()}
            numbering = numbering[there]
        rows = encode(columns, numbering)
        if len(numbering):
            rows[answer_key(0)] = answers(columns, numbering)
        return rows

    return encoded


def _student(given: Given, student: Architecture | None) -> Retraining:
    """The network that the job names, or the model's own with half of the units, which begin as they are."""
    if student is None:

        def halved(model: keras.Model) -> keras.Model:
            half = pruned(model, HALF, given.version.ref)
            given.run.say(f"student: {half.words}")
            return half.model

        return Retraining(epochs=_EPOCHS, change=halved)

    def build(run: Run, data: TrainingData, seed: int) -> Trainable:
        job = training_spec(given, _EPOCHS)
        fields = {name: getattr(job, name) for name in ("model", "data", "epochs", "optimizer", "seed")}
        return build_model(Train(**fields, architecture=student), run, data, seed)

    return Retraining(epochs=_EPOCHS, build=build)


def _loaded(given: Given, rows: int) -> Predictor:
    run = given.run
    teacher = Predictor.load(given.version, run.store, run.scratch, rows=rows, custom=run.custom_objects)
    run.say(*teacher.remarks)
    return teacher
