"""Which of the forms of a model is good enough, and costs the least."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from stoker.errors import InvalidJob
from stoker.kinds import ComparedModel, Optimize, OptimizedForm
from stoker.kinds.compare import headlines
from stoker.kinds.compared import on_front
from stoker.kinds.optimize import GOALS
from stoker.models.manifest import ModelVersion
from stoker.models.signature import Signature

from ..evaluation.contest import Measured
from ..evaluation.report.parts import between, number
from ..evaluation.stability import interval
from .forms import Made


@dataclass(frozen=True)
class Judged:
    """What was measured, seen from the model that all was made of.

    Attributes:
        before: the model's own figures.
    """

    before: ComparedModel
    forms: tuple[OptimizedForm, ...]
    rows: int


def judged(made: Mapping[str, Made], measured: Measured, signature: Signature, cost: str) -> Judged:
    """What was measured of a model and then of its forms, in order; and which of them are on the front.

    Args:
        cost: the figure that there shall be less of.
    """
    qualities = headlines(signature)
    fronts = on_front(measured.models, qualities, [cost])
    before, *after = [
        model.model_copy(update={"on_front": front}) for model, front in zip(measured.models, fronts, strict=True)
    ]
    first, *others = (measured.draws[model.model] for model in measured.models)
    forms = []
    for (form, each), model, draws in zip(made.items(), after, others, strict=True):
        worst = max(qualities, key=lambda name: before.metrics[name] - model.metrics[name])
        forms.append(
            OptimizedForm(
                form=form,
                model=model,
                headline=worst,
                drop=before.metrics[worst] - model.metrics[worst],
                drop_interval=interval(first[worst] - draws[worst]),
                done=each.words,
                figures=dict(each.figures),
            )
        )
    return Judged(before, tuple(forms), measured.rows)


def chosen(spec: Optimize, version: ModelVersion, result: Judged) -> tuple[OptimizedForm, str]:
    """The form that is to be registered, and why.

    Raises:
        InvalidJob: none is good enough, or costs less than the model; says by how much.
    """
    fitting = [form for form in result.forms if form.drop <= spec.max_drop]
    where = f"on {result.rows:,} rows of {spec.data}"
    falls = {form.form: _fall(form, result.before) for form in result.forms}
    if not fitting:
        told = "; ".join(f"as {form} {fall}" for form, fall in falls.items())
        raise InvalidJob(
            f"{version.ref} is too much worse {where}, and nothing is registered: {told}; max_drop allows "
            f"{number(spec.max_drop)}: allow more, or choose another form"
        )
    if spec.goal is None:
        [only] = fitting
        return only, f"{_sentence(falls[only.form])} {where}; max_drop allows {number(spec.max_drop)}."
    return _least(spec, version, result, fitting, falls)


def _least(
    spec: Optimize,
    version: ModelVersion,
    result: Judged,
    fitting: Sequence[OptimizedForm],
    falls: Mapping[str, str],
) -> tuple[OptimizedForm, str]:
    assert spec.goal is not None
    cost = GOALS[spec.goal]
    own = result.before.values[cost]
    values = {form.form: form.model.values[cost] for form in result.forms}
    best = min(fitting, key=lambda form: (values[form.form], form.model.file_bytes))
    if values[best.form] >= own:
        told = ", ".join(f"{form} {number(value)}" for form, value in values.items())
        raise InvalidJob(
            f"nothing costs less than {version.ref}, whose {cost} is {number(own)}, and nothing is registered: {told}"
        )
    front = [form.form for form in result.forms if form.model.on_front]
    left = [form for form in result.forms if form not in fitting]
    refused = "".join(f" As {form.form} {falls[form.form]}, which is more than max_drop." for form in left)
    return best, (
        f"Of {len(fitting)} that are good enough, {best.form} has the least {cost}: {number(values[best.form])}, and "
        f"{version.ref} has {number(own)}. {_sentence(falls[best.form])}; max_drop allows {number(spec.max_drop)}."
        f"{refused} Nothing is at least as good and costs less than {' and '.join(front) or version.ref}."
    )


def _fall(form: OptimizedForm, before: ComparedModel) -> str:
    """How a form's headline metric differs from the model's, in words."""
    was, became = number(before.metrics[form.headline]), number(form.model.metrics[form.headline])
    moved = f"{'falls' if form.drop > 0 else 'rises'} by {number(abs(form.drop))}" if form.drop else "stays"
    around = between(form.drop_interval)
    return f"{form.headline} {moved} (the drop's {around}), from {was} to {became}"


def _sentence(words: str) -> str:
    return words[:1].upper() + words[1:]
