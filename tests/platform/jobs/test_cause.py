"""The cause of a job, in a column that is older than traces."""

from types import SimpleNamespace

import pytest

from app.platform import tracing
from app.platform.context import request_id
from app.platform.jobs.cause import LONGEST, current_cause, parts

SPAN = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.mark.parametrize(
    ("given", "span", "expected"),
    [
        (None, None, (None, None)),
        ("r" * 128, None, ("r" * 128, None)),
        ("r" * 128, SPAN, ("r" * 128, SPAN)),
        (None, SPAN, (None, SPAN)),
        # an id of a command of the service's own
        ("nightly import", None, ("nightly import", None)),
        ("nightly import", SPAN, ("nightly import", SPAN)),
        (" ", None, (" ", None)),
        # an id of the service's own, which leaves no room for the span
        ("r" * LONGEST, SPAN, ("r" * LONGEST, None)),
    ],
)
def test_request_id_and_span_share_the_column(
    monkeypatch: pytest.MonkeyPatch, given: str | None, span: str | None, expected: tuple[str | None, str | None]
) -> None:
    monkeypatch.setattr(tracing, "spans", SimpleNamespace(current=lambda: span))
    token = request_id.set(given)
    try:
        cause = current_cause()
    finally:
        request_id.reset(token)
    assert len(cause or "") <= LONGEST
    assert parts(cause) == expected
