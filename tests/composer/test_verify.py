"""Damage of every kind is found, named, and mended into the tree of an undisturbed run."""

import json
import re
import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from unittest.mock import patch

import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from composer import compose as compose_module
from composer.attempts import Attempt, attempt
from composer.demo import chexray14
from composer.folder import DatasetFolder
from composer.imaging import Recipe
from composer.pool import Lost, Pool
from composer.repair import repair, unmended
from composer.settings import Settings
from composer.verification.entries import index_findings
from composer.verification.expectation import expect
from composer.verification.findings import DAMAGE, Finding, Kind
from composer.verification.inspection import Inspection, inspect
from composer.verification.verify import Verified, verify
from composer.worker import Task
from tests.composer.runs import FOLDER, configured, ledger_lines, run, trained, tree


class Here(Pool[Inspection, str | None]):
    """Reads in this process."""

    def map(self, items: Iterable[Inspection]) -> Iterator[tuple[Inspection, str | Lost | None]]:
        return ((item, inspect(item)) for item in items)


@pytest.fixture(scope="module")
def composed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a source, nih/, its collection, out/, and copies of both in sound/."""
    folder = tmp_path_factory.mktemp("composed")
    chexray14.LAYOUTS[0].make(folder / "nih")
    run(configured(folder / "out", folder / "nih", image_size=64))
    for name in ("nih", "out"):
        shutil.copytree(folder / name, folder / "sound" / name)
    return folder


@pytest.fixture
def root(composed: Path) -> Path:
    shutil.rmtree(composed / "nih", ignore_errors=True)
    return Path(shutil.copytree(composed / "sound/nih", composed / "nih"))


@pytest.fixture
def settings(composed: Path, root: Path) -> Settings:
    shutil.rmtree(composed / "out", ignore_errors=True)
    shutil.copytree(composed / "sound/out", composed / "out")
    return configured(composed / "out", root, image_size=64)


def folder_of(settings: Settings) -> DatasetFolder:
    return DatasetFolder(settings.machex_path / FOLDER)


def look(settings: Settings, *, deep: bool = False, root: Path | None = None) -> Verified:
    return verify(folder_of(settings), root=root, readers=Here(inspect, 1) if deep else None)


def pictures(folder: Path) -> list[Path]:
    return sorted(folder.glob("00/*.jpg"))


def flip(path: Path, place: int) -> None:
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)


def edit_lines(path: Path, edit: Callable[[list[str]], object]) -> None:
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    edit(lines)
    path.write_text("".join(lines), encoding="utf-8")


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def swap(first: Path, second: Path) -> None:
    first.rename(first.with_suffix(".away"))
    second.rename(first)
    first.with_suffix(".away").rename(second)


def replace_in(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def without_a_row(path: Path) -> None:
    pq.write_table(pq.read_table(path).slice(1), path)


def with_other_sum(path: Path) -> None:
    table = pq.read_table(path)
    place = table.schema.get_field_index("sha256")
    pq.write_table(table.set_column(place, "sha256", pc.utf8_reverse(table["sha256"])), path)


def forget_last_image(folder: Path) -> None:
    def number(line: str) -> int:
        return int(json.loads(line)["number"])

    edit_lines(folder / "ledger.jsonl", lambda lines: lines.remove(max(lines, key=number)))
    entries = json.loads((folder / "index.json").read_text())
    entries.pop(max(entries))
    lines = ",\n".join(f"{json.dumps(key)}: {json.dumps(entry)}" for key, entry in entries.items())
    (folder / "index.json").write_text(f"{{\n{lines}\n}}\n")
    pq.write_table(pq.read_table(folder / "index.parquet")[:-1], folder / "index.parquet")


# What is done to the dataset folder, of which kinds the findings are, and what one of them says.
DAMAGES: dict[str, tuple[Callable[[Path], object], set[Kind], str]] = {
    "picture deleted": (lambda f: pictures(f)[0].unlink(), {Kind.PICTURE}, r"\d\.jpg: is missing"),
    "picture cut": (lambda f: cut(pictures(f)[1]), {Kind.PICTURE}, r"\d\.jpg: [\d,]+ bytes, expected [\d,]+"),
    "pictures swapped": (lambda f: swap(*pictures(f)[:2]), {Kind.PICTURE}, "bytes, expected"),
    "all pictures deleted": (lambda f: shutil.rmtree(f / "00"), {Kind.PICTURE}, "is missing"),
    "index.json deleted": (lambda f: (f / "index.json").unlink(), {Kind.INDEX}, r"index\.json: is missing"),
    "index.json emptied": (lambda f: (f / "index.json").write_bytes(b""), {Kind.INDEX}, "line 1 is damaged"),
    "index.json cut": (lambda f: cut(f / "index.json"), {Kind.INDEX}, r"line \d+ is damaged"),
    "index.json lacks its first line": (
        lambda f: edit_lines(f / "index.json", lambda lines: lines.pop(1)),
        {Kind.INDEX},
        r"index\.json: \d{6} is not in it",
    ),
    "index.json lacks its last line": (
        lambda f: edit_lines(f / "index.json", lambda lines: lines.pop(-2)),
        {Kind.INDEX},
        r"line \d+ is damaged",
    ),
    "index.json has a line twice": (
        lambda f: edit_lines(f / "index.json", lambda lines: lines.insert(1, lines[1])),
        {Kind.INDEX},
        "is in it 2 times",
    ),
    "key of another image": (
        lambda f: replace_in(f / "index.json", '"key": "0', '"key": "1'),
        {Kind.INDEX},
        "has another key",
    ),
    "path of another image": (
        lambda f: replace_in(f / "index.json", "/00/00", "/00/09"),
        {Kind.INDEX},
        "has another path",
    ),
    "path to elsewhere": (
        lambda f: replace_in(f / "index.json", f"{f}/", f"{f}2/"),
        {Kind.INDEX},
        "1 paths lead to",
    ),
    "index.parquet deleted": (
        lambda f: (f / "index.parquet").unlink(),
        {Kind.INDEX},
        r"index\.parquet: is missing",
    ),
    "index.parquet cut": (
        lambda f: cut(f / "index.parquet"),
        {Kind.INDEX},
        r"index\.parquet: is damaged or cannot be read",
    ),
    "index.parquet lacks a row": (
        lambda f: without_a_row(f / "index.parquet"),
        {Kind.INDEX},
        r"index\.parquet: \d{6} is not in it",
    ),
    "index.parquet of other pictures": (
        lambda f: with_other_sum(f / "index.parquet"),
        {Kind.INDEX},
        "has another sha256",
    ),
    "ledger damaged": (
        lambda f: flip(f / "ledger.jsonl", 0),
        {Kind.LEDGER, Kind.INDEX, Kind.UNENTERED},
        r"ledger\.jsonl: 1 lines are damaged",
    ),
    "sum gone from the ledger": (
        lambda f: replace_in(f / "ledger.jsonl", '"sha256"', '"sha255"'),
        {Kind.INDEX, Kind.NOTE},
        "is in it, but not in the ledger as written",
    ),
    "ledger deleted": (
        lambda f: (f / "ledger.jsonl").unlink(),
        {Kind.INDEX, Kind.UNENTERED},
        "is in it, but not in the ledger as written",
    ),
    "last image forgotten": (
        forget_last_image,
        {Kind.UNENTERED},
        "1 pictures that the ledger does not have as written",
    ),
}


@pytest.mark.parametrize(("damage", "kinds", "text"), DAMAGES.values(), ids=DAMAGES)
def test_damage_is_found_and_mended(
    settings: Settings, damage: Callable[[Path], object], kinds: set[Kind], text: str
) -> None:
    undisturbed = tree(settings.machex_path)
    damage(folder_of(settings).path)
    before = look(settings)
    assert {finding.kind for finding in before.findings} == kinds
    assert any_matches(text, before)
    repair(settings, [before], progress=False)
    assert tree(settings.machex_path) == undisturbed
    after = look(settings, deep=True)
    assert after.findings == []
    assert list(unmended(before, after)) == []


def any_matches(text: str, verified: Verified) -> bool:
    return any(re.search(text, str(finding)) for finding in verified.findings)


def test_sound_dataset_has_no_finding_and_nothing_is_written(settings: Settings, root: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in settings.machex_path.rglob("*")}
    verified = look(settings, deep=True, root=root)
    assert verified.findings == []
    assert len(verified.written) == verified.planned == len(trained(root))
    assert verified.bytes == sum(path.stat().st_size for path in pictures(folder_of(settings).path))
    assert {path: path.stat().st_mtime_ns for path in settings.machex_path.rglob("*")} == before


@pytest.mark.parametrize("place", [300, -1])
def test_flipped_bit_is_found_by_reading_alone(settings: Settings, place: int) -> None:
    undisturbed = tree(settings.machex_path)
    victim = pictures(folder_of(settings).path)[2]
    flip(victim, place)
    assert look(settings).findings == []
    verified = look(settings, deep=True)
    (finding,) = verified.findings
    assert str(finding).startswith(f"{FOLDER}/00/{victim.name}: the SHA-256 begins with ")
    repair(settings, [verified], progress=False)
    assert tree(settings.machex_path) == undisturbed


@pytest.mark.parametrize("image_format", ["jpg", "png", "png16"])
def test_picture_that_was_written_broken_is_found_by_decoding(
    tmp_path: Path, root: Path, image_format: str
) -> None:
    settings = configured(tmp_path / "out", root, image_size=64, image_format=image_format)
    run(settings)
    assert look(settings, deep=True).findings == []
    victim = next(folder_of(settings).path.glob("00/*"))
    data = victim.read_bytes()
    victim.write_bytes(data[: len(data) // 2] + bytes(len(data) - len(data) // 2))
    sums = tree(victim.parent)
    answer = inspect(Inspection(0, str(victim), sums[victim.name]))
    assert answer is not None
    assert "cannot be decoded" in answer


def test_picture_that_cannot_be_opened_is_found(settings: Settings) -> None:
    victim = pictures(folder_of(settings).path)[0]
    victim.unlink()
    assert inspect(Inspection(0, str(victim), "")) == "cannot be read (No such file or directory)"
    victim.symlink_to(victim)
    assert any_matches("cannot be looked at", look(settings))


def test_only_the_pictures_asked_for_are_read(settings: Settings) -> None:
    first, second, *_ = pictures(folder_of(settings).path)
    flip(first, 300)
    flip(second, 300)
    found = verify(folder_of(settings), readers=Here(inspect, 1), among=[int(second.stem)])
    assert [finding.numbers for finding in found.findings] == [(int(second.stem),)]


def test_repair_makes_nothing_else(settings: Settings, root: Path) -> None:
    folder = folder_of(settings)
    victim = pictures(folder.path)[0]
    # Images that no run has tried are selected now.
    everything = settings.model_copy(update={"splits": ("train", "val", "test")})
    victim.unlink()
    lines = len(ledger_lines(settings))
    repair(everything, [look(settings)], progress=False)
    assert [line["number"] for line in ledger_lines(settings)[lines:]] == [int(victim.stem)]
    after = look(settings)
    (note,) = after.findings
    untried = after.planned - len(trained(root))
    assert note.text == f"{untried} planned images were not tried yet; run the compose command"
    assert len(after.written) == len(trained(root)) < after.planned


def test_files_of_no_image_are_noted_and_stay(settings: Settings) -> None:
    folder = folder_of(settings).path
    for name in ("00/notes.txt", "notes.txt", "00/.000001.jpg.part", ".index.json.part", "00/000777.jpg"):
        (folder / name).touch()
    (folder / "more").mkdir()
    verified = look(settings)
    assert {finding.kind for finding in verified.findings} == {Kind.NOTE}
    assert any_matches(r"3 files that are not of MaCheX.* \(more, notes\.txt, 00/notes\.txt\)", verified)
    assert any_matches("2 temporary files", verified)
    assert any_matches("1 pictures that are not selected", verified)
    before = tree(folder)
    repair(settings, [verified], progress=False)
    assert tree(folder) == before


def test_moved_collection_is_noted_with_the_remedy(settings: Settings, tmp_path: Path) -> None:
    shutil.move(settings.machex_path, tmp_path / "moved")
    (finding,) = verify(DatasetFolder(tmp_path / "moved" / FOLDER)).findings
    assert finding.kind is Kind.NOTE
    assert "`machex.py index`" in finding.text
    assert str(settings.machex_path / FOLDER) in finding.text


def test_killed_run_is_noted(settings: Settings) -> None:
    folder_of(settings).lock.touch()
    assert any_matches("the last run was killed", look(settings))


def test_lost_and_damaged_plans_are_damage_with_a_remedy(settings: Settings) -> None:
    plan = folder_of(settings).plan
    cut(plan)
    (finding,) = look(settings).findings
    assert (finding.kind, finding.name) == (Kind.PLAN, f"{FOLDER}/plan.parquet")
    assert finding.text.startswith("damaged")
    plan.unlink()
    (finding,) = look(settings).findings
    assert "is lost" in finding.text
    assert "restore it" in finding.text


def test_plan_that_gives_a_number_twice_is_damage(settings: Settings) -> None:
    path = folder_of(settings).plan
    plan = pq.read_table(path)
    place = plan.schema.get_field_index("number")
    pq.write_table(plan.set_column(place, "number", pc.multiply(plan["number"], 0)), path)
    (finding,) = look(settings).findings
    assert finding.kind is Kind.PLAN


def test_pictures_of_another_recipe_do_not_count(settings: Settings) -> None:
    path = folder_of(settings).plan
    plan = pq.read_table(path)
    recipe = json.loads(plan.schema.metadata[b"machex.recipe"])
    metadata = {b"machex.recipe": json.dumps({**recipe, "jpeg_quality": 80}).encode()}
    pq.write_table(plan.replace_schema_metadata(metadata), path)
    verified = look(settings)
    assert verified.written == frozenset()
    assert {finding.kind for finding in verified.findings} == {Kind.INDEX, Kind.NOTE}


def attempt_by_arithmetic_1(task: Task) -> Attempt:
    # A worker says by which arithmetic it made an image, and has its own copy of this.
    with patch.object(Recipe, "ARITHMETIC", 1):
        return attempt(task)


def test_plan_of_another_arithmetic_needs_no_sources(
    tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = configured(tmp_path / "out", root, image_size=64)
    with monkeypatch.context() as patched:
        patched.setattr(Recipe, "ARITHMETIC", 1)
        patched.setattr(compose_module, "attempt", attempt_by_arithmetic_1)
        run(settings)
    verified = look(settings, deep=True)
    assert verified.findings == []
    assert len(verified.written) == len(trained(root))


def test_changed_source_is_found_and_its_picture_made_again(
    settings: Settings, root: Path, tmp_path: Path
) -> None:
    first, second, third, *_ = trained(root)
    shutil.copy(third, first)
    second.touch()
    verified = look(settings, root=root)
    assert {finding.kind for finding in verified.findings} == {Kind.SOURCE_CHANGED}
    assert any_matches(r"its source has [\d,]+ bytes, noted were [\d,]+", verified)
    assert any_matches("its source has been modified since, to the same size", verified)
    assert look(settings).findings == []
    repair(settings, [verified], progress=False)
    after = look(settings, deep=True, root=root)
    assert after.findings == []
    shutil.move(settings.machex_path, tmp_path / "mended")
    run(settings)
    assert tree(settings.machex_path) == tree(tmp_path / "mended")


def test_picture_survives_a_source_that_vanished_or_became_damaged(settings: Settings, root: Path) -> None:
    first, second, *_ = trained(root)
    kept = {path: path.read_bytes() for path in pictures(folder_of(settings).path)}
    first.unlink()
    verified = look(settings, root=root)
    assert [finding.kind for finding in verified.findings] == [Kind.SOURCE_GONE]
    assert any_matches("its source is no longer there", verified)
    repair(settings, [verified], progress=False)
    assert look(settings).findings == []
    cut(second)
    verified = look(settings, root=root)
    repair(settings, [verified], progress=False)
    (left,) = unmended(verified, look(settings))
    assert left.kind is Kind.SOURCE_CHANGED
    assert {path: path.read_bytes() for path in pictures(folder_of(settings).path)} == kept


def test_bad_picture_without_a_source_is_deleted_and_named(settings: Settings, root: Path) -> None:
    undisturbed = tree(settings.machex_path)
    victim = pictures(folder_of(settings).path)[0]
    flip(victim, 300)
    key = index_key(settings, victim.stem)
    shutil.move(root / "images" / key, root / "away.png")
    before = look(settings, deep=True)
    repair(settings, [before], progress=False)
    after = look(settings, deep=True)
    assert after.findings == []
    (left,) = unmended(before, after)
    assert left.kind in DAMAGE
    assert "see failures.csv" in left.text
    assert not victim.exists()
    assert key in folder_of(settings).failures.read_text()
    # Its damaged picture is not taken for sound when the source is back.
    shutil.move(root / "away.png", root / "images" / key)
    run(settings)
    assert tree(settings.machex_path) == undisturbed


def index_key(settings: Settings, number: str) -> str:
    key: str = json.loads(folder_of(settings).index_json.read_text())[number]["key"]
    return key


def test_one_archive_of_several_images_is_looked_at_once(settings: Settings, tmp_path: Path) -> None:
    lines = ledger_lines(settings)
    first, *_ = lines
    for line in lines:
        line.update({name: first[name] for name in ("file", "source_bytes", "source_modified")})
    folder_of(settings).ledger.write_text("".join(json.dumps(line) + "\n" for line in lines))
    (finding,) = look(settings, root=tmp_path / "elsewhere").findings
    assert finding.kind is Kind.SOURCE_GONE
    assert len(finding.numbers) == len(lines)
    assert f"({len(lines)} pictures are made of it)" in finding.text


def test_picture_that_is_missing_need_not_be_in_the_index(settings: Settings) -> None:
    victim = pictures(folder_of(settings).path)[0]
    victim.unlink()
    expected = expect(folder_of(settings))
    assert not isinstance(expected, Finding)
    without_a_row(folder_of(settings).index_parquet)
    edit_lines(folder_of(settings).index_json, lambda lines: lines.pop(1))
    assert list(index_findings(folder_of(settings), expected, {int(victim.stem)}, deep=False)) == []
    assert len(list(index_findings(folder_of(settings), expected, set(), deep=False))) == 2
