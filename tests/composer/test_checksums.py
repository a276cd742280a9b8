"""Source files compared with the checksums of their release: before the run, and in it."""

from __future__ import annotations

import csv
import hashlib
import shutil
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

import pytest
from pydicom.uid import ImplicitVRLittleEndian, JPEG2000Lossless

from composer.checksums import add_checksums
from composer.compose import compose
from composer.datasets import open_datasets
from composer.demo import brax, mimiccxr, vindrcxr
from composer.demo.checksums import write_checksums
from composer.demo.layout import Layout
from composer.errors import UsageError
from composer.imaging import Recipe, Refusal, Source, convert, scan_header
from composer.plan import make_plan
from composer.records import table_of
from processors.base import Location, Processor, Record
from processors.brax import Brax
from processors.mimiccxr import MimicCXR
from processors.vindrcxr import VinDrCXR
from tests.composer import toys
from tests.composer.toys import Toy, record
from tests.conftest import machex_here

Digests = dict[str, str | None]


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def added(
    root: Path, records: Iterable[Record], processor: type[Processor] = Toy, **chosen: object
) -> tuple[Digests, list[str]]:
    """Return the checksum of every image by its file, and the warnings."""
    plan = make_plan(table_of(records), toys.settings(**chosen), processor, None)
    plan, warnings = add_checksums(plan, processor(root))
    return dict(zip(plan["source"].to_pylist(), plan["source_sha256"].to_pylist(), strict=True)), warnings


def lay(root: Path, *names: str) -> list[Record]:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(name.encode())
    return [record(name, file=Location(name)) for name in names]


@pytest.mark.parametrize("place", ["../..", "..", ".", "a", "a/b"])
def test_list_is_found_above_and_below_the_root(tmp_path: Path, place: str) -> None:
    root = tmp_path / "release/root"
    records = lay(root, "a/b/c/1.png", "a/b/2.png", "a/b-/3.png")[:2]
    write_checksums((root / place).resolve())
    digests, warnings = added(root, records)
    assert digests == {name: digest(root / name) for name in ("a/b/c/1.png", "a/b/2.png")}
    assert warnings == []


def test_nearest_list_counts(tmp_path: Path) -> None:
    records = lay(tmp_path, "release/1.png", "release/2.png")
    write_checksums(tmp_path / "release")
    (tmp_path / "SHA256SUMS.txt").write_text("not even a list")
    assert added(tmp_path, records)[1] == []


def test_where_a_list_was_looked_for_is_said(tmp_path: Path) -> None:
    root = tmp_path / "1/2/root"
    records = lay(root, "a/1.png", "b/2.png")
    # Too far above, and beside the images.
    for folder in (tmp_path, root / "a", root / "b"):
        write_checksums(folder)
    digests, (warning,) = added(root, records)
    assert set(digests.values()) == {None}
    assert warning.startswith(
        f"2 images are not compared with checksums: no SHA256SUMS.txt in {root}, in the 2"
    )


def test_files_that_the_list_does_not_name_are_counted(tmp_path: Path) -> None:
    records = lay(tmp_path, "1.png", "2.png")
    write_checksums(tmp_path)
    records += lay(tmp_path, "3.png", "4.png", "5.png")
    digests, (warning,) = added(tmp_path, records)
    assert [name for name, found in digests.items() if found] == ["1.png", "2.png"]
    assert warning.startswith(f"3 images are not compared with checksums: {tmp_path}/SHA256SUMS.txt does not")


def test_members_of_archives_are_counted_and_need_no_list(tmp_path: Path) -> None:
    members = [record(name, file=Location("films.tar", 512, 9)) for name in "ab"]
    assert added(tmp_path, members)[1] == [
        "2 images are not compared with checksums: they lie in archives, and SHA256SUMS.txt names whole files"
    ]
    records = [*members, *lay(tmp_path, "films.tar", "1.png")[1:]]
    write_checksums(tmp_path)
    digests, warnings = added(tmp_path, records)
    assert digests == {"films.tar": None, "1.png": digest(tmp_path / "1.png")}
    assert len(warnings) == 1


def test_images_that_are_not_to_be_written_are_not_counted(tmp_path: Path) -> None:
    records = lay(tmp_path, "1.png")
    write_checksums(tmp_path)
    others = [record("a", excluded="unusable"), record("b", split="test"), record("c", file=None)]
    assert added(tmp_path, [*records, *others])[1] == []
    assert added(tmp_path, others)[1] == []


def test_damaged_lines_are_told(tmp_path: Path) -> None:
    records = lay(tmp_path, "1.png")
    write_checksums(tmp_path)
    with (tmp_path / "SHA256SUMS.txt").open("a") as file:
        file.write("cut\n")
    assert "1 lines are not used" in added(tmp_path, records)[1][0]


PUBLISHED = [
    *((Brax, layout) for layout in brax.LAYOUTS),
    *((MimicCXR, layout) for layout in mimiccxr.LAYOUTS[:2] + mimiccxr.LAYOUTS[3:5]),
    (VinDrCXR, vindrcxr.LAYOUTS[0]),
]


@pytest.mark.parametrize(("source", "layout"), PUBLISHED)
def test_lists_of_physionet_name_every_image(source: type[Processor], layout: Layout, tmp_path: Path) -> None:
    layout.make(tmp_path)
    chosen = {"frontal_only": False, "splits": "all"}
    digests, warnings = added(tmp_path, source(tmp_path).records(), source, **chosen)
    assert warnings == []
    # BRAX has an image that no table names, and that is left out.
    named = {name: found for name, found in digests.items() if found}
    assert named == {name: digest(tmp_path / name) for name in named}
    assert len(named) == layout.images - (source is Brax)


def flip_unnoticed(path: Path) -> None:
    """Flip a bit of the pixels of which the decoder says nothing, but which changes the picture."""
    data = path.read_bytes()
    before = convert(Source(str(path)), Recipe()).data
    for place in range(len(data) * 2 // 3, len(data)):
        path.write_bytes(data[:place] + bytes([data[place] ^ 16]) + data[place + 1 :])
        with suppress(Refusal):
            if convert(Source(str(path)), Recipe()).data != before:
                return
    raise AssertionError("the decoder notices everything")


def a_dicom(root: Path, transfer_syntax: str) -> Path:
    films = sorted(root.glob("train/*.dicom"))
    return next(film for film in films if scan_header(Source(str(film))).transfer_syntax == transfer_syntax)


def composed(output: Path, **keys: object) -> tuple[dict[str, str], dict[str, str]]:
    """Return the SHA-256 of every picture of a run, and the classes of the failures by source."""
    settings = toys.settings(machex_path=str(output), splits="all", frontal_only=False, **keys)
    (dataset,) = open_datasets(settings)
    compose([dataset], 2, progress=False)
    failed = {}
    if dataset.folder.failures.exists():
        with dataset.folder.failures.open(newline="", encoding="utf-8") as file:
            failed = {row["source"]: row["class"] for row in csv.DictReader(file)}
    return {path.name: digest(path) for path in dataset.folder.path.rglob("*.jpg")}, failed


@pytest.mark.parametrize(
    ("layout", "key", "victim"),
    [
        pytest.param(
            mimiccxr.LAYOUTS[0],
            "mimic_root",
            lambda root: next(root.glob("files/p1[0-9]/**/[0-9a-f]*.jpg")),
            id="jpeg",
        ),
        pytest.param(
            vindrcxr.LAYOUTS[0],
            "vindrcxr_root",
            lambda root: a_dicom(root, JPEG2000Lossless),
            id="jpeg 2000",
        ),
        pytest.param(
            vindrcxr.LAYOUTS[0],
            "vindrcxr_root",
            lambda root: a_dicom(root, ImplicitVRLittleEndian),
            id="raw",
        ),
    ],
)
def test_damage_that_no_decoder_notices(
    tmp_path: Path, layout: Layout, key: str, victim: Callable[[Path], Path]
) -> None:
    root = tmp_path / "root"
    layout.make(root)
    keys = {key: str(root)}
    sound, _ = composed(tmp_path / "sound", **keys)
    damaged = victim(root)
    flip_unnoticed(damaged)

    unnoticed, failed = composed(tmp_path / "unnoticed", **keys)
    assert failed == {}
    (number,) = [name for name in sound if unnoticed[name] != sound[name]]

    compared, failed = composed(tmp_path / "compared", checksums=True, **keys)
    assert failed == {damaged.relative_to(root).as_posix(): "wrong checksum"}
    assert compared == {name: found for name, found in sound.items() if name != number}


def test_list_is_not_even_opened_unless_asked_for(tmp_path: Path) -> None:
    vindrcxr.LAYOUTS[0].make(tmp_path / "root")
    (tmp_path / "root/SHA256SUMS.txt").write_text("<html>log in first</html>")
    keys = {"machex_path": str(tmp_path / "out"), "vindrcxr_root": str(tmp_path / "root")}
    assert open_datasets(toys.settings(**keys))[0].plan["source_sha256"].null_count == 12
    with pytest.raises(UsageError, match=r"VINDRCXR_ROOT: .*SHA256SUMS.txt: no line has a SHA-256"):
        open_datasets(toys.settings(**keys, checksums=True))


DATASETS = ("mimic", "vindrcxr", "brax")


def configured(demo: Path, folder: Path) -> list[str]:
    """Return the arguments for a run that compares the demo's checksums."""
    text = (
        (demo / "config.yml")
        .read_text(encoding="utf-8")
        .replace(str(demo / "machex_dataset"), str(folder / "out"))
    )
    (folder / "config.yml").write_text(f"{text}\nCHECKSUMS: true\n", encoding="utf-8")
    return ["-c", str(folder / "config.yml"), *(word for name in DATASETS for word in ("--dataset", name))]


def contents(collection: Path) -> dict[str, bytes]:
    """Return what a run writes, but for the ledger, whose times differ."""
    return {
        path.relative_to(collection).as_posix(): path.read_bytes().replace(bytes(collection), b"")
        for name in DATASETS
        for path in (collection / name).rglob("*")
        if path.is_file() and path.name != "ledger.jsonl"
    }


def test_sound_sources_give_the_same_with_checksums(demo: Path, tmp_path: Path) -> None:
    result = machex_here(*configured(demo, tmp_path))
    assert (result.returncode, "warning" in result.stderr) == (0, False), result.stderr
    assert contents(tmp_path / "out") == contents(demo / "machex_dataset")


def test_plan_compares_its_sample(demo: Path, tmp_path: Path) -> None:
    shutil.copytree(demo / "sources/brax", tmp_path / "brax")
    config = tmp_path / "config.yml"
    config.write_text(f"MACHEX_PATH: {tmp_path}/out\nBRAX_ROOT: {tmp_path}/brax\nCHECKSUMS: true\n")
    listed = tmp_path / "brax/SHA256SUMS.txt"
    wrong = [f"{'f' if line[0] == '0' else '0'}{line[1:]}" for line in listed.read_text().splitlines()]
    listed.write_text("\n".join([*wrong, "cut"]))
    result = machex_here("plan", "-c", str(config))
    assert "4 of the sampled files failed (wrong checksum): " in result.stdout, result.stdout + result.stderr
    assert "1 lines are not used" in result.stdout
