"""The TensorFlow code: data, training, evaluation, prediction. Importing it runs no TensorFlow operation."""
