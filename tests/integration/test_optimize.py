"""A model on a real worker made smaller in every way: what is measured is what is served."""

import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from sklearn.datasets import load_digits

import stoker
from stoker.local import redis_url_of
from stoker.models.model_files import served_bytes
from stoker.models.store import Store
from stoker.settings import Settings

from .. import commands
from ..conftest import PATIENCE_S

DATA = "sample://digits"
LAYERS = stoker.MLP(hidden=[256, 128])
# Of the bytes that the same network takes in LiteRT's float32, and what of these a small set of rows may cost.
FORMS = {"float16": (0.52, 0.01), "dynamic": (0.31, 0.02), "int8": (0.33, 0.03), "int4": (0.18, 0.05)}


@pytest.fixture(scope="module")
def trained(stack: Settings) -> str:
    """A model of two layers; gives its exact reference."""
    with stoker.Client(redis_url_of(stack), settings=stack) as client:
        spec = stoker.Train(model="many-forms", data=DATA, architecture=LAYERS, epochs=6, seed=1)
        return client.submit(spec).result(timeout=PATIENCE_S).model


def accuracy(client: stoker.Client, model: str) -> float:
    """Of the answers that come through lanes, on all rows of the sample."""
    digits = load_digits()
    answers = client.infer(model, digits.data.astype(np.float32))
    assert isinstance(answers, np.ndarray)
    return float((answers.argmax(axis=1) == digits.target).mean())


@pytest.mark.slow
def test_every_form_is_registered_served_and_smaller(
    client: stoker.Client, trained: str, stack: Settings, tmp_path: Path
) -> None:
    jobs = {
        form: client.submit(stoker.Optimize(model=trained, data=DATA, to=form, max_drop=drop, bootstrap=100))
        for form, (_, drop) in FORMS.items()
    }
    whole = accuracy(client, trained)
    models = [trained]
    for form, job in jobs.items():
        result = job.result(timeout=PATIENCE_S)
        share, allowed = FORMS[form]
        version = client.model(result.model)
        assert (result.form, result.parent, version.parent, version.name) == (form, trained, trained, "many-forms")
        assert version.optimized is not None
        assert (version.optimized.form, version.optimized.data) == (form, DATA)
        assert version.optimized.before == result.before.metrics["accuracy"]
        assert result.after.file_bytes == served_bytes(version) <= share * result.figures["float_bytes"]
        assert result.drop <= allowed
        assert {1, 32} == set(result.after.latency)
        assert accuracy(client, result.model) == pytest.approx(whole, abs=allowed + 0.01)
        assert "html" in result.files
        models.append(result.model)
    assert client.model("many-forms").ref == trained, "no alias moves unless it is asked for"
    compared = client.submit(stoker.Compare(models=models, data=DATA, bootstrap=100)).result(timeout=PATIENCE_S)
    assert [model.file_format for model in compared.models] == ["keras", *["litert"] * 4]
    for form, model in zip(FORMS, compared.models[1:], strict=True):
        assert model.metrics["accuracy"] == jobs[form].result().after.metrics["accuracy"]
    int8 = jobs["int8"].result().model
    evaluated = client.submit(stoker.Evaluate(model=int8, data=DATA, noise=(), bootstrap=100))
    inferred = client.submit(stoker.Infer(model=int8, data=DATA)).result(timeout=PATIENCE_S)
    assert evaluated.result(timeout=PATIENCE_S).metrics["accuracy"] == compared.models[3].metrics["accuracy"]
    assert inferred.rows == compared.rows
    again = client.submit(stoker.Optimize(model=int8, data=DATA, to="float16"))
    with pytest.raises(stoker.JobFailed, match=f"{int8} is a model in litert.*such as {trained}"):
        again.result(timeout=PATIENCE_S)
    assert Store(stack.store).read(client.model(int8).files["litert"])[4:8] == b"TFL3"
    with pytest.raises(stoker.InvalidJob, match=f"beside a file that prepares its rows.*or export {trained}"):
        client.submit(stoker.Export(model=int8, format="onnx"))
    both = client.export(int8, "litert", tmp_path, part="network")
    assert {each.path for each in both.written} == {"model.tflite", "preprocessing.tflite"}
    environment = {"STOKER_REDIS_URL": redis_url_of(stack), "STOKER_STORE_URL": stack.store}
    exported = commands.run("models", "export", int8, str(tmp_path), "--json", env=environment)
    assert exported.returncode == 0, exported.stderr
    sizes = {what: Path(path).stat().st_size for what, path in json.loads(exported.stdout).items()}
    files = client.model(int8).files
    assert sizes == {"path": files["litert"].size, "preprocessing": files["preprocessing"].size}


@pytest.mark.slow
def test_half_of_the_neurons_and_8_bits_leave_an_eighth(client: stoker.Client, trained: str) -> None:
    whole = client.model(trained)
    to_int8 = stoker.Optimize(model=trained, data=DATA, to="int8", max_drop=0.03, bootstrap=100)
    float_bytes = client.submit(to_int8).result(timeout=PATIENCE_S).figures["float_bytes"]
    prune = stoker.Optimize(model=trained, data=DATA, to="prune", share=0.5, epochs=4, max_drop=0.03, bootstrap=100)
    pruned = client.submit(prune).result(timeout=PATIENCE_S)
    small = client.submit(to_int8.model_copy(update={"model": pruned.model})).result(timeout=PATIENCE_S)
    assert [client.model(each.model).parent for each in (pruned, small)] == [trained, pruned.model]
    assert trained in client.model(pruned.model).split, "its own rows that are held out are those of its parent"
    assert pruned.after.parameters <= 0.37 * whole.parameters
    assert small.figures["float_bytes"] <= 0.37 * float_bytes
    # The network alone; with what prepares its rows, which stays as it is, a little more.
    assert client.model(small.model).files["litert"].size <= 0.13 * float_bytes
    assert small.after.file_bytes <= 0.135 * float_bytes
    for model in (pruned.model, small.model):
        assert accuracy(client, model) == pytest.approx(accuracy(client, trained), abs=0.04)


def test_what_is_worse_is_refused_and_not_registered(client: stoker.Client, trained: str, tmp_path: Path) -> None:
    before = [version.ref for version in client.models()]
    # Ranges of rows of zeros leave nothing of other rows.
    np.savez(tmp_path / "zeros.npz", x=np.zeros((20, 64)), y=np.zeros(20, np.int64))
    spec = stoker.Optimize(model=trained, data=DATA, to="int8", calibration=str(tmp_path / "zeros.npz"), bootstrap=100)
    with pytest.raises(stoker.JobFailed, match=r"too much worse on \d+ rows of .*as int8 accuracy falls by"):
        client.submit(spec).result(timeout=PATIENCE_S)
    assert [version.ref for version in client.models()] == before


@pytest.mark.slow
def test_a_goal_is_submitted_by_a_file_and_registers_one(
    client: stoker.Client, trained: str, stack: Settings, tmp_path: Path
) -> None:
    spec = {"kind": "optimize", "model": trained, "data": DATA, "goal": "bytes", "max_drop": 0.05, "name": "smallest"}
    (tmp_path / "job.yaml").write_text(yaml.safe_dump({**spec, "bootstrap": 100, "alias": "tiny", "epochs": 1}))
    environment = {"STOKER_REDIS_URL": redis_url_of(stack), "STOKER_STORE_URL": stack.store}
    sent = commands.run("submit", str(tmp_path / "job.yaml"), "--json", env=environment)
    assert sent.returncode == 0, sent.stderr
    job = client.job(json.loads(sent.stdout)[0]["id"])
    result = job.result(timeout=PATIENCE_S)
    assert isinstance(result, stoker.OptimizeResult)
    assert {each.form for each in result.tried} >= {"float16", "dynamic", "int8", "int4"}
    sizes = {each.form: each.model.file_bytes for each in result.tried if each.drop <= 0.05}
    assert result.form == min(sizes, key=lambda form: sizes[form])
    assert client.model("smallest").ref == client.model("smallest@tiny").ref == result.model
    shown = commands.run("models", "show", "smallest", env=environment).stdout
    assert f"{trained}, as {result.form}" in " ".join(shown.split())
    table = commands.run("result", job.id, env=environment).stdout
    assert "bytes served" in table
