"""What a student learns of its teacher's answers: the divergence of softened classes, and the distance of numbers."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from numpy.typing import NDArray

from stoker_workers.ml.training.imitation import Imitation, divergence, raw_scores

RANDOM = np.random.default_rng(0)
TEACHER = (3 * RANDOM.normal(size=(20, 5))).astype(np.float32)
STUDENT = (3 * RANDOM.normal(size=(20, 5))).astype(np.float32)


def softmax(scores: NDArray[np.float32], temperature: float) -> NDArray[np.float32]:
    exponents = np.exp(scores.astype(np.float64) / temperature)
    return np.asarray(exponents / exponents.sum(axis=-1, keepdims=True), dtype=np.float32)


@pytest.mark.parametrize("temperature", [1.0, 2.0, 5.0])
def test_the_divergence_is_that_of_the_textbook_and_above_zero_unless_both_agree(temperature: float) -> None:
    teacher, student = softmax(TEACHER, temperature), softmax(STUDENT, temperature)
    expected = temperature**2 * (teacher * np.log(teacher / student)).sum(axis=-1)
    computed = np.asarray(divergence(TEACHER, STUDENT, temperature))
    np.testing.assert_allclose(computed, expected, rtol=1e-3, atol=1e-5)
    assert (computed > 0).all()
    np.testing.assert_allclose(np.asarray(divergence(TEACHER, TEACHER + 7, temperature)), 0, atol=1e-5)


def test_keras_own_default_takes_no_divergence_of_probabilities() -> None:
    """Why it is not used: where this fails, Keras has mended it."""
    loss = keras.distillation.LogitsDistillation(temperature=1.0)
    teacher, student = tf.constant([[0.1, 0.2]]), tf.constant([[0.9, 0.8]])
    assert float(loss.compute_loss(teacher, student)) < 0 < float(divergence(teacher, student, 1.0)[0])


@pytest.mark.parametrize("temperature", [1.0, 4.0])
def test_probabilities_and_raw_scores_of_one_network_are_equally_far(temperature: float) -> None:
    raw = Imitation("classes", 5, 0.5, temperature, from_logits=True)
    soft = Imitation("classes", 5, 0.5, temperature)
    scores = raw_scores(softmax(TEACHER, 1.0), logits=False)
    probabilities = tf.constant(softmax(STUDENT, 1.0), tf.float32)
    np.testing.assert_allclose(soft.distance(scores, probabilities), raw.distance(TEACHER, STUDENT), rtol=1e-3)


def test_one_unit_for_two_classes_is_as_far_as_two() -> None:
    teacher, student = TEACHER[:, :1], STUDENT[:, :1]
    two = np.concatenate([np.zeros_like(student), student], axis=1)
    expected = divergence(raw_scores(teacher, logits=True), two, 2.0)
    answers = raw_scores(np.asarray(tf.sigmoid(teacher), dtype=np.float32), logits=False)
    raw = Imitation("classes", 2, 0.5, 2.0, from_logits=True).distance(answers, tf.constant(student))
    soft = Imitation("classes", 2, 0.5, 2.0).distance(answers, tf.sigmoid(student))
    np.testing.assert_allclose(raw, expected, rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(soft, expected, rtol=1e-3, atol=1e-5)


def test_gradients_are_finite_where_probabilities_are_none_and_pull_towards_the_teacher() -> None:
    scores = tf.Variable([[0.0, 200.0], [0.0, 0.0]])
    sure = raw_scores(np.array([[1.0, 0.0], [1.0, 0.0]], dtype=np.float32), logits=False)
    with tf.GradientTape() as tape:
        distances = Imitation("classes", 2, 1.0, 3.0).distance(sure, tf.nn.softmax(scores))
    gradient = tape.gradient(distances, scores).numpy()
    assert np.isfinite(gradient).all()
    assert gradient[1, 0] < 0 < gradient[1, 1]
    assert np.isfinite(distances).all()


def test_numbers_are_as_far_as_the_mean_of_their_squares() -> None:
    imitation = Imitation("numbers", 2, 0.25)
    answers, output = tf.constant([[1.0, 2.0]]), tf.constant([[3.0, 2.0]])
    assert imitation.distance(answers, output).numpy().tolist() == [2.0]
    assert imitation.mixed(tf.constant([8.0]), answers, output).numpy().tolist() == [0.25 * 2 + 0.75 * 8]
