"""How well defaults predict held-out rows: a `Train` job's network, and scikit-learn's boosted trees and lines."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import sklearn.datasets
from numpy.typing import NDArray
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

import stoker
from stoker.local import LocalStack
from stoker.settings import Settings

from .figures import await_worker, summary

_HELD_OUT, _SPLITS = 0.25, 3
Numbers = NDArray[np.float64]
Truth = NDArray[Any]


@dataclass(frozen=True)
class Table:
    """Rows with a target, of classes or numbers.

    Attributes:
        numbers: NaN where one is missing.
        words: None where one is missing.
    """

    name: str
    numbers: Numbers
    words: NDArray[np.object_]
    target: Truth
    is_classes: bool

    def rows(self, chosen: NDArray[np.intp]) -> NDArray[np.object_]:
        """Some rows as scikit-learn takes them: all columns side by side."""
        return np.hstack([self.numbers[chosen].astype(object), self.words[chosen]])

    def write(self, path: Path, chosen: NDArray[np.intp]) -> str:
        """Write some rows as Parquet."""
        columns = {f"number{place}": pa.array(values[chosen]) for place, values in enumerate(self.numbers.T)}
        columns |= {f"word{place}": pa.array(values[chosen].tolist()) for place, values in enumerate(self.words.T)}
        pq.write_table(pa.table({**columns, "target": pa.array(self.target[chosen])}), path)
        return str(path)


def compared(folder: Path, *, quick: bool) -> dict[str, Any]:
    """Accuracy or R² of each way on each table: median, least and most over splits.

    Args:
        quick: whether to take the first table and one split only.
    """
    found = {}
    settings = Settings(home=folder / "quality", slots=1)
    with LocalStack(settings), stoker.Client(settings=settings) as client:
        await_worker(client)
        for table in list(_tables())[: 1 if quick else None]:
            splits = []
            for seed in range(1 if quick else _SPLITS):
                learned, held_out = train_test_split(
                    np.arange(len(table.target)),
                    test_size=_HELD_OUT,
                    random_state=seed,
                    stratify=table.target if table.is_classes else None,
                )
                scores = {"stoker": _network(client, table, folder, learned, held_out, seed)}
                for name, model in _models(table, seed).items():
                    model.fit(table.rows(learned), table.target[learned])
                    scores[name] = float(model.score(table.rows(held_out), table.target[held_out]))
                splits.append(scores)
            found[table.name] = {
                "rows": len(table.target),
                "metric": "accuracy" if table.is_classes else "R²",
                **summary(splits),
            }
            print(table.name, found[table.name], flush=True)
    return found


def _network(
    client: stoker.Client,
    table: Table,
    folder: Path,
    learned: NDArray[np.intp],
    held_out: NDArray[np.intp],
    seed: int,
) -> float:
    data = table.write(folder / f"{table.name}-{seed}.parquet", learned)
    trained = client.submit(stoker.Train(model="quality", data=data, target="target", seed=seed)).result(timeout=600)
    assert isinstance(trained, stoker.TrainResult)
    others = table.write(folder / f"{table.name}-{seed}-held-out.parquet", held_out)
    judged = client.submit(stoker.Evaluate(model=trained.model, data=others)).result(timeout=600)
    assert isinstance(judged, stoker.EvaluateResult)
    return judged.metrics["accuracy" if table.is_classes else "r2"]


def _models(table: Table, seed: int) -> dict[str, Pipeline]:
    numbers = list(range(table.numbers.shape[1]))
    words = [len(numbers) + place for place in range(table.words.shape[1])]
    codes = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=np.nan)
    trees = HistGradientBoostingClassifier if table.is_classes else HistGradientBoostingRegressor
    plain = LogisticRegression(max_iter=1000) if table.is_classes else LinearRegression()
    return {
        # Its transformer puts the categories first.
        "boosted trees": make_pipeline(
            ColumnTransformer([("words", codes, words), ("numbers", "passthrough", numbers)]),
            trees(categorical_features=list(range(len(words))) or None, random_state=seed),
        ),
        "linear": make_pipeline(
            ColumnTransformer(
                [
                    ("words", OneHotEncoder(handle_unknown="ignore"), words),
                    ("numbers", make_pipeline(SimpleImputer(strategy="median"), StandardScaler()), numbers),
                ]
            ),
            plain,
        ),
    }


def _tables() -> Iterator[Table]:
    loaders: list[tuple[str, Callable[..., tuple[Numbers, Truth]], bool]] = [
        ("breast_cancer", sklearn.datasets.load_breast_cancer, True),
        ("digits", sklearn.datasets.load_digits, True),
        ("diabetes", sklearn.datasets.load_diabetes, False),
    ]
    for name, load, is_classes in loaders:
        x, y = load(return_X_y=True)
        yield Table(name, x, np.empty((len(y), 0), dtype=object), y, is_classes)
    yield _mixed()


def _mixed() -> Table:
    """Numbers with gaps and categories, from which a target follows by thresholds and products."""
    random = np.random.default_rng(0)
    rows = 5_000
    numbers = random.normal(size=(rows, 6))
    words = np.stack([random.choice(list("abcdefgh"), rows), random.choice(["low", "mid", "high"], rows)], axis=1)
    of_word = dict(zip("abcdefgh", random.normal(size=8), strict=True))
    score = numbers[:, 0] * numbers[:, 1] + 2 * (numbers[:, 2] > 0.5) + np.vectorize(of_word.get)(words[:, 0])
    score += np.where(words[:, 1] == "high", numbers[:, 3], -numbers[:, 3])
    numbers[random.random(numbers.shape) < 0.05] = np.nan
    holed = words.astype(object)
    holed[random.random(words.shape) < 0.05] = None
    labels = np.where(score + random.logistic(scale=0.5, size=rows) > np.median(score), "yes", "no").astype(object)
    return Table("mixed", numbers, holed, labels, is_classes=True)
