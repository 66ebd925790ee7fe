"""Masks: the smallest weights are zero and stay so in training, and nothing of that is in the saved model."""

from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers as k

from stoker.errors import InvalidJob
from stoker_workers.ml.optimisation.sparsity import compressed_bytes, kernels, masked
from stoker_workers.ml.prediction.loading import load_saved


def network() -> keras.Model:
    return keras.Sequential([keras.Input((8,)), k.Dense(64, activation="relu"), k.Dense(64), k.Dense(1)])


def shares(model: keras.Model) -> list[float]:
    return [float((kernel.numpy() == 0).mean()) for kernel in kernels(model)]


def test_the_smallest_weights_of_each_kernel_are_zero_and_training_leaves_them_so(tmp_path: Path) -> None:
    model, other = network(), network()
    other.set_weights(model.get_weights())
    sparse = masked(model, 0.75, "m@1")
    assert (sparse.zeros, sparse.weights) == (384 + 3072 + 48, 512 + 4096 + 64)
    assert shares(model) == [0.75] * 3
    for kernel, before in zip(kernels(model), kernels(other), strict=True):
        is_kept = kernel.numpy() != 0
        assert np.abs(before.numpy()[~is_kept]).max() <= np.abs(before.numpy()[is_kept]).min()
    model.compile("adam", "mse")
    before = model.get_weights()
    rows = np.random.default_rng(0).normal(size=(64, 8))
    model.fit(rows, rows.sum(axis=1), epochs=2, verbose=0)
    assert shares(model) == [0.75] * 3
    assert all((new != old).any() for new, old in zip(model.get_weights(), before, strict=True))
    files = []
    for name, each in (("sparse", model), ("dense", other)):
        files.append(tmp_path / f"{name}.keras")
        each.compile(optimizer=None, loss="mse")
        each.save(files[-1])
    assert shares(load_saved(files[0], "m@1")) == [0.75] * 3
    assert compressed_bytes(files[0]) < 0.6 * compressed_bytes(files[1])
    assert files[0].stat().st_size > 0.9 * files[1].stat().st_size


def test_a_constraint_that_a_layer_has_already_holds_as_well() -> None:
    model = keras.Sequential([keras.Input((8,)), k.Dense(8, kernel_constraint=keras.constraints.NonNeg())])
    masked(model, 0.5, "m@1")
    [kernel] = kernels(model)
    stays = kernel.numpy() != 0
    constrained = np.asarray(kernel.constraint(np.full((8, 8), -1.0, dtype=np.float32)))
    assert not constrained.any()
    np.testing.assert_array_equal(np.asarray(kernel.constraint(np.ones((8, 8), dtype=np.float32))) != 0, stays)


def test_recurrent_and_attention_kernels_have_masks_and_embeddings_have_none() -> None:
    row = keras.Input((5,), dtype="int32")
    tensor = k.Embedding(10, 4)(row)
    tensor = k.LSTM(4)(k.MultiHeadAttention(2, 2)(tensor, tensor))
    model = keras.Model(row, k.LayerNormalization()(tensor))
    assert [kernel.name for kernel in kernels(model)] == ["kernel"] * 5 + ["recurrent_kernel"]


def test_a_model_without_kernels_is_refused() -> None:
    model = keras.Sequential([keras.Input((5,)), k.Embedding(10, 4)])
    with pytest.raises(InvalidJob, match="no kernels"):
        masked(model, 0.8, "m@1")


def test_a_share_of_less_than_a_weight_is_refused_by_what_would_be_enough() -> None:
    with pytest.raises(InvalidJob, match=r"share=0.0001 is less than one of the 4,096 weights .* more than 0.00012"):
        masked(network(), 0.0001, "m@1")
