"""Synchronous training on replicas: one process, several devices of it, or several processes.

Every batch is divided: each replica computes the gradient of its share, and applies the sum of all. So the weights stay
equal everywhere, and the losses are those of one process with the same batches, within float noise.
https://www.tensorflow.org/tutorials/distribute/custom_training
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import keras
import tensorflow as tf
from numpy.typing import NDArray

from ..networks.layers import all_layers

_SUM = tf.distribute.ReduceOp.SUM


class Replicas:
    """The replicas of one training, as one of its processes uses them. Making it waits for all processes.

    Args:
        addresses: "host:port" of every process, this one included; empty for a process that trains alone, on every
            device that it sees.
        index: the place of this process among the addresses.

    Attributes:
        is_chief: whether this process is the first one, which saves checkpoints and sends events.
        size: the number of replicas.
    """

    def __init__(self, addresses: Sequence[str] = (), index: int = 0) -> None:
        self.is_chief = index == 0
        self._processes = max(1, len(addresses))
        self._strategy = _strategy(addresses, index)
        self.size: int = self._strategy.num_replicas_in_sync
        self._totals = tf.function(lambda values: self.run(self.total, values))

    def scope(self) -> AbstractContextManager[Any]:
        """The scope in which variables of every replica are made."""
        scope: AbstractContextManager[Any] = self._strategy.scope()
        return scope

    @contextmanager
    def whole_batches(self, network: keras.Model) -> Iterator[None]:
        """Within the block, batch norm takes the statistics of whole batches, as one process does.

        Each replica's own would differ, and be NaN for one whose share of a batch is empty.
        """
        layers = [layer for layer in batch_norms(network) if not layer.synchronized]
        for layer in layers:
            layer.synchronized = self.size > 1
        try:
            yield
        finally:
            for layer in layers:
                layer.synchronized = False  # a saved model may be loaded where there is nothing to synchronise

    def run(self, step: Callable[..., tf.Tensor], *arguments: tf.Tensor) -> tf.Tensor:
        """Run a step on every replica; gives its result, which must be equal on all of them."""
        return self._strategy.experimental_local_results(self._strategy.run(step, args=arguments))[0]

    def share(self, rows: tf.Tensor) -> tf.Tensor:
        """Within a step: a replica's share of a batch's row indices; empty for some if rows are fewer than replicas."""
        if self.size == 1:
            return rows
        count = tf.shape(rows)[0]
        replica = tf.cast(tf.distribute.get_replica_context().replica_id_in_sync_group, tf.int32)
        return rows[replica * count // self.size : (replica + 1) * count // self.size]

    def total(self, values: tf.Tensor) -> tf.Tensor:
        """Within a step: the sum of all replicas' values."""
        if self.size == 1:
            return values
        return tf.distribute.get_replica_context().all_reduce(_SUM, tf.identity(values))

    def agree(self, values: Sequence[float]) -> list[float]:
        """Between two steps: the sum of all processes' values. Each process waits for all others."""
        if self._processes == 1:
            return list(values)
        total = self._totals(tf.constant(values, tf.float64)).numpy()
        agreed: list[float] = (total / (self.size // self._processes)).tolist()  # each replica has counted them
        return agreed

    def all(self, holds: bool) -> bool:
        """Whether something holds in every process; it waits for all of them, as `agree` does."""
        return round(self.agree([holds])[0]) == self._processes

    def devices(self, variable: keras.Variable) -> list[str]:
        """The devices of a variable's replicas, as TensorFlow names them."""
        return [replica.device for replica in self._strategy.experimental_local_results(variable.value)]

    def value(self, variable: keras.Variable) -> NDArray[Any]:
        """A variable's value, which is equal on every replica."""
        array: NDArray[Any] = self._strategy.experimental_local_results(variable.value)[0].numpy()
        return array


def batch_norms(network: keras.Model) -> list[keras.layers.BatchNormalization]:
    """The network's layers of batch norm."""
    return [layer for layer in all_layers(network) if isinstance(layer, keras.layers.BatchNormalization)]


def _strategy(addresses: Sequence[str], index: int) -> tf.distribute.Strategy:
    if len(addresses) > 1:
        resolver = _resolver(addresses, index, gpus=len(tf.config.list_physical_devices("GPU")))
        return tf.distribute.MultiWorkerMirroredStrategy(resolver, _communication(addresses))
    devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
    if len(devices) > 1:
        return tf.distribute.MirroredStrategy([device.name for device in devices])
    return tf.distribute.get_strategy()


def _resolver(addresses: Sequence[str], index: int, gpus: int) -> tf.distribute.cluster_resolver.ClusterResolver:
    # Without num_accelerators, the strategy would compute on the CPU.
    return tf.distribute.cluster_resolver.SimpleClusterResolver(
        tf.train.ClusterSpec({"worker": list(addresses)}),
        task_type="worker",
        task_id=index,
        rpc_layer="grpc",
        num_accelerators={"GPU": gpus} if gpus else None,
    )


def _communication(addresses: Sequence[str]) -> tf.distribute.experimental.CommunicationOptions:
    """RING where two processes are on one host, because NCCL refuses two processes on one GPU."""
    options = tf.distribute.experimental
    hosts = [address.rpartition(":")[0] for address in addresses]
    implementation = options.CommunicationImplementation
    return options.CommunicationOptions(
        implementation=implementation.AUTO if len(set(hosts)) == len(hosts) else implementation.RING
    )
