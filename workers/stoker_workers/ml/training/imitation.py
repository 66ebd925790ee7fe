"""Learning what a teacher answers, besides the truth (Hinton, Vinyals and Dean 2015, arXiv:1503.02531).

The loss of a row is

    share · T² · KL(softmax(teacher / T) ‖ softmax(student / T))  +  (1 − share) · the loss of the truth

of both networks' raw scores. Gradients of the first part shrink as 1/T², which T² makes up for. The scores may be
logarithms of probabilities, which differ from what the last layer was given by a number that is the same for all
classes, and which the softmax takes away.

`keras.distillation.LogitsDistillation()` has another default in Keras 3.15: it takes the divergence of the raw scores
themselves, which are no probabilities, so that it is negative and nothing is learned.
"""

from dataclasses import dataclass
from typing import Literal

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

# The logarithm of what a float32 may be at least, less a little: no class is less probable than that.
_LEAST = 1e-30


@dataclass(frozen=True)
class Imitation:
    """How one output learns from a teacher's answers.

    Attributes:
        what: classes of which one is true, or numbers.
        width: how many numbers an answer has.
        share: of the loss that is the teacher's; the rest is the truth's.
        temperature: by how much raw scores are divided, of both; 1 for numbers.
        from_logits: whether the network gives raw scores, not probabilities.
    """

    what: Literal["classes", "numbers"]
    width: int
    share: float
    temperature: float = 1.0
    from_logits: bool = False

    @property
    def answers_spec(self) -> tf.TensorSpec:
        """What the rows hold of a teacher: raw scores of at least two classes, or numbers as the network gives them."""
        return tf.TensorSpec((None, self.width), tf.float32)

    def mixed(self, losses: tf.Tensor, answers: tf.Tensor, output: tf.Tensor) -> tf.Tensor:
        """The loss of each row, from that of the truth."""
        return self.share * self.distance(answers, output) + (1 - self.share) * losses

    def distance(self, answers: tf.Tensor, output: tf.Tensor) -> tf.Tensor:
        """How far the network is from its teacher, row by row: 0 where they agree, else more."""
        if self.what == "numbers":
            return tf.reduce_mean(tf.square(answers - output), axis=-1)
        is_lone = output.shape[-1] == 1
        if self.from_logits:
            scores = tf.concat([tf.zeros_like(output), output], axis=-1) if is_lone else output
        else:
            both = tf.concat([1 - output, output], axis=-1) if is_lone else output
            scores = tf.math.log(tf.maximum(both, _LEAST))
        return divergence(answers, scores, self.temperature)


def divergence(teacher: tf.Tensor, student: tf.Tensor, temperature: float) -> tf.Tensor:
    """T² times the Kullback-Leibler divergence of two rows of raw scores, softened: 0 where they agree, else more."""
    softened = (tf.nn.softmax(scores / temperature) for scores in (teacher, student))
    return temperature**2 * keras.losses.KLDivergence(reduction=None)(*softened)


def raw_scores(outputs: NDArray[np.float32], *, logits: bool) -> NDArray[np.float32]:
    """A classifier's outputs as raw scores of at least two classes.

    Args:
        outputs: (rows, classes), or one number for each row: that of the second of two classes.
        logits: whether they are raw scores, not probabilities.
    """
    outputs = outputs.reshape(len(outputs), -1).astype(np.float32)
    if logits:
        return outputs if outputs.shape[1] > 1 else np.concatenate([np.zeros_like(outputs), outputs], axis=1)
    if outputs.shape[1] == 1:
        outputs = np.concatenate([1 - outputs, outputs], axis=1)
    scores: NDArray[np.float32] = np.log(np.maximum(outputs, np.float32(_LEAST)))
    return scores
