"""Folders of pictures and tables that name them: read, trained on, measured and served, or refused by their path."""

import csv
import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

import stoker
from stoker.errors import InvalidJob
from stoker.events import Event, Log
from stoker.kinds import CNN, Data, Evaluate, Infer, Train
from stoker.models.access import Access
from stoker.models.data import preflight
from stoker.models.inputs import Inputs
from stoker.models.manifest import ModelVersion
from stoker.models.pictures import Pixels
from stoker.models.predictions import predictions
from stoker.models.store import Store
from stoker_workers.kinds.evaluate import run as evaluate
from stoker_workers.kinds.infer import run as infer
from stoker_workers.kinds.train import run as train
from stoker_workers.ml import data
from stoker_workers.ml.data import Values, Wanted
from stoker_workers.ml.data.drawn import shapes, spots
from stoker_workers.ml.data.images import cache
from stoker_workers.ml.prediction.predictor import Predictor
from stoker_workers.ml.run import Run
from stoker_workers.ml.training import dataset, rows

from .conftest import OFTEN, assert_goes_on, assert_resumes, history_of, manifest_of

ANYWHERE = Access(["/"], "/")
SHAPES = shapes()


def photographs(folder: Path, count: int = 48) -> Path:
    """Shapes as files in folders of their classes, of several sizes and formats, one of them grey."""
    for at in range(count):
        pixels = Image.fromarray(SHAPES["image"][at]).resize((32 + at % 3 * 8, 32 + at % 3 * 8))
        path = folder / ("round" if SHAPES["label"][at] in ("disc", "ring") else "pointed") / f"deep {at % 2}"
        path.mkdir(parents=True, exist_ok=True)
        image = pixels.convert("L") if at == 7 else pixels
        image.save(path / f"{at:02}.{('png', 'JPG', 'webp', 'bmp')[at % 4]}", quality=95)
    return folder


def opened(ref: str | Data, subset: str = "test", access: Access = ANYWHERE, **wanted: Any) -> data.Source:
    scratch = Path(str(ref)).parent / "scratch"
    scratch.mkdir(exist_ok=True)
    return data.open_source(ref, subset, access, scratch, pictures=Wanted(**wanted))  # type: ignore[arg-type]


def whole(source: data.Source) -> dict[str, Values]:
    batches = list(source.batches(7))
    return {name: np.concatenate([batch[name] for batch in batches]) for name in batches[0]}


def log(events: Sequence[Event]) -> str:
    return "\n".join(event.line for event in events if isinstance(event, Log))


def test_a_folder_is_pictures_of_one_size_with_the_folders_names_as_labels(tmp_path: Path) -> None:
    folder = photographs(tmp_path / "photos")
    (folder / "list.txt").write_text("no picture")
    (folder / ".hidden.png").write_bytes(b"")
    source = opened(f"{folder}/")
    assert [(column.name, column.shape, column.role) for column in source.columns] == [
        ("image", (40, 40, 3), "picture"),
        ("label", (), "value"),
        ("file", (), "file"),
    ]
    assert source.rows == 48
    table = whole(source)
    assert list(table["file"]) == sorted(table["file"])
    assert set(table["label"]) == {"round", "pointed"}
    assert all(file.startswith(f"{label}/deep ") for file, label in zip(table["file"], table["label"], strict=True))
    [at] = [at for at, file in enumerate(table["file"]) if file.endswith("/04.png")]
    assert np.abs(table["image"][at].astype(int) - np.asarray(Image.open(folder / table["file"][at]))).max() <= 1
    assert source.notes == (
        "1 file is no picture by the suffix: left out (list.txt)",
        "image: 48 pictures of 3 sizes, in colour (1 grey ones, too)",
        "image: pictures are resized to 40 × 40 (the median size; image_size sets another)",
    )
    for _ in range(2):  # decoded, and as they are kept from then on
        assert (whole(source)["image"] == table["image"]).all()
    shuffled = whole(opened(str(folder), "train"))
    assert list(shuffled["file"]) != list(table["file"])
    assert sorted(shuffled["file"]) == list(table["file"])
    assert (shuffled["image"][np.argsort(shuffled["file"].astype(str))] == table["image"]).all()


def test_sizes_are_chosen_visibly_and_can_be_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for at, size in enumerate([(600, 300)] * 3 + [(20, 20)]):
        Image.new("L", size).save(tmp_path / f"{at}.png")
    source = opened(f"{tmp_path}/*.png")
    assert [column.name for column in source.columns] == ["image", "file"]
    assert source.columns[0].shape == (64, 128, 1)
    why = "the commonest size, 300 × 600, so that no side is above 128; image_size sets another"
    assert source.notes[1:] == (
        f"image: pictures are resized to 64 × 128 ({why})",
        "image: 1 of 4 pictures have other proportions, and are stretched",
    )
    monkeypatch.setattr(cache, "MOST_BYTES", 100)
    asked = opened(f"{tmp_path}/*.png", size=(16, 24))
    assert [whole(asked)["image"].shape for _ in range(2)] == [(4, 16, 24, 1)] * 2
    assert "(as image_size says)" in asked.notes[1]


def test_what_is_broken_is_refused_by_its_path_or_left_out_and_counted(tmp_path: Path) -> None:
    folder = photographs(tmp_path / "photos", 8)
    (folder / "round" / "empty.jpg").touch()
    with pytest.raises(InvalidJob, match=r"round/empty\.jpg is empty; repair or remove it, or set skip_broken"):
        opened(str(folder))
    (folder / "round" / "text.png").write_text("s3cret")
    with pytest.raises(InvalidJob, match=r"2 pictures are broken: .*empty\.jpg is empty; .*text\.png is no") as refused:
        opened(str(folder))
    assert "s3cret" not in refused.value.message
    for name in ("empty.jpg", "text.png"):
        (folder / "round" / name).unlink()
    cut = Image.fromarray(np.random.default_rng(0).integers(0, 255, (60, 60, 3)).astype(np.uint8))
    cut.save(folder / "round" / "cut.jpg")
    content = (folder / "round" / "cut.jpg").read_bytes()
    (folder / "round" / "cut.jpg").write_bytes(content[: len(content) // 2])
    with pytest.raises(InvalidJob, match=r"round/cut\.jpg is cut off; repair or remove it"):
        whole(opened(str(folder)))
    source = opened(str(folder), skip_broken=True)
    assert source.rows == len(whole(source)["file"]) == 8
    assert any("1 of 9 rows are left out, for a picture is broken: " in note for note in source.notes)


def write_table(path: Path, names: Sequence[str | None]) -> str:
    with path.open("w", newline="") as file:
        rows = [(name, at, f"c{at % 2}") for at, name in enumerate(names)]
        csv.writer(file).writerows([("photo", "size", "label"), *rows])
    return str(path)


@pytest.fixture
def tables(tmp_path: Path) -> Path:
    """A folder of tables beside one of pictures, and a picture outside."""
    (tmp_path / "inside" / "pictures").mkdir(parents=True)
    for at in range(6):
        Image.fromarray(SHAPES["image"][at]).save(tmp_path / "inside" / "pictures" / f"{at}.png")
    Image.fromarray(SHAPES["image"][0]).save(tmp_path / "outside.png")
    return tmp_path / "inside"


def test_a_column_of_paths_is_read_from_the_tables_folder(tables: Path) -> None:
    names = [f"pictures/{at}.png" for at in range(5)] + [str(tables / "pictures" / "5.png")]
    source = opened(write_table(tables / "t.csv", names))
    assert [(column.name, column.shape) for column in source.columns][:2] == [("photo", (32, 32, 3)), ("size", ())]
    assert (whole(source)["photo"] == SHAPES["image"][:6]).all()
    left = opened(Data(str(tables / "t.csv"), columns={"photo": "ignore"}))
    assert left.columns[0].dtype == "string"
    by_model = opened(str(tables / "t.csv"), shapes={"photo": (8, 8, 1)})
    assert whole(by_model)["photo"].shape == (6, 8, 8, 1)
    assert opened(str(tables / "t.csv"), shapes={}).columns[0].dtype == "string"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("../outside.png", "may not read ../outside.png"),
        ("pictures/../../outside.png", "may not read pictures"),
        ("/etc/hostname.png", "may not read /etc/hostname.png"),
        ("link.png", "may not read link.png"),
        ("file:///etc/hostname.png", "may not read"),
        ("zip://x.png::pictures.zip", "chains file systems"),
        ("http://127.0.0.1:9/x.png", "may not read"),
        ("sample://digits.png", "is a sample set"),
        ("s3://bucket/../other/x.png", r"has '\.\.' in its path"),
        ("pictures/none.png", r"pictures/none\.png does not exist, seen from .*/inside; repair .*'ignore'"),
    ],
)
def test_no_path_of_a_table_leads_out_of_what_may_be_read(tables: Path, name: str, message: str) -> None:
    (tables / "link.png").symlink_to(tables.parent / "outside.png")
    table, only = write_table(tables / "t.csv", ["pictures/0.png"] * 30 + [name]), Access([str(tables)], "/none")
    with pytest.raises(InvalidJob, match=message):
        opened(Data(table, columns={"photo": "image"}) if "://" in name else table, access=only)


def test_rows_without_their_picture_are_refused_or_left_out(tables: Path) -> None:
    table = write_table(tables / "t.csv", ["pictures/0.png", None, "pictures/1.png", "pictures/9.png"])
    with pytest.raises(
        InvalidJob, match=r"2 pict.*: the picture 'photo' of row 1 \(the.* is missing; pictures/9\.png does "
    ):
        opened(table)
    source = opened(table, skip_broken=True)
    assert source.rows == 2
    assert list(whole(source)["size"]) == [0, 2]


def test_the_door_checks_the_columns_of_a_folder(tmp_path: Path) -> None:
    folder = photographs(tmp_path / "photos", 8)
    assert preflight(str(folder)) == str(folder)
    with pytest.raises(InvalidJob, match="has no column 'kind'; it has 'image', 'label', 'file'"):
        preflight(str(folder), target="kind")
    with pytest.raises(InvalidJob, match="does not say which column to predict"):
        preflight(str(folder / "round" / "deep 0"))


CHANGES = stoker.Augment(flip="both", rotate=20, zoom=0.1, shift=0.1, contrast=0.1, brightness=0.1)
FLIPS = stoker.Augment(flip="both")
NETWORK = CNN(filters=(8, 8), dense=(8,))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return photographs(tmp_path_factory.mktemp("photographs") / "photos")


@pytest.fixture
def streamed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes a small folder take the path of a large one."""
    monkeypatch.setattr(dataset, "RESIDENT_BYTES", 0)
    monkeypatch.setattr(rows, "WINDOW_BYTES", 100_000)


def registered(run: Run, spec: Train) -> ModelVersion:
    manifest = manifest_of(train(spec, run))
    return ModelVersion(**dict(manifest), version=1, created_at="2026-01-01T00:00:00Z")


def exported(version: ModelVersion, store: Store, folder: Path) -> keras.Model:
    """The model as anybody loads it who has Keras."""
    return keras.saving.load_model(store.fetch(version.files["keras"], folder), safe_mode=True)


def test_a_folder_is_learned_measured_and_served_as_keras_does(
    folder: Path, open_run: Callable[..., Run], events: list[Event], store: Store, tmp_path: Path
) -> None:
    spec = Train(model="m", data=str(folder), epochs=12, batch_size=8, seed=3, augment=CHANGES, image_size=24)
    version = registered(open_run(), spec)
    said = log(events)
    assert "image: pictures are resized to 24 × 24 (as image_size says)" in said
    assert "column 'file' is left out: it names the files" in said
    assert "network: CNN(filters=(32, 64)), for the data are pictures; architecture sets another" in said
    [pixels] = version.signature.inputs
    assert (pixels.name, pixels.shape, pixels.dtype, pixels.kind) == ("image", (24, 24, 3), "uint8", "image")
    model = exported(version, store, tmp_path)
    assert not [layer for layer in model._flatten_layers() if "Random" in type(layer).__name__]

    report = evaluate(Evaluate(model="m@1", data=str(folder), bootstrap=100, noise=(0.1,)), open_run(version)).result
    assert isinstance(report, stoker.EvaluateResult)
    assert report.rows == 48
    assert report.metrics["accuracy"] > 0.8

    wanted = Infer(model="m@1", data=str(folder), format="csv", columns=("file",))
    told = infer(wanted, open_run(version)).result
    assert isinstance(told, stoker.InferResult)
    table = list(csv.DictReader(io.StringIO(store.read(told.chunks[0]).decode())))
    assert [row["file"] for row in table] == sorted(row["file"] for row in table)
    assert len(table) == 48

    paths = [folder / row["file"] for row in table]
    sent = Inputs(version.signature, version.ref).encoded({"image": [path.read_bytes() for path in paths]})
    assert not isinstance(sent, np.ndarray)
    served = Predictor.load(version, store, tmp_path).predict(sent)[:, 0]
    np.testing.assert_allclose(model(sent["image"], training=False)[:, 0], served, atol=1e-5)
    np.testing.assert_allclose([float(row["probability_round"]) for row in table], served, atol=1e-5)


@pytest.mark.usefixtures("streamed")
@pytest.mark.parametrize("changes", [FLIPS, pytest.param(CHANGES, marks=pytest.mark.slow)], ids=["flips", "all"])
def test_augmented_pictures_are_the_same_by_seed_and_after_a_stop(
    changes: stoker.Augment, folder: Path, open_run: Callable[..., Run], events: list[Event]
) -> None:
    spec = Train(
        model="m",
        data=str(folder),
        architecture=NETWORK,
        epochs=2,
        batch_size=8,
        seed=3,
        augment=changes,
        image_size=16,
        checkpoint=OFTEN,
    )
    undisturbed = train(spec, open_run())
    assert_resumes(spec, undisturbed, events, open_run())
    plain = train(spec.model_copy(update={"augment": None, "epochs": 1}), open_run())
    assert history_of(plain)["loss"][0] != history_of(undisturbed)["loss"][0]


def served_as_keras_does(version: ModelVersion, store: Store, folder: Path) -> bool:
    pictures: list[Pixels] = [SHAPES["image"][at % 6] for at in range(24)]
    sent = Inputs(version.signature, version.ref).encoded({"photo": pictures, "size": np.arange(24)})
    assert not isinstance(sent, np.ndarray)
    arrays: Any = sent if len(sent) > 1 else next(iter(sent.values()))
    expected = exported(version, store, folder).predict(arrays, verbose=0)
    return np.allclose(Predictor.load(version, store, folder).predict(sent), expected, rtol=1e-5, atol=1e-5)


def test_pictures_beside_other_columns_are_served(
    open_run: Callable[..., Run], events: list[Event], store: Store, tables: Path, tmp_path: Path
) -> None:
    table = write_table(tables / "t.csv", [f"pictures/{at % 6}.png" for at in range(24)])
    mixed = registered(open_run(), Train(model="m", data=Data(table, columns={"size": "number"}), epochs=1))
    assert "the pixels of photo go to the network in one row with the other columns" in log(events)
    assert served_as_keras_does(mixed, store, tmp_path)
    several = Train(model="m", data=table, target="label", features=("photo", "size"), augment=CHANGES)
    with pytest.raises(InvalidJob, match="augment is for data with a picture as its only feature"):
        train(several, open_run())


@pytest.mark.slow
def test_pictures_for_numbers_are_served(
    open_run: Callable[..., Run], store: Store, tables: Path, tmp_path: Path
) -> None:
    table = write_table(tables / "t.csv", [f"pictures/{at % 6}.png" for at in range(24)])
    numbers = Train(model="m", data=table, target="size", features=("photo",), task="regression", epochs=1)
    measured = registered(open_run(), numbers.model_copy(update={"augment": CHANGES}))
    assert measured.signature.task == "regression"
    assert served_as_keras_does(measured, store, tmp_path)


def test_an_mlp_of_pictures_is_told_what_it_does_not_know(open_run: Callable[..., Run], events: list[Event]) -> None:
    spec = Train(model="m", data="sample://shapes", architecture=stoker.MLP(hidden=(4,)), epochs=1, batch_size=512)
    train(spec, open_run())
    assert "an MLP does not know which pixels are neighbours; leave architecture out for a CNN" in log(events)


def test_pictures_that_are_too_small_for_a_cnn_are_said_to_go_to_an_mlp(
    open_run: Callable[..., Run], events: list[Event], tmp_path: Path
) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (40, 6, 6), np.uint8)
    np.savez(tmp_path / "small.npz", x=pixels, y=np.arange(40) % 2)
    train(Train(model="m", data=str(tmp_path / "small.npz"), epochs=1), open_run())
    assert "network: MLP(), for the pictures are too small for a CNN; architecture sets another" in log(events)


def test_augment_says_what_varies() -> None:
    with pytest.raises(InvalidJob, match=r"Augment\(\) changes nothing: say what may vary"):
        stoker.Augment()


def write_masked(folder: Path, count: int) -> Path:
    table = spots()
    for name, column in (("images", "image"), ("masks", "mask")):
        (folder / name).mkdir(parents=True)
        for at, pixels in enumerate(table[column][:count]):
            Image.fromarray(pixels).resize((48, 40), Image.Resampling.NEAREST).save(folder / name / f"{at}.png")
    return folder


def test_masks_are_learned_measured_and_served(
    open_run: Callable[..., Run], events: list[Event], store: Store, tmp_path: Path
) -> None:
    folder = write_masked(tmp_path / "spots", 24)
    network = stoker.UNet(filters=(4, 8))
    spec = Train(model="m", data=str(folder), architecture=network, epochs=2, image_size=(17, 22), batch_size=8, seed=1)
    version = registered(open_run(), spec)
    assert "target 'mask': pixels, of the classes 0 (77." in log(events)
    signature = version.signature
    assert (signature.task, signature.classes, signature.target) == ("pixels", ("0", "1", "2"), "mask")
    assert signature.outputs[0].shape == (17, 22, 3)

    report = evaluate(Evaluate(model="m@1", data=str(folder), bootstrap=100, noise=(0.1,)), open_run(version)).result
    assert isinstance(report, stoker.EvaluateResult)
    told = infer(Infer(model="m@1", data=str(folder)), open_run(version)).result
    assert isinstance(told, stoker.InferResult)
    outputs = np.load(io.BytesIO(store.read(told.chunks[0])))
    source = opened(str(folder), shapes={"image": (17, 22, 3)})
    table = whole(source)
    assert (report.rows, outputs.shape) == (24, (24, 17, 22, 3))
    predicted, truth = outputs.argmax(axis=-1), table["mask"]
    assert report.metrics["accuracy"] == pytest.approx((predicted == truth).mean())
    met = [((predicted == k) & (truth == k)).sum() / max(((predicted == k) | (truth == k)).sum(), 1) for k in range(3)]
    assert [report.metrics[f"iou_{k}"] for k in range(3)] == pytest.approx(met)
    assert report.metrics["mean_iou"] == pytest.approx(np.mean(met))
    assert report.stability.intervals["mean_iou"].low <= report.metrics["mean_iou"]

    model = exported(version, store, tmp_path)
    np.testing.assert_allclose(model(table["image"], training=False), outputs, atol=1e-5)
    assert (np.array([answer.mask for answer in predictions(version, outputs)]) == predicted).all()
    with pytest.raises(InvalidJob, match="predicts masks, which no table holds; set format='npy'"):
        infer(Infer(model="m@1", data=str(folder), format="csv"), open_run(version))

    with pytest.raises(InvalidJob, match="augment changes pictures, and not what m@1 compares its output with"):
        assert_goes_on(version, str(folder), open_run(version), augment={"flip": "both"})


@pytest.mark.slow
@pytest.mark.usefixtures("graphs_traced")
def test_a_model_of_masks_goes_on_and_gets_pictures_added(open_run: Callable[..., Run], tmp_path: Path) -> None:
    """As one of labels does in the tests of versions that go on."""
    folder = write_masked(tmp_path / "spots", 24)
    network = stoker.UNet(filters=(4, 8, 8))
    spec = Train(model="m", data=str(folder), architecture=network, epochs=2, image_size=(18, 22), batch_size=8, seed=1)
    version = registered(open_run(), spec)
    more = write_masked(tmp_path / "more", 8)
    assert_goes_on(version, str(more), open_run(version), validation_split=0)
    added = assert_goes_on(version, None, open_run(version), add_data=str(more))
    assert isinstance(added.result, stoker.TrainResult)
    assert added.result.rows == 24 - 2 + 8
    assert added.result.metrics["val_loss"] == pytest.approx(version.metrics["val_loss"], rel=1e-5)
    Image.fromarray(np.full((40, 48), 7, np.uint8)).save(more / "masks" / "0.png")
    with pytest.raises(InvalidJob, match="comes of a Conv2D layer, not of a Dense one"):
        assert_goes_on(version, str(more), open_run(version))


def test_masks_that_do_not_fit_are_refused(open_run: Callable[..., Run], tmp_path: Path) -> None:
    folder = write_masked(tmp_path / "spots", 6)
    assert preflight(str(folder)) == str(folder)
    spec = Train(model="m", data=str(folder), epochs=1)
    for changed, message in (
        ({"augment": CHANGES}, "augment changes pictures, and not their masks"),
        ({"class_weights": "balanced"}, "a row of masks has pixels of several classes"),
        ({"architecture": NETWORK}, r"the target 'mask' wants \(40, 48, 3\); a UNet is for masks"),
    ):
        with pytest.raises(InvalidJob, match=message):
            train(spec.model_copy(update=changed), open_run())
    np.savez(tmp_path / "arrays.npz", x=np.zeros((6, 8, 8, 1), np.uint8), y=np.full((6, 8, 8), 0.5))
    with pytest.raises(InvalidJob, match=r"task='pixels' wants masks: \(height, width\) of whole numbers"):
        train(Train(model="m", data=str(tmp_path / "arrays.npz"), task="pixels"), open_run())
    (folder / "masks" / "0.png").rename(folder / "masks" / "other.png")
    with pytest.raises(InvalidJob, match=r"2 files have no partner of the same name in the other folder \(0, other\)"):
        train(spec, open_run())


def example(**features: list[Any]) -> bytes:
    made = {}
    for name, values in features.items():
        if values and isinstance(values[0], bytes):
            feature = tf.train.Feature(bytes_list=tf.train.BytesList(value=values))
        elif name.endswith("area"):
            feature = tf.train.Feature(float_list=tf.train.FloatList(value=values))
        else:
            feature = tf.train.Feature(int64_list=tf.train.Int64List(value=values))
        made[name] = feature
    return bytes(tf.train.Example(features=tf.train.Features(feature=made)).SerializeToString())


def encoded(pixels: Pixels) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def write_records(path: Path, records: Sequence[dict[str, list[Any]]]) -> str:
    with tf.io.TFRecordWriter(str(path)) as writer:
        for record in records:
            writer.write(example(**record))
    return str(path)


def test_records_hold_pictures_gaps_and_lists(
    open_run: Callable[..., Run], events: list[Event], tmp_path: Path
) -> None:
    records: list[dict[str, list[Any]]] = [
        {
            "image/encoded": [encoded(SHAPES["image"][at])],
            "image/class/label": [at % 2],
            "image/class/text": [(b"even", b"odd")[at % 2]],
            "image/object/area": [float(each) for each in range(at % 3)],
            **({"image/age": [at]} if at % 4 else {}),
        }
        for at in range(16)
    ]
    path = write_records(tmp_path / "t.tfrecord", records)
    source = opened(path)
    assert source.rows == 16
    assert {column.name: (column.dtype, column.role) for column in source.columns} == {
        "image/age": ("float64", "about"),
        "image/class/label": ("int64", "about"),
        "image/class/text": ("string", "about"),
        "image/encoded": ("uint8", "picture"),
        "image/object/area": ("list", "about"),
    }
    table = whole(source)
    assert (table["image/encoded"] == SHAPES["image"][:16]).all()
    assert [values.tolist() for values in table["image/object/area"][:3]] == [[], [0.0], [0.0, 1.0]]
    assert np.isnan(table["image/age"]).tolist() == [at % 4 == 0 for at in range(16)]
    assert "image/age: 4 of 16 records have no value" in source.notes
    version = registered(open_run(), Train(model="m", data=path, architecture=NETWORK, epochs=1))
    assert version.signature.target == "image/class/label"
    assert [spec.name for spec in version.signature.inputs] == ["image/encoded"]
    assert "column 'image/class/text' is left out: it is about the picture beside it" in log(events)
    mixed = write_records(tmp_path / "mixed.tfrecord", [{"a": [1]}, {"a": [b"s3cret"]}])
    with pytest.raises(InvalidJob, match="feature 'a' is a int64_list in some records and a bytes_list in others"):
        opened(mixed)
