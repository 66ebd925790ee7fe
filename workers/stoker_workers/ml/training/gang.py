"""Those who train one model together: one process alone, several devices of it, or several processes in step.

Every batch is shared: each replica computes the gradient of its part, and each applies the sum of all. So the weights
stay the same everywhere, and the losses are those of one process with the same batches, within float noise.
https://www.tensorflow.org/tutorials/distribute/custom_training
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

import keras
import tensorflow as tf
from numpy.typing import NDArray

_SUM = tf.distribute.ReduceOp.SUM


class Gang:
    """A process's place among those that train together. Making it waits until all of them are there.

    Args:
        addresses: "host:port" of every process, this one's too; none for a process that trains alone, on every device
            that it sees.
        index: which of the addresses is this process's.

    Attributes:
        leads: whether this process is the first one, which saves and tells.
        size: how many replicas share a batch.
    """

    def __init__(self, addresses: Sequence[str] = (), index: int = 0) -> None:
        self.leads = index == 0
        self._processes = max(1, len(addresses))
        self._strategy = _strategy(addresses, index)
        self.size: int = self._strategy.num_replicas_in_sync
        self._totals = tf.function(lambda values: self.run(self.total, values))

    def scope(self) -> AbstractContextManager[Any]:
        """Where variables must be made that every replica has."""
        scope: AbstractContextManager[Any] = self._strategy.scope()
        return scope

    def run(self, step: Callable[..., tf.Tensor], *arguments: tf.Tensor) -> tf.Tensor:
        """Let every replica take a step; gives what the step gives, which must be the same in all of them."""
        return self._strategy.experimental_local_results(self._strategy.run(step, args=arguments))[0]

    def share(self, rows: tf.Tensor) -> tf.Tensor:
        """Within a step: a replica's part of a batch's row indices; none where there are fewer rows than replicas."""
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
        """Between two steps: the sum of all processes' values. Each process waits in it for all the others."""
        if self._processes == 1:
            return list(values)
        total = self._totals(tf.constant(values, tf.float64)).numpy()
        agreed: list[float] = (total / (self.size // self._processes)).tolist()  # each replica has counted them
        return agreed

    def all(self, holds: bool) -> bool:
        """Whether something holds in every process; like `agree`, it waits for all of them."""
        return round(self.agree([holds])[0]) == self._processes

    def devices(self, variable: keras.Variable) -> list[str]:
        """Where the replicas of a variable are, as TensorFlow calls these devices."""
        return [replica.device for replica in self._strategy.experimental_local_results(variable.value)]

    def value(self, variable: keras.Variable) -> NDArray[Any]:
        """What a variable holds, in every replica."""
        array: NDArray[Any] = self._strategy.experimental_local_results(variable.value)[0].numpy()
        return array


def _strategy(addresses: Sequence[str], index: int) -> tf.distribute.Strategy:
    if len(addresses) > 1:
        resolver = _resolver(addresses, index, gpus=len(tf.config.list_physical_devices("GPU")))
        return tf.distribute.MultiWorkerMirroredStrategy(resolver, _communication(addresses))
    devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
    if len(devices) > 1:
        return tf.distribute.MirroredStrategy([device.name for device in devices])
    return tf.distribute.get_strategy()


def _resolver(addresses: Sequence[str], index: int, gpus: int) -> tf.distribute.cluster_resolver.ClusterResolver:
    # Without the number of GPUs, the strategy would compute on the CPU.
    return tf.distribute.cluster_resolver.SimpleClusterResolver(
        tf.train.ClusterSpec({"worker": list(addresses)}),
        task_type="worker",
        task_id=index,
        rpc_layer="grpc",
        num_accelerators={"GPU": gpus} if gpus else None,
    )


def _communication(addresses: Sequence[str]) -> tf.distribute.experimental.CommunicationOptions:
    """NCCL refuses two processes on one card, and those of one host may share one."""
    options = tf.distribute.experimental
    hosts = [address.rpartition(":")[0] for address in addresses]
    implementation = options.CommunicationImplementation
    return options.CommunicationOptions(
        implementation=implementation.AUTO if len(set(hosts)) == len(hosts) else implementation.RING
    )
