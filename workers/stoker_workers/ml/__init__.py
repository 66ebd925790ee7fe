"""The TensorFlow side: data, models, training, evaluation, prediction. Importing it runs no TensorFlow operation."""
