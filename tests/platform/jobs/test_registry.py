"""The function of each job, its arguments, and the schedules of `app/jobs.py`."""

from datetime import UTC, datetime
from uuid import UUID

import pytest

from app.jobs import JOBS, SCHEDULES
from app.platform.jobs.attempt import PermanentFailure
from app.platform.jobs.job import Job
from app.platform.jobs.registry import Handler, Registry

ADA = UUID(int=1)


async def nothing(_services: object) -> None:
    pass


def handler(name: str) -> Handler[object]:
    return Handler(Job(name), nothing)


async def test_function_gets_the_services_and_its_arguments_in_their_types() -> None:
    given: list[object] = []

    async def function(
        services: str, owner: UUID, at: datetime, tags: tuple[str, ...], note: str | None = None
    ) -> None:
        given.extend([services, owner, at, tags, note])

    subject = Handler[str](Job("sample"), function)
    at = datetime(2030, 1, 31, tzinfo=UTC)
    await subject("services", {"owner": str(ADA), "at": at.isoformat(), "tags": ["a", "b"]})
    assert given == ["services", ADA, at, ("a", "b"), None]
    await subject("services", {"owner": str(ADA), "at": at.isoformat(), "tags": [], "note": "later"})
    assert given[5:] == ["services", ADA, at, (), "later"]


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({}, "owner: Field required"),
        ({"owner": "hunter2"}, "owner: Input should be a valid UUID"),
        ({"owner": str(ADA), "colour": "hunter2"}, "colour: Extra inputs are not permitted"),
        ({"colour": "hunter2"}, "owner: Field required; colour: Extra inputs"),
    ],
)
async def test_error_about_arguments_does_not_show_their_values(arguments: dict[str, object], problem: str) -> None:
    async def function(_services: None, owner: UUID) -> None:
        raise AssertionError(owner)

    with pytest.raises(PermanentFailure) as refused:
        await Handler[None](Job("sample"), function)(None, arguments)
    assert str(refused.value).startswith(f"the arguments do not fit: {problem}")
    assert "hunter2" not in str(refused.value)
    assert refused.value.__cause__ is None
    assert refused.value.__suppress_context__


def test_jobs_are_found_by_name() -> None:
    one, other = handler("one"), handler("other")
    registry = Registry(one, other)
    assert (registry.get("one"), registry.get("other"), registry.get("third")) == (one, other, None)
    assert list(registry) == [one, other]


def test_two_jobs_with_the_same_name_are_refused() -> None:
    with pytest.raises(ValueError, match="two jobs have the same name"):
        Registry(handler("one"), handler("other"), handler("one"))


def test_every_scheduled_job_is_registered() -> None:
    for schedule in SCHEDULES:
        known = JOBS.get(schedule.job.name)
        assert known is not None, schedule
        assert known.job == schedule.job


async def test_scheduled_jobs_need_no_arguments() -> None:
    class Called(Exception):
        pass

    class Nothing:
        """Services whose attributes raise an error."""

        def __getattr__(self, name: str) -> object:
            raise Called(name)

    for schedule in SCHEDULES:
        known = JOBS.get(schedule.job.name)
        assert known is not None, schedule
        with pytest.raises(Called):
            await known(Nothing(), {})  # type: ignore[arg-type]


def test_job_has_at_most_one_schedule() -> None:
    names = [schedule.job.name for schedule in SCHEDULES]
    assert len(set(names)) == len(names)


def test_names_of_jobs_fit_into_their_column() -> None:
    assert all(0 < len(known.job.name) <= 100 for known in JOBS)
