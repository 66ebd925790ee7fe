"""What each column, word or pixel of a row contributes to what a model predicts of it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import keras
import numpy as np

from stoker.errors import InvalidJob
from stoker.kinds.explanation import Attribution, BaselineKind
from stoker.models.manifest import ModelVersion
from stoker.models.signature import TensorSpec
from stoker.models.tensors import Array

from ..data.source import Floats
from ..progress import Meter, obey_stop
from ..run import Run
from .baselines import baseline_of, without_gaps
from .explained import Explained
from .features import Feature, features_of, name_of
from .graph import graph_of
from .integration import Integral, Integrator
from .ports import inputs_of
from .shares import attribution, pixel_block
from .split import Halves, Prepared, halved, in_full_precision
from .words import shared_among, splits_words, words_of

_ARRAY_KINDS = (None, "vector", "sequence", "image")


@dataclass
class _Row:
    """What has been found of one row and explained number."""

    columns: dict[str, float]
    words: dict[str, list[tuple[str, float]]]
    pixels: dict[str, Floats]


class Attributor:
    """Explains single predictions of a model by integrated gradients.

    Args:
        model: what is explained; it computes in full precision from now on.
        most_steps: points on the way from the baseline to a row, at most.

    Raises:
        InvalidJob: it has no gradient.
    """

    def __init__(self, model: keras.Model, version: ModelVersion, most_steps: int, run: Run) -> None:
        in_full_precision(model)
        self._version = version
        self._specs = inputs_of(model, version.signature)
        graph = graph_of(model)
        self._places = dict(zip((spec.name for spec in self._specs), graph.inputs, strict=True))
        whole = [self._places[spec.name] for spec in self._specs if is_whole(spec)]
        try:
            self._halves: Halves = halved(graph, whole)
        except InvalidJob as error:
            raise InvalidJob(
                f"single rows of {version.ref} cannot be explained: {error.message}; methods=['importance'] works"
            ) from None
        self._layers = dict(self._text_layers())
        self._most_steps = most_steps
        self._run = run

    def explain(
        self, rows: Mapping[str, Array], explained: Sequence[Explained], kind: BaselineKind, data: Mapping[str, Array]
    ) -> list[dict[str, Attribution]]:
        """The attributions of each row, by what is explained.

        Args:
            rows: the model's tensors.
            data: those of the rows of which the baseline is the mean.

        Raises:
            Stopped: a stop was asked for.
        """
        tensors = {name: _as_objects(values) for name, values in rows.items()}
        baseline = self._baseline(tensors, kind, data)
        ends, starts = self._prepared(tensors), self._prepared(baseline)
        if not _is_finite(starts):
            baseline = without_gaps(self._specs, baseline)
            starts = self._prepared(baseline)
        meter = Meter(self._run, "integrating gradients", unit="outputs", total=len(explained))
        integrals = []
        for done, each in enumerate(explained, 1):
            integrals.append(Integrator(self._halves, each, self._most_steps, self._run, ends).integrate(starts))
            meter.at(done)
        count = len(ends.points[0])
        found = [[_Row({}, {}, {}) for _ in range(count)] for _ in explained]
        self._share_whole(found, integrals, ends, starts)
        self._share_parts(found, integrals, tensors, baseline, starts)
        shapes = [pixels.shape for row in found[0][:1] for pixels in row.pixels.values()]
        block = pixel_block(shapes, count * len(found))
        return [
            {
                each.name: attribution(
                    own[row].columns, own[row].words, own[row].pixels, block, each, integral, row, count * len(found)
                )
                for each, own, integral in zip(explained, found, integrals, strict=True)
            }
            for row in range(count)
        ]

    def _text_layers(self) -> Iterator[tuple[str, keras.layers.TextVectorization]]:
        """The layers that split an input's texts into words."""
        names = {place: name for name, place in self._places.items()}
        sources = dict(names)
        for step in self._halves.before:
            name = sources.get(step.taken[0])
            if name is None:
                continue
            if isinstance(step.operation, keras.layers.TextVectorization):
                if splits_words(step.operation) and self._spec(name).kind == "text":
                    yield name, step.operation
            elif len(step.taken) == 1:
                sources[step.given[0]] = name

    def _spec(self, name: str) -> TensorSpec:
        return next(spec for spec in self._specs if spec.name == name)

    def _baseline(
        self, tensors: Mapping[str, Array], kind: BaselineKind, data: Mapping[str, Array]
    ) -> dict[str, Array]:
        counts = {
            name: [len(words_of(layer, text)) for text in tensors[name].tolist()]
            for name, layer in self._layers.items()
            if layer.get_config()["output_mode"] == "int"
        }
        return baseline_of(self._specs, tensors, kind, data, counts)

    def _prepared(self, tensors: Mapping[str, Array]) -> Prepared:
        return self._halves.prepare([tensors[spec.name] for spec in self._specs])

    def _share_whole(
        self, found: list[list[_Row]], integrals: Sequence[Integral], ends: Prepared, starts: Prepared
    ) -> None:
        """Attributions of what is a number from the beginning: pictures, and the places of arrays."""
        for spec in self._specs:
            place = self._places[spec.name]
            if place not in self._halves.whole:
                continue
            cut = self._halves.cuts.index(place)
            features = [each for each in features_of(self._version.signature) if each.tensor == spec.name]
            way = np.asarray(ends.points[cut], np.float64) - np.asarray(starts.points[cut], np.float64)
            for integral, rows in zip(integrals, found, strict=True):
                for row, shares in zip(rows, integral.gradients[cut] * way, strict=True):
                    row.columns.update({feature.name: feature.total(shares) for feature in features})
                    if shares.ndim in (2, 3):
                        row.pixels[name_of(spec)] = shares.sum(axis=-1) if shares.ndim == 3 else shares

    def _share_parts(
        self,
        found: list[list[_Row]],
        integrals: Sequence[Integral],
        tensors: Mapping[str, Array],
        baseline: Mapping[str, Array],
        starts: Prepared,
    ) -> None:
        """Attributions of columns that are prepared: from the baseline to the row, one column after the other."""
        features = [
            feature
            for feature in features_of(self._version.signature)
            if self._places[feature.tensor] not in self._halves.whole
        ]
        now = {name: values.copy() for name, values in baseline.items()}
        before = [np.asarray(point, np.float64) for point in starts.points]
        for feature in features:
            obey_stop(self._run)
            feature.put(now, tensors[feature.tensor])
            after = [np.asarray(point, np.float64) for point in self._prepared(now).points]
            ways = [new - old for new, old in zip(after, before, strict=True)]
            for integral, rows in zip(integrals, found, strict=True):
                shares = [gradient * way for gradient, way in zip(integral.gradients, ways, strict=True)]
                for number, row in enumerate(rows):
                    own = [share[number] for share in shares]
                    row.columns[feature.name] = float(sum(share.sum() for share in own))
                    if feature.tensor in self._layers:
                        text = str(tensors[feature.tensor][number])
                        row.words[feature.name] = self._words(feature, text, own)
            before = after

    def _words(self, feature: Feature, text: str, shares: Sequence[Floats]) -> list[tuple[str, float]]:
        """What each word of a text contributes; none where that cannot be told apart."""
        layer = self._layers[feature.tensor]
        words = words_of(layer, text)
        source = self._places[feature.tensor]
        for at, place in enumerate(self._halves.cuts):
            for terms in self._halves.terms.get(place, ()):
                if terms.source == source and terms.layer is layer:
                    own = shares[at][terms.first : terms.first + terms.count]
                    each = shared_among(words, layer.get_vocabulary(), own.tolist())
                    return list(zip((word for word, _ in words), each, strict=True))
        if layer.get_config()["output_mode"] != "int":
            return []
        embedded = [
            shares[at].sum(axis=-1)
            for at, place in enumerate(self._halves.cuts)
            if place in self._halves.embedded and shares[at].ndim == 2 and shares[at].any()
        ]
        if not embedded or len({len(each) for each in embedded}) > 1:
            return []
        return [(word, float(share)) for (word, _), share in zip(words, sum(embedded), strict=False)]


def is_whole(spec: TensorSpec) -> bool:
    """Whether an input is an array of numbers, none of which is missing: its gradient is taken at itself."""
    numbers = spec.dtype.startswith(("float", "bfloat")) or spec.kind == "image"
    return numbers and not spec.gaps and spec.kind in _ARRAY_KINDS


def _as_objects(values: Array) -> Array:
    """Texts as objects: in an array of bytes, one that is longer would be cut."""
    if values.dtype.kind not in "SUO":
        return values
    texts = [value.decode() if isinstance(value, bytes) else value for value in values.ravel().tolist()]
    return np.array([*texts, None], dtype=object)[:-1].reshape(values.shape)


def _is_finite(prepared: Prepared) -> bool:
    return all(bool(np.isfinite(np.asarray(point)).all()) for point in prepared.points)
