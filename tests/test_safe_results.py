"""What leaves a run: no word of a patient but where it belongs, nothing to the network, no file elsewhere."""

import csv
import json
import os
import shutil
import stat
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pydicom
import pytest
import yaml

from processors import all_processors
from tests.conftest import REPOSITORY, machex, machex_here
from tests.processors.copies import cells_of, linked_copy, put_cells, tables_of

# As ids look, as names do, and as reports do.
HEADER, PATIENT, REPORT = "CANARY^HEADER", "7723880129004417", "There is a canary in the right upper lobe"
CANARIES = (HEADER, PATIENT, REPORT)
IN_HEADERS = ("PatientName", "PatientID", "AccessionNumber", "InstitutionName", "StudyDescription", "StudyID")
# Columns of a patient or a report, on which no path depends.
COLUMNS = {"Patient ID": PATIENT, "PatientID": PATIENT, "AccessionNumber": PATIENT, "Report": REPORT}


@pytest.fixture(scope="module")
def marked(demo: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the sources of the demo, marked and then damaged, and their configuration."""
    folder = tmp_path_factory.mktemp("marked")
    linked_copy(demo / "sources", folder / "sources")
    for film in [*folder.rglob("*.dcm"), *folder.rglob("*.dicom")]:
        if film.name[0] != ".":
            mark_film(film)
    for source in all_processors():
        for table in tables_of(source, folder / "sources" / source.folder):
            mark_table(table)
    for report in (folder / "sources/openi/ecgen-radiology").iterdir():
        text = report.read_text()
        report.unlink()
        report.write_text(text.replace("</AbstractText>", f" {REPORT}.</AbstractText>"))
    mark_reports(folder / "sources/mimic/mimic-cxr-reports.zip")
    damage(folder / "sources")
    keys = yaml.safe_load((demo / "config.yml").read_text().replace(str(demo), str(folder)))
    keys |= {"NUM_WORKERS": 2, "IMAGE_SIZE": 64, "SPLITS": "all", "FRONTAL_ONLY": False}
    (folder / "config.yml").write_text(yaml.safe_dump(keys))
    return folder


def mark_film(film: Path) -> None:
    dataset = pydicom.dcmread(film)
    for keyword in IN_HEADERS:
        setattr(dataset, keyword, HEADER)
    film.unlink()
    dataset.save_as(film)


def mark_table(table: Path) -> None:
    header, *rows = cells_of(table)
    for place, column in enumerate(header):
        if column.strip() in COLUMNS:
            for row in rows:
                row[place] = COLUMNS[column.strip()]
    # A row whose cells are shifted, as by a comma in a report.
    put_cells(table, [header, *rows, [*rows[0][-1:], *rows[0][:-1]], [*rows[0][-3:], *rows[0][:-3]]])


def mark_reports(archive: Path) -> None:
    with zipfile.ZipFile(archive) as packed:
        reports = {name: packed.read(name).decode() for name in packed.namelist()}
    archive.unlink()
    with zipfile.ZipFile(archive, "w") as packed:
        for name, text in reports.items():
            packed.writestr(name, f"{text}\n{REPORT}.")


def damage(sources: Path) -> None:
    films = sorted(path for path in sources.rglob("*.dicom") if path.name[0] != ".")
    for part, film in enumerate(films[:6]):
        content = film.read_bytes()
        film.unlink()
        # Inside the header and inside the pixels.
        film.write_bytes(content[: (200, 400, 700, len(content) // 2, len(content) - 5, 140)[part]])
    (sources / "openi/ecgen-radiology/9901.xml").write_text(f"<eCitation>{REPORT}")
    picture = next((sources / "padchest/images").glob("9*.png"))
    picture.unlink()
    picture.write_text(f"{PATIENT} {REPORT}")


def texts_of(folder: Path) -> Iterator[tuple[str, str]]:
    """Yield every file that a run has left, unpacked."""
    for path in folder.rglob("*"):
        if path.is_file():
            if path.suffix == ".parquet":
                table = pq.read_table(path)
                text = f"{table.to_pylist()} {table.schema.metadata}"
            else:
                text = path.read_bytes().decode("latin-1")
            yield path.relative_to(folder).as_posix(), text


def told(text: str) -> list[str]:
    return [canary for canary in CANARIES if canary.lower() in text.lower()]


@pytest.fixture(scope="module")
def outputs(marked: Path) -> dict[str, str]:
    """Return what every command says of it."""
    config = str(marked / "config.yml")
    results = {
        "plan": machex("plan", "-v", "-c", config),
        "plan --json": machex_here("plan", "-v", "--json", "-c", config),
        "compose": machex("-v", "-c", config),
        "index": machex_here("index", "-v", "-c", config),
        "datasets": machex_here("datasets", "-v"),
    }
    assert [result.returncode for result in results.values()] == [1, 1, 1, 1, 0], results
    return {command: result.stdout + result.stderr for command, result in results.items()}


class TestPrivacy:
    def test_output_of_every_command(self, outputs: dict[str, str]) -> None:
        assert {command: told(text) for command, text in outputs.items() if told(text)} == {}
        assert "Traceback" not in "".join(outputs.values())

    def test_files(self, marked: Path, outputs: dict[str, str]) -> None:
        found = {name: told(text) for name, text in texts_of(marked / "machex_dataset")}
        assert {name for name, canaries in found.items() if HEADER in canaries} == set()
        # The index is what ids and reports are for; MaCheX's has the reports of MIMIC-CXR.
        meant = {"mimic/index.json": [REPORT]}
        others = {name: each for name, each in found.items() if each and not name.endswith("/index.parquet")}
        assert others == meant
        # The canaries were there.
        for dataset, canary in {
            "padchest": PATIENT,
            "brax": PATIENT,
            "openi": REPORT,
            "mimic": REPORT,
        }.items():
            assert canary in found[f"{dataset}/index.parquet"], dataset

    def test_damage_was_named(self, marked: Path, outputs: dict[str, str]) -> None:
        for dataset, least in (("vindrcxr", 5), ("padchest", 1)):
            with (marked / f"machex_dataset/{dataset}/failures.csv").open() as file:
                assert len(list(csv.DictReader(file))) >= least
        assert "XML files are not used" in outputs["compose"]


# Loaded at the start of every process. Sockets between processes of one machine are multiprocessing's.
_WATCH = """
import os, socket, sys

LOOK_UPS = {"socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr", "socket.getnameinfo"}

def note(text):
    file = os.open(os.environ["WATCH_LOG"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(file, (text + "\\n").encode())
    os.close(file)

def watch(event, arguments):
    if event in LOOK_UPS or (event == "socket.__new__" and arguments[1] != socket.AF_UNIX):
        note(f"{event} {arguments[-1]}")
        raise ConnectionRefusedError("there is no network here")

note("watched")
sys.addaudithook(watch)
"""


class TestNetwork:
    @pytest.fixture
    def watch(self, tmp_path: Path) -> dict[str, Any]:
        (tmp_path / "watch").mkdir()
        (tmp_path / "watch/sitecustomize.py").write_text(_WATCH)
        return {"PYTHONPATH": str(tmp_path / "watch"), "WATCH_LOG": str(tmp_path / "log")}

    def test_no_command_asks_for_it(self, demo: Path, tmp_path: Path, watch: dict[str, Any]) -> None:
        keys = yaml.safe_load((demo / "config.yml").read_text())
        keys |= {"MACHEX_PATH": str(tmp_path / "out"), "NUM_WORKERS": 2, "IMAGE_SIZE": 64}
        (tmp_path / "config.yml").write_text(yaml.safe_dump(keys))
        for command in ("plan", "compose", "index"):
            result = machex(command, "-q", "-c", str(tmp_path / "config.yml"), **watch)
            assert result.returncode == 0, result.stderr
        log = (tmp_path / "log").read_text().splitlines()
        assert set(log) == {"watched"}
        # The processes that workers are forked from were watched too.
        assert len(log) > 4

    @pytest.mark.parametrize(
        "call", ["create_connection(('127.0.0.1', 9))", "getfqdn()", "gethostbyname('localhost')", "socket()"]
    )
    def test_it_would_be_noticed(self, tmp_path: Path, watch: dict[str, Any], call: str) -> None:
        command = [sys.executable, "-c", f"import socket; socket.{call}"]
        subprocess.run(command, env={**os.environ, **watch}, capture_output=True, check=False)
        assert len((tmp_path / "log").read_text().splitlines()) > 1


class TestOutputTree:
    @pytest.fixture
    def config(self, demo: Path, tmp_path: Path) -> Path:
        source = demo / "sources/objcxr"
        (tmp_path / "config.yml").write_text(
            f"MACHEX_PATH: {tmp_path}/out\nOBJECTCXR_ROOT: {source}\nIMAGE_SIZE: 64\n"
        )
        return tmp_path / "config.yml"

    @pytest.mark.parametrize(("mask", "file", "folder"), [(0o077, 0o600, 0o700), (0o022, 0o644, 0o755)])
    def test_permissions_are_those_of_the_umask(
        self, config: Path, tmp_path: Path, mask: int, file: int, folder: int
    ) -> None:
        command = [sys.executable, str(REPOSITORY / "machex.py"), "-q", "-c", str(config)]
        subprocess.run(command, umask=mask, check=True)
        paths = [tmp_path / "out", *(tmp_path / "out").rglob("*")]
        assert len(paths) > 10
        wrong = [
            (path, oct(path.stat().st_mode))
            for path in paths
            if stat.S_IMODE(path.stat().st_mode) != (folder if path.is_dir() else file)
        ]
        assert wrong == []

    def test_links_to_folders_are_followed(self, config: Path, tmp_path: Path) -> None:
        for link, target in (("out", "disk"), ("disk/objcxr", "other disk")):
            (tmp_path / target).mkdir()
            (tmp_path / link).symlink_to(tmp_path / target)
        result = machex_here("-q", "-c", str(config))
        assert result.returncode == 0, result.stderr
        assert (tmp_path / "out").is_symlink()
        assert (tmp_path / "other disk/index.json").exists()
        assert (tmp_path / "other disk/00/000000.jpg").exists()

    def test_links_to_files_are_replaced(self, config: Path, tmp_path: Path) -> None:
        assert machex_here("-q", "-c", str(config)).returncode == 0
        names = ("00/000001.jpg", "00/.000000.jpg.part", "index.json", "index.parquet", "plan.parquet")
        precious = {name: tmp_path / name.replace("/", "-") for name in names}
        for name, other in precious.items():
            path = tmp_path / "out/objcxr" / name
            if name == "plan.parquet":
                shutil.copy(path, other)
            else:
                other.write_text("of somebody else")
            path.unlink(missing_ok=True)
            path.symlink_to(other)
        (tmp_path / "out/objcxr/00/000000.jpg").unlink()
        before = {name: other.read_bytes() for name, other in precious.items()}
        lines = (tmp_path / "out/objcxr/ledger.jsonl").read_text().splitlines()
        # The picture that the link stands for is to be made again.
        kept = [line for line in lines if json.loads(line)["number"] != 1]
        (tmp_path / "out/objcxr/ledger.jsonl").write_text("\n".join(kept) + "\n")
        result = machex_here("-q", "-c", str(config))
        assert result.returncode == 0, result.stderr
        assert {name: other.read_bytes() for name, other in precious.items()} == before
        assert [path.name for path in (tmp_path / "out").rglob("*") if path.is_symlink()] == []
