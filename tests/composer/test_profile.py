"""Where the time went: the table, and the line on what was the limit, each where it is true."""

import pytest

from composer.attempts import Attempt
from composer.pool.usage import Usage
from composer.profile import Work, bottleneck, profile


def done(
    steps: tuple[float, ...] = (10, 60, 20, 6, 4),
    *,
    workers: int = 4,
    images: int = 10_000,
    seconds: float = 1000,
    busy: float = 0.97,
    waited: float = 0.01,
    processor: float = 0.95,
    name: str = "toy",
) -> Work:
    """Return the work of a run.

    ``steps`` are per cent of the time with an image, ``busy`` and ``waited`` parts of that of all workers,
    and ``processor`` is a part of that with an image.
    """
    available = seconds * workers
    usage = Usage(workers, seconds, available, waited * available, busy * available)
    usage.processor = processor * usage.busy
    return Work(name, images, 0, [10 * step * usage.busy for step in steps], usage)


@pytest.mark.parametrize(
    ("work", "cores", "line"),
    [
        (done(seconds=9), 4, "the run was too short to tell"),
        (done(images=39), 4, "the run was too short to tell"),
        (
            done(busy=0.6, waited=0.1),
            4,
            "cannot be told, workers were starting, ending or lost for 30 % of the time",
        ),
        (
            done(busy=0.6, waited=0.4),
            4,
            "workers waited 40 % of the time for the process that hands out images and writes the ledger; "
            "more workers will not help",
        ),
        (
            done((71, 15, 8, 3, 1), processor=0.3),
            64,
            "storage, reading takes 71 % of the workers' time; more workers help only as long as it serves "
            "more of them at once",
        ),
        (
            done((20, 15, 8, 3, 52), processor=0.3),
            2,
            "storage, writing takes 52 % of the workers' time; more workers help only as long as it serves "
            "more of them at once",
        ),
        # Unpacking is part of reading, and takes a core.
        (
            done((71, 15, 8, 3, 1)),
            16,
            "workers, busy 97 % of the time; reading takes 71 % of it; more workers help, up to about 17",
        ),
        (
            done(),
            16,
            "workers, busy 97 % of the time; decoding takes 60 % of it; more workers help, up to about 17",
        ),
        # While some wait for storage, others compute.
        (
            done((40, 40, 10, 5, 5), processor=0.55),
            4,
            "workers, busy 97 % of the time; reading takes 40 % of it; more workers help, up to about 7",
        ),
        (
            done(),
            4,
            "cores, all 4 were at work; decoding takes 60 % of it; more workers will not help",
        ),
        # Twice as many workers as cores.
        (
            done(workers=8, processor=0.5),
            4,
            "cores, all 4 were at work; decoding takes 60 % of it; more workers will not help",
        ),
        # A container that is given two of 64 cores.
        (
            done(workers=8, processor=0.25),
            64,
            "cores, workers had one for 29 % of the time that they computed; others use them, or this "
            "process may not; more workers will not help",
        ),
    ],
)
def test_limit(work: Work, cores: int, line: str) -> None:
    assert bottleneck(work, cores) == f"limit: {line}"


def test_table_has_a_line_for_each_dataset_their_sum_and_the_shares() -> None:
    one = done((10, 50, 20, 10, 5), workers=2, images=1000, seconds=100, busy=0.9, waited=0.1)
    other = done((50, 30, 10, 6, 4), workers=2, images=3000, seconds=300, busy=0.9, waited=0.1, name="b")
    table = profile([one, done(images=0), other], cores=2)
    assert table is not None
    assert [line.split() for line in table.splitlines()[1:4]] == [
        ["toy", "1,000", "18.0", "90.0", "36.0", "18.0", "9.0", "9.0", "20.0"],
        ["b", "3,000", "90.0", "54.0", "18.0", "10.8", "7.2", "0.0", "20.0"],
        ["all", "4,000", "72.0", "63.0", "22.5", "12.6", "7.7", "2.2", "20.0"],
    ]
    assert " ".join(table.splitlines()[4].split()) == "share 36 % 32 % 11 % 6 % 4 % 1 % 10 %"
    assert table.splitlines()[5].startswith("limit: ")


def test_one_dataset_is_its_own_sum() -> None:
    table = profile([done()], cores=4)
    assert table is not None
    assert [line.split()[0] for line in table.splitlines()] == ["ms", "toy", "share", "limit:"]


def test_where_nothing_was_made_there_is_no_profile() -> None:
    assert profile([Work("toy"), Work("b")], cores=4) is None


def test_attempts_are_counted_also_those_of_which_no_time_is_known() -> None:
    work = Work("toy")
    work.add(Attempt(b"", 10, failed=False, durations=(1, 2, 3, 4, 5)))
    work.add(Attempt(b"", None, failed=True, durations=(1, 2, 0, 0, 0)))
    work.add(Attempt(b"", None, failed=True, durations=()))
    assert (work.images, work.failed, work.milliseconds) == (3, 2, [2, 4, 3, 4, 5])
