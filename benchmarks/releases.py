"""Releases at their full size, made from nothing: invented tables over links to a few small pictures."""

from __future__ import annotations

import csv
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from composer.demo.carriers import write_jpeg, write_png
from composer.demo.phantom import film
from processors.base.chexpert_labels import OBSERVATIONS

# ext4 allows 65,000 links to one file.
_LINKS = 50_000

_NIH_ROWS = 112_120
# What the official list has; a longer one is taken for another list.
_NIH_HELD_OUT = 25_596
_NIH_TABLE = "Data_Entry_2017_v2020.csv"
_NIH_HEADER = (
    "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,View Position,"
    "OriginalImage[Width,Height],OriginalImagePixelSpacing[x,y]\n"
)

_MIMIC_ROWS, _MIMIC_STUDIES, _MIMIC_PATIENTS = 377_110, 227_835, 65_379
_MIMIC_METADATA = (
    "dicom_id,subject_id,study_id,PerformedProcedureStepDescription,ViewPosition,Rows,Columns,StudyDate,StudyTime,"
    "ProcedureCodeSequence_CodeMeaning,ViewCodeSequence_CodeMeaning,PatientOrientationCodeSequence_CodeMeaning\n"
)


def lay_out_nih(folder: Path, table: Path | None = None, rows: int = _NIH_ROWS) -> dict[str, Path]:
    """Write ChestX-ray14 with so many images, or with a real table, and return its root by its key."""
    root = folder / "nih"
    (root / "images").mkdir(parents=True)
    if table:
        shutil.copy(table, root / _NIH_TABLE)
    else:
        (root / _NIH_TABLE).write_text(_NIH_HEADER + "".join(_nih_rows(rows)), encoding="utf-8")
    with (root / _NIH_TABLE).open(encoding="utf-8-sig", newline="") as file:
        names = [row[0] for row in csv.reader(file)][1:]
    films = _films(folder, len(names), ".png")
    for place, name in enumerate(names):
        os.link(films[place % len(films)], root / "images" / name)
    held_out = set([name for name in names if int(name[:8]) % 11 == 0][:_NIH_HELD_OUT])
    (root / "test_list.txt").write_text("\n".join(sorted(held_out)))
    (root / "train_val_list.txt").write_text("\n".join(name for name in names if name not in held_out))
    return {"CHEXRAY14_ROOT": root}


def _films(folder: Path, images: int, suffix: str) -> list[Path]:
    """Write as many films as it takes for so many links to them, eight at least."""
    films = [folder / f"{seed}{suffix}" for seed in range(max(8, -(-images // _LINKS)))]
    for seed, path in enumerate(films):
        write = write_png if suffix == ".png" else write_jpeg
        write(path, film(seed, rows=40, columns=32))
    return films


def _nih_rows(rows: int) -> Iterator[str]:
    for place in range(rows):
        patient, follow_up = place // 4 + 1, place % 4
        yield (
            f"{patient:08d}_{follow_up:03d}.png,Effusion|Infiltration,{follow_up},{patient},"
            f"{patient % 90},F,PA,2500,2048,0.168,0.168\n"
        )


def lay_out_mimic(folder: Path) -> dict[str, Path]:
    """Write MIMIC-CXR-JPG with 377,110 images of 227,835 studies, and return its root by its key.

    There are no reports. The labels of the studies are drawn from a thousand patterns, which both labellers
    share.
    """
    root = folder / "mimic"
    root.mkdir(parents=True)
    films = _films(folder, _MIMIC_ROWS, ".jpg")
    views = ("AP", "PA", "LATERAL", "LL", "")
    metadata, split = [_MIMIC_METADATA], ["dicom_id,study_id,subject_id,split\n"]
    for place in range(_MIMIC_ROWS):
        identity, subject, study = _mimic_ids(place, place % _MIMIC_STUDIES)
        metadata.append(
            f"{identity},{subject},{study},CHEST (PA AND LAT),{views[place % len(views)]},3056,2544,21510314,"
            "213014.531,CHEST (PA AND LAT),postero-anterior,Erect\n"
        )
        held_out = "test" if subject % 200 == 0 else "train"
        split.append(f"{identity},{study},{subject},{held_out}\n")
        path = root / f"files/p{str(subject)[:2]}/p{subject}/s{study}"
        path.mkdir(parents=True, exist_ok=True)
        os.link(films[place % len(films)], path / f"{identity}.jpg")
    (root / "mimic-cxr-2.0.0-metadata.csv").write_text("".join(metadata))
    (root / "mimic-cxr-2.0.0-split.csv").write_text("".join(split))
    for labeller in ("chexpert", "negbio"):
        _write_mimic_labels(root / f"mimic-cxr-2.0.0-{labeller}.csv")
    return {"MIMIC_ROOT": root}


def _mimic_ids(place: int, study: int) -> tuple[str, int, int]:
    identity = "-".join(f"{(place * 2654435761 + group) % 2**32:08x}" for group in range(5))
    return identity, 10_000_000 + study % _MIMIC_PATIENTS * 150, 50_000_000 + study


def _write_mimic_labels(path: Path) -> None:
    random = np.random.default_rng(1)
    drawn = random.choice(
        ["", "1.0", "0.0", "-1.0"], size=(1_000, len(OBSERVATIONS)), p=[0.7, 0.2, 0.07, 0.03]
    )
    patterns = [",".join(row) for row in drawn.tolist()]
    with path.open("w") as file:
        file.write(",".join(["subject_id", "study_id", *OBSERVATIONS]) + "\n")
        for study in range(_MIMIC_STUDIES):
            _, subject, study_id = _mimic_ids(0, study)
            file.write(f"{subject},{study_id},{patterns[study * 7 % len(patterns)]}\n")
