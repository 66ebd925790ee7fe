"""What has to come of a case of the test matrix, by plain Keras and numpy."""

from collections.abc import Sequence
from typing import Any, cast

import numpy as np

from stoker.client.inference import encode_rows
from stoker.client.tables import tensors_of
from stoker.models.inputs import Inputs
from stoker.models.manifest import ModelVersion
from stoker.models.prediction import Prediction
from stoker.models.predictions import predictions
from stoker.models.signature import Signature
from stoker.models.tensors import decode_tensors
from stoker_workers.ml.prediction.predictor import Predictor
from stoker_workers.ml.run import Run

from . import keras_alone
from .cases import Case
from .rows import ROWS, Rows

WINDOW, HORIZON = 6, 2


def same(ours: Any, theirs: Any, what: str) -> None:
    """Values are as plain Keras has them."""
    np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5, err_msg=what)


class Plain:
    """What plain Keras says of a case's rows.

    Attributes:
        outputs: of every row, or of a forecast's newest window.
    """

    def __init__(self, case: Case, rows: Rows, version: ModelVersion, run: Run) -> None:
        self.case, self.rows, self.version = case, rows, version
        self.signature: Signature = version.signature
        self._file = run.store.fetch(version.files["keras"], run.scratch)
        if case.task == "forecast":
            self.windows = keras_alone.answers(self._file, {"window": self._windows(range(ROWS - WINDOW + 1))})[""]
            self.outputs = {"": self.windows[-1:]}
        else:
            tensors = {each.name: keras_alone.tensor(each, rows.features) for each in self.signature.inputs}
            self.outputs = keras_alone.answers(self._file, tensors)
        for each in self.outputs.values():
            assert np.isfinite(each).all()
            assert case.task == "forecast" or np.ptp(each, axis=0).max() > 0, "rows make no difference"

    def _windows(self, starts: Sequence[int]) -> Any:
        forecast = self.signature.forecast
        assert forecast is not None
        table = {**self.rows.features, **self.rows.targets}
        return keras_alone.windows([table[name] for name in forecast.channels], list(starts), WINDOW)

    def order(self) -> Any:
        """The rows in the order of the file that is trained on."""
        if self.case.task == "forecast":
            return slice(None)
        labels = self.rows.targets.get("label") if self.case.container == "pictures" else None
        return np.array(sorted(range(ROWS), key=lambda at: (labels[at] if labels else "", at)))

    def parts(self) -> dict[str, Signature]:
        """The signature of each output, by its name; "" is the only one's."""
        return dict(self.signature.parts) or {"": self.signature}

    def columns(self) -> dict[str, Any]:
        """The columns of a table of predictions."""
        table: dict[str, Any] = {}
        for part, signature in self.parts().items():
            prefix, outputs = f"{part}_" if part else "", self.outputs[part]
            if signature.classes:
                shares = keras_alone.likelihoods(outputs, len(signature.classes))
                table |= {f"{prefix}probability_{name}": shares[:, at] for at, name in enumerate(signature.classes)}
            elif outputs.shape[1] == 1:
                table[f"{prefix}value"] = outputs[:, 0]
            else:
                names = signature.columns or range(outputs.shape[1])
                table |= {f"{prefix}value_{name}": outputs[:, at] for at, name in enumerate(names)}
        return table

    def metrics(self) -> dict[str, float]:
        """What an evaluation has to find."""
        labelled, truth = self.rows.labelled, self.rows.targets
        match self.case.task:
            case "forecast":
                kwh = truth["kwh"]
                ahead = [kwh[at + WINDOW : at + WINDOW + HORIZON] for at in range(ROWS - WINDOW - HORIZON + 1)]
                return {"mae": float(np.abs(np.array(ahead) - self.windows[: len(ahead)]).mean())}
            case "reconstruction":
                [given] = [keras_alone.tensor(each, self.rows.features) for each in self.signature.inputs]
                return {"mae": np.nanmean(np.abs(given - self.outputs[""]))}
            case "pixels":
                return {"accuracy": np.mean(np.array(next(iter(truth.values()))) == self.outputs[""].argmax(-1))}
            case "multilabel":
                labels = np.array(list(truth.values()), dtype=object)
                held = labels[0] if len(labels) == 1 else labels.T
                right = [np.array_equal(held[at], self.outputs[""][at] >= 0.5) for at in labelled]
                return {"accuracy": float(np.mean(right))}
            case "numbers":
                columns = list(truth.values())
                both = columns[0] if len(columns) == 1 else list(zip(*columns, strict=True))
                return {"mae": np.mean([np.abs(np.subtract(both[at], self.outputs[""][at])) for at in labelled])}
        metrics = {}
        for part, signature in self.parts().items():
            values, outputs = truth[part] if part else next(iter(truth.values())), self.outputs[part]
            if signature.classes:
                likeliest = keras_alone.likelihoods(outputs, len(signature.classes)).argmax(axis=1)
                right = [signature.classes[likeliest[at]] == values[at] for at in labelled]
                metrics[f"{part}_accuracy" if part else "accuracy"] = float(np.mean(right))
            else:
                off = [abs(values[at] - outputs[at, 0]) for at in labelled]
                metrics[f"{part}_mae" if part else "mae"] = float(np.mean(off))
        return metrics

    def check_single(self, at: int, predictor: Predictor) -> None:
        """A raw row, as an app sends it, alone."""
        raw: Any = [self.rows.one(at)]
        if self.case.task == "forecast":
            at = 0
            table = {**self.rows.times, **self.rows.features, **self.rows.targets}
            raw = [{name: values[row] for name, values in table.items()} for row in range(ROWS)]
        elif self.case.container == "npz":
            [values] = self.rows.features.values()
            if isinstance(values[0], list | np.ndarray):
                raw = np.array([np.full_like(values[0], np.nan, float) if values[at] is None else values[at]])
        given = tensors_of(raw)
        if isinstance(given, dict) and self.rows.key and (len(self.case.kinds) == 1 or self.case.task == "forecast"):
            del given[self.rows.key]
        inputs = Inputs(self.signature, self.version.ref)
        tensors = inputs.encoded(given)
        inputs.check(tensors)
        assert tensors is given or not inputs.unused(given)
        [request] = encode_rows(tensors)
        [answer] = predictor.predict_encoded([request])
        assert isinstance(answer, bytes), answer
        decoded: Any = decode_tensors(answer)
        for part in self.parts():
            same(decoded[part] if part else decoded, self.outputs[part][at : at + 1], f"row {at}")
        [told] = predictions(self.version, decoded, given)
        self._check_told(told, at)

    def _check_told(self, told: Prediction, at: int) -> None:
        for part, signature in self.parts().items():
            each, outputs = told.outputs[part] if part else told, self.outputs[part][at]
            if signature.task == "pixels":
                assert each.mask is not None
                np.testing.assert_array_equal(each.mask, outputs.argmax(-1))
            elif signature.classes:
                shares = keras_alone.likelihoods(outputs[None], len(signature.classes))[0]
                same([each.probabilities[name] for name in signature.classes], shares, "probabilities")
            else:
                same(np.ravel(cast(Any, each.value)), outputs.ravel(), "value")
