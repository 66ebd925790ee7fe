"""Trainings for which there is not enough memory, until they make do with less."""

from collections.abc import Iterator

import pytest

import stoker
from stoker import JobState, events
from stoker.settings import Settings

from ..conftest import PATIENCE_S
from .conftest import serving

# What the process may take on top of what it has, and a layer whose outputs for a whole batch do not fit into that.
# What is left of it when the last such output does not fit is what threads and libraries may take meanwhile: on a busy
# machine some tens of MiB, and a process whose library gets none is aborted.
MIB, WIDTH, BATCH = 450, 60_000, 1024


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    settings = Settings(home=tmp_path_factory.mktemp("memory_plan"), slots=1, builders=("narrow:narrow",))
    with serving(settings):
        yield settings


def wide(seed: int, mib: int = MIB, width: int = WIDTH) -> stoker.Train:
    return stoker.Train(
        model="wide",
        data="sample://digits",
        architecture=stoker.Builder("narrow:narrow", {"mib": mib, "width": width, "seed": seed}),
        batch_size=BATCH,
        epochs=1,
        seed=seed,
        normalize=False,
        device="cpu",
        max_attempts=1,
    )


def assert_learns_as_undisturbed(client: stoker.Client, seed: int) -> bool:
    """Whether a training that does not fit ends well, and as one with enough memory; that it did not fit is sure."""
    enough = client.submit(wide(seed, mib=100_000)).result(timeout=PATIENCE_S)
    job = client.submit(wide(seed))
    if job.wait(timeout=PATIENCE_S) is not JobState.SUCCEEDED:
        return False
    result = job.result()
    assert isinstance(result, stoker.TrainResult)
    assert isinstance(enough, stoker.TrainResult)
    assert result.parts > 1
    for name, values in enough.history.items():
        assert result.history[name] == pytest.approx(values, rel=1e-4), name
    [_, again, *_] = [event for event in job.events() if isinstance(event, events.Queued)]
    assert "it ran out of memory: it wanted 245,760,000 bytes at once" in str(again.reason)
    assert str(again.reason).endswith("it goes on with each batch in 4 parts")
    assert "makes do with less memory: each batch in 4 parts" in [
        event.line for event in job.events() if isinstance(event, events.Log)
    ]
    return True


def test_a_training_that_does_not_fit_ends_with_the_losses_of_one_that_does(client: stoker.Client) -> None:
    # A process whose library gets no memory is aborted, see above: then another is tried. The slow test counts them.
    assert any(assert_learns_as_undisturbed(client, seed) for seed in range(1, 9))


@pytest.mark.slow
def test_of_twenty_trainings_that_do_not_fit_nineteen_end_so(client: stoker.Client) -> None:
    assert sum(assert_learns_as_undisturbed(client, seed) for seed in range(20)) >= 19


def test_what_less_cannot_help_fails_with_the_bytes_that_it_wanted_and_had(client: stoker.Client) -> None:
    job = client.submit(wide(1, width=200_000_000))
    told = r"it wanted 6,400,000,000 bytes at once.*, and had [\d,]+ bytes; no live worker has more"
    with pytest.raises(stoker.JobFailed, match=told):
        job.result(timeout=PATIENCE_S)
    assert job.status().attempt == 1
