"""What stands at the end of a notebook's cell shows itself, and no text in it becomes part of the page."""

from datetime import UTC, datetime

import stoker
from stoker import testing
from stoker.events import Epoch

EVIL = "<script>alert(1)</script>\u202e"


def test_results_jobs_statuses_and_versions_show_themselves() -> None:
    with testing.Client() as client:
        job = client.submit(stoker.Train(model="digits", data="sample://digits", epochs=3, tags={"of": EVIL}))
        for shown, told in (
            (job, ("digits", "SUCCEEDED", "epoch 3/3", job.id)),
            (job.status(), ("cpu.train", "<td>1</td>")),
            (job.result(), ("digits@1", "val_accuracy 0.88", "model.keras")),
            (client.model("digits"), ("digits@1, champion", "multiclass", "sample://digits")),
            (client.submit(stoker.Evaluate(model="digits", data="sample://digits")).result(), ("<th>metric</th>",)),
        ):
            page = shown._repr_html_()
            assert all(word in page for word in told), page
            assert "<script" not in page
            assert "\u202e" not in page
        assert "&lt;script&gt;" in job._repr_html_()


def test_what_cannot_be_read_says_so() -> None:
    with testing.Client() as client:
        job = client.submit(stoker.Train(model="digits", data="sample://digits"))
    assert "this client has been closed" in job._repr_html_()


def test_text_from_a_job_is_escaped() -> None:
    status = stoker.JobStatus(
        id="1", kind="train", state=stoker.JobState.FAILED, queue="cpu.train", model=EVIL, priority="normal",
        submitted_at=datetime(2026, 1, 1, tzinfo=UTC), reason=EVIL, progress=Epoch(epoch=1, metrics={EVIL: 1.0}),
    )  # fmt: skip
    page = status._repr_html_()
    assert page.count("&lt;script&gt;") == 3
    assert "<script" not in page
    assert "\u202e" not in page
