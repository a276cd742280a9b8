"""``machex.py plan`` and ``--limit``: a look before hours of work."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import yaml
from PIL import Image

from composer.contact_sheet import write_contact_sheet
from tests.conftest import machex, machex_here


@pytest.fixture
def config(demo: Path, tmp_path: Path) -> Path:
    """Return a configuration of the demo's sources and of a collection that is not there yet."""
    return reconfigured(demo, tmp_path)


def reconfigured(demo: Path, folder: Path, **changes: object) -> Path:
    keys = yaml.safe_load((demo / "config.yml").read_text())
    keys |= {"MACHEX_PATH": str(folder / "collection"), "NUM_WORKERS": 2, **changes}
    (folder / "config.yml").write_text(yaml.safe_dump(keys))
    return folder / "config.yml"


def plan_of(config: Path, *arguments: str) -> tuple[int, dict[str, Any]]:
    result = machex_here("plan", "-q", "--json", "-c", str(config), *arguments)
    found: dict[str, Any] = json.loads(result.stdout)
    return result.returncode, found


class TestPlan:
    def test_everything_is_looked_at_and_nothing_written(self, config: Path) -> None:
        result = machex("plan", "-c", str(config))
        assert result.returncode == 0, result.stderr
        for text in (
            "chexpert: CheXpert\n",
            "layout     PhysioNet: .dicom files",
            "112,120 in full size",
            "decoded    1 dicom, JPEG 2000 Image Compression (Lossless Only), 12 bits",
            "left out   ",
            "with 2 workers",
            "no problems\n",
            " would be enlarged; fetch the full-size release, or set a smaller IMAGE_SIZE",
        ):
            assert text in result.stdout, text
        assert [path.name for path in config.parent.iterdir()] == ["config.yml"]

    def test_counts_and_predictions_are_those_of_the_run(self, config: Path, tmp_path: Path) -> None:
        exit_code, planned = plan_of(config)
        assert exit_code == planned["exit_code"] == 0
        assert planned["problems"]["incomplete"] == planned["problems"]["impossible"] == []
        run = machex_here("-q", "-c", str(config))
        assert run.returncode == 0
        done = 0
        for dataset in planned["datasets"]:
            index = json.loads((tmp_path / "collection" / dataset["dataset"] / "index.json").read_text())
            # Of SIIM's films one turns out to be a held-out film of NIH when it is converted.
            found = dataset["dataset"] == "siim"
            assert len(index) + found == dataset["by_status"]["to write"] == dataset["to_do"]
            assert dataset["found"] == sum(dataset["by_status"].values())
            done += sum(Path(entry["path"]).stat().st_size for entry in index.values())
        # The sample is nearly everything here.
        assert planned["predicted_bytes"] == pytest.approx(done, rel=0.05)
        _, again = plan_of(config)
        assert [dataset["to_do"] for dataset in again["datasets"]] == [0] * len(again["datasets"])
        assert again["predicted_bytes"] == 0

    def test_one_dataset(self, config: Path) -> None:
        _, planned = plan_of(config, "--dataset", "vindrcxr")
        assert [dataset["dataset"] for dataset in planned["datasets"]] == ["vindrcxr"]

    def test_all_problems_are_in_one_report(self, demo: Path, tmp_path: Path) -> None:
        nih = shutil.copytree(demo / "sources" / "chex-ray14", tmp_path / "nih")
        first, second, *_ = sorted((nih / "images").glob("0*.png"))
        first.unlink()
        second.write_bytes(second.read_bytes()[:2000])
        chexpert = str(demo / "sources" / "chexpert")
        config = reconfigured(demo, tmp_path, CHEXRAY14_ROOT=str(nih), VINDRCXR_ROOT=chexpert)
        exit_code, planned = plan_of(config)
        assert exit_code == 2
        (impossible,) = planned["problems"]["impossible"]
        assert "VINDRCXR_ROOT" in impossible
        assert "this looks like CheXpert, not VinDr-CXR" in impossible
        missing, truncated = planned["problems"]["incomplete"]
        assert missing.startswith("chex-ray14: 1 images that the tables name are not there; download them")
        assert truncated.startswith(
            "chex-ray14: 1 of the sampled files failed (truncated): the file ends after"
        )
        assert truncated.endswith("; fetch it again")
        (nih_plan,) = [each for each in planned["datasets"] if each["dataset"] == "chex-ray14"]
        assert [failure["source"] for failure in nih_plan["failures"]] == [f"images/{second.name}"]
        assert "vindrcxr" not in [dataset["dataset"] for dataset in planned["datasets"]]
        exit_code, _ = plan_of(config, "--dataset", "chex-ray14")
        assert exit_code == 1

    def test_files_that_the_tables_of_a_deep_tree_promise_are_looked_for(
        self, demo: Path, tmp_path: Path
    ) -> None:
        chexpert = shutil.copytree(demo / "sources" / "chexpert", tmp_path / "chexpert")
        (chexpert / "CheXpert-v1.0/train/patient99002/study3/view1_frontal.jpg").unlink()
        config = reconfigured(demo, tmp_path, CHEXPERT_ROOT=str(chexpert))
        exit_code, planned = plan_of(config, "--dataset", "chexpert")
        assert exit_code == 1
        assert (
            "sampled files are not there although the tables promise" in planned["problems"]["incomplete"][0]
        )
        config = reconfigured(demo, tmp_path, CHEXPERT_ROOT=str(chexpert), ALLOW_MISSING=True)
        assert plan_of(config, "--dataset", "chexpert")[0] == 0

    def test_a_place_that_cannot_be_written_to(self, demo: Path, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        config = reconfigured(demo, tmp_path, MACHEX_PATH=str(tmp_path / "file" / "below"))
        exit_code, planned = plan_of(config, "--dataset", "vindrcxr")
        assert exit_code == 2
        assert planned["problems"]["impossible"] == [
            f"MACHEX_PATH: {tmp_path}/file is a file; choose another path"
        ]

    def test_a_collection_whose_plan_is_damaged(self, config: Path, tmp_path: Path) -> None:
        (tmp_path / "collection/vindrcxr").mkdir(parents=True)
        (tmp_path / "collection/vindrcxr/plan.parquet").write_bytes(b"junk")
        exit_code, planned = plan_of(config)
        assert exit_code == 2
        assert "plan.parquet: damaged" in planned["problems"]["impossible"][0]
        assert len(planned["datasets"]) > 1

    def test_a_selection_that_leaves_nothing_is_told(self, demo: Path, tmp_path: Path) -> None:
        config = reconfigured(demo, tmp_path, SPLITS=["val"])
        _, planned = plan_of(config, "--dataset", "vindrcxr")
        assert "vindrcxr: no image is to be written (left out: split 12)" in planned["problems"]["advice"][0]


class TestLimit:
    def test_sample_is_written_and_drawn_and_a_full_run_goes_on(self, config: Path, tmp_path: Path) -> None:
        sheets = tmp_path / "sheets"
        sheets.mkdir()
        result = machex("-c", str(config), "--limit", "3", "-o", str(sheets))
        assert result.returncode == 0, result.stderr
        collection = tmp_path / "collection"
        for folder in sorted(collection.iterdir()):
            index = json.loads((folder / "index.json").read_text())
            assert len(index) == 3
            sheet = sheets / f"contact-sheet-{folder.name}.png"
            assert f"contact sheet of {folder.name}: {sheet}" in result.stdout
            with Image.open(sheet) as image:
                assert image.size == (3 * 230 + 6, 258 + 6)
                assert image.getextrema() != (0, 0)
        assert "to write" in result.stdout
        before = {path: path.stat().st_mtime_ns for path in collection.rglob("*.jpg")}
        again = machex_here("-q", "-c", str(config), "--limit", "3", "-o", str(sheets))
        assert again.returncode == 0
        assert machex_here("-q", "-c", str(config)).returncode == 0
        assert before.items() <= {path: path.stat().st_mtime_ns for path in collection.rglob("*.jpg")}.items()
        assert len(before) < len(list(collection.rglob("*.jpg")))

    def test_sample_has_every_view(self, demo: Path, tmp_path: Path) -> None:
        config = reconfigured(demo, tmp_path, FRONTAL_ONLY=False)
        arguments = ("--dataset", "chexpert", "--limit", "4", "-o", str(tmp_path))
        assert machex_here("-q", "-c", str(config), *arguments).returncode == 0
        index = json.loads((tmp_path / "collection/chexpert/index.json").read_text())
        assert {entry["view"] for entry in index.values()} >= {"PA", "AP", "lateral"}

    @pytest.mark.parametrize("number", ["0", "-1", "x"])
    def test_numbers_that_make_no_sense(self, config: Path, number: str) -> None:
        result = machex("-c", str(config), "--limit", number)
        assert result.returncode == 2
        assert "--limit" in result.stderr

    def test_folder_for_sheets_that_is_not_there(self, config: Path, tmp_path: Path) -> None:
        arguments = ("--dataset", "chexpert", "--limit", "1", "-o", str(tmp_path / "absent"))
        result = machex_here("-q", "-c", str(config), *arguments)
        assert result.returncode == 2
        assert "absent is no folder to write contact sheets into" in result.stderr
        assert not (tmp_path / "collection").exists()
        result = machex_here("-q", "-c", str(config), "-o", str(tmp_path))
        assert result.returncode == 2
        assert "add --limit N" in result.stderr

    def test_sheet_of_many_or_damaged_pictures(self, tmp_path: Path) -> None:
        (tmp_path / "00").mkdir()
        Image.new("L", (64, 48), 200).save(tmp_path / "00/000000.jpg")
        (tmp_path / "00/000001.jpg").write_bytes(b"no picture")
        index = pa.table({"id": [0, 1], "path": ["00/000000.jpg", "00/000001.jpg"], "view": ["PA", "AP"]})
        write_contact_sheet(tmp_path / "sheet.png", tmp_path, index)
        with Image.open(tmp_path / "sheet.png") as image:
            assert image.size == (2 * 230 + 6, 258 + 6)
            assert np.asarray(image)[6:230, 6:230].max() >= 199
            # An empty place, and its caption.
            assert np.ptp(np.asarray(image)[6:230, 236:460]) == 0
            assert np.ptp(np.asarray(image)[230:258, 236:460]) > 0
