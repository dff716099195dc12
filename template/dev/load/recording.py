"""Counts the requests of one step."""

import math
from collections import Counter
from collections.abc import Sequence

from dev.load.results import Phase, Requests, Timings

# what was wrong is text, which may differ each time
MOST_TEXTS = 20
OTHERS = "others"


class Recorder:
    """The requests of one step, by phase and name."""

    def __init__(self) -> None:
        self._good: dict[tuple[Phase, str], list[float]] = {}
        self._late: Counter[tuple[Phase, str]] = Counter()
        self._errors: dict[tuple[Phase, str], Counter[str]] = {}
        self._unanswered: dict[tuple[Phase, str], Counter[str]] = {}

    def good(self, phase: Phase, name: str, milliseconds: float, *, late: bool = False) -> None:
        """Count a request that was answered as expected, maybe after the time of the step."""
        self._late[phase, name] += late
        self._good.setdefault((phase, name), []).append(milliseconds)

    def error(self, phase: Phase, name: str, text: str) -> None:
        """Count one with another response."""
        _count(self._errors.setdefault((phase, name), Counter()), text)

    def unanswered(self, phase: Phase, name: str, cause: str) -> None:
        """Count one without a response."""
        _count(self._unanswered.setdefault((phase, name), Counter()), cause)

    def requests(self) -> list[Requests]:
        """Return the counts of each name, in the order of its first request."""
        keys = dict.fromkeys([*self._good, *self._errors, *self._unanswered])
        return [
            Requests(
                name=name,
                phase=phase,
                good=len(self._good.get((phase, name), ())),
                errors=dict(self._errors.get((phase, name), {})),
                unanswered=dict(self._unanswered.get((phase, name), {})),
                timings=timings(self._good.get((phase, name), ())),
                late=self._late[phase, name],
            )
            for phase, name in keys
        ]

    def timings(self) -> Timings | None:
        """Return the timings of all requests in the rounds."""
        return timings([each for (phase, _), times in self._good.items() if phase == "round" for each in times])


def timings(milliseconds: Sequence[float]) -> Timings | None:
    """Return the percentiles of durations: the shortest one that so many of a hundred did not exceed."""
    if not milliseconds:
        return None
    grown = sorted(milliseconds)
    p50, p95, p99 = (grown[math.ceil(len(grown) * share / 100) - 1] for share in (50, 95, 99))
    return Timings(p50=p50, p95=p95, p99=p99, longest=grown[-1])


def _count(texts: Counter[str], text: str) -> None:
    texts[text if text in texts or len(texts) < MOST_TEXTS else OTHERS] += 1
