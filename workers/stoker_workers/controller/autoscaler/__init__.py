"""The autoscaler: how many slots a fleet shall have, and who sees to it that it has them. Knows no TensorFlow."""
