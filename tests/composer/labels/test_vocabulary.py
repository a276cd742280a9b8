"""The tables: what they hold, and that a mistake in them is found when they are loaded."""

import shutil
from pathlib import Path

import pytest

from composer.labels.vocabulary import TABLES, VocabularyError, clean, load, vocabulary
from processors import all_processors, chexray14, objectcxr, padchest, rsna, siim, vindrcxr
from processors.base import chexpert_labels


@pytest.fixture
def tables(tmp_path: Path) -> Path:
    return Path(shutil.copytree(TABLES, tmp_path / "tables"))


def replace(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def test_terms() -> None:
    terms = {term.id: term for term in vocabulary().terms}
    assert len(terms) == 42
    assert terms["mass"].broader == "lung_lesion"
    assert [term.id for term in vocabulary().terms if term.broader == "lung_opacity"] == [
        "atelectasis",
        "consolidation",
        "edema",
        "infiltration",
        "lung_lesion",
        "ild",
    ]


@pytest.mark.parametrize(
    ("source", "labels"),
    [
        ("chexpert14", {*chexpert_labels.OBSERVATIONS, "Airspace Opacity"}),
        ("nih", {*chexray14.FINDINGS, chexray14.NO_FINDING}),
        ("vindr", {*vindrcxr.FINDINGS, "Other diseases", "Other disease", vindrcxr.NO_FINDING}),
        ("rsna", {rsna.OPACITY, "No Lung Opacity / Not Normal", "Normal"}),
        ("siim", {siim.FINDING}),
        ("objectcxr", {objectcxr.FOREIGN_OBJECT}),
    ],
)
def test_labels_are_those_that_the_processors_yield(source: str, labels: set[str]) -> None:
    assert vocabulary().labels_of(source) == labels


def test_labels_of_padchest_are_those_of_the_release_and_of_its_covid_successor() -> None:
    more = vocabulary().labels_of("padchest") - padchest.LABELS
    assert vocabulary().labels_of("padchest") >= padchest.LABELS
    assert more == {"hemothorax", "viral pneumonia", "COVID 19", "COVID 19 uncertain"}


def test_labellers_are_of_datasets_that_there_are() -> None:
    assert {each.dataset for each in vocabulary().labellers} <= {each.folder for each in all_processors()}


def test_of_several_labellers_radiologists_come_first() -> None:
    order = [each.labeller for each in vocabulary().labellers if each.dataset in ("mimic", "chexpert")]
    assert order == [
        *("radiologists", "CheXpert", "CheXbert", "visualCheXbert"),
        *("radiologist", "chexpert", "negbio"),
    ]


def test_blanks_are_stripped_and_collapsed() -> None:
    assert [clean(label) for label in (" pneumonia", "Subcutaneous  Emphysema", "a\tb ")] == [
        "pneumonia",
        "Subcutaneous Emphysema",
        "a b",
    ]


def test_table_that_a_spreadsheet_saved(tables: Path) -> None:
    path = tables / "labels.csv"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("\n", "\r\n"), encoding="utf-8-sig", newline="")
    assert load(tables) == vocabulary()


ROW = "nih,Nodule,nodule,=,,,\n"


@pytest.mark.parametrize(
    ("table", "old", "new", "message"),
    [
        ("labels.csv", "source,label", "origin,label", "labels.csv line 1: found columns"),
        ("labels.csv", ROW, "nih,Nodule,nodul,=,,,\n", "found term 'nodul', expected an id of terms.csv"),
        ("labels.csv", ROW, ROW * 2, "found nih, Nodule, nodule once more"),
        ("labels.csv", ROW, "nih,Nodule,nodule,<>,,,\n", "found relation '<>', expected = < > ~"),
        ("labels.csv", ROW, "nih,Nodule,nodule,=,,maybe,\n", "found mark 'maybe'"),
        ("labels.csv", ROW, "nih,Nodule,nodule,=,no,,\n", "found says 'no'"),
        ("labels.csv", ROW, "nih,Nodule,nodule,=,absent,,\n", "found relation '=', expected <"),
        ("labels.csv", ROW, "nih,Nodule,nodule,=,,complete,\n", "found relation '=', expected <"),
        ("labels.csv", ROW, "nhi,Nodule,nodule,=,,,\n", "found source 'nhi'"),
        ("labels.csv", ROW, "nih,Nodule ,nodule,=,,,\n", "expected no surplus blanks"),
        ("labels.csv", ROW, "nih,,nodule,=,,,\n", "found no label"),
        ("labels.csv", ROW, "nih,Nodule,nodule,=\n", "found 4 cells, expected 7"),
        ("labels.csv", "nih,Mass,lung_lesion,<,,complete", "nih,Mass,lung_lesion,<,,", "part of a set"),
        ("terms.csv", "mass,Mass,lung_lesion", "mass,Mass,lung_lesions", "broader term 'lung_lesions'"),
        ("terms.csv", "lung_opacity,Lung Opacity,", "lung_opacity,Lung Opacity,mass", "above itself"),
        ("terms.csv", "\nmass,", "\nnodule,", "found nodule once more"),
        ("terms.csv", "\nmass,Mass", "\nmass,Nodule", "found Nodule once more"),
        ("terms.csv", "\nmass,", "\nMass/es,", "found id 'Mass/es'"),
        ("terms.csv", "\nsupport_devices,", "\ndevices,", "found no support_devices"),
        ("others.csv", "no term", "none", "found meaning 'none'"),
        ("others.csv", "padchest,surgery,", "padchest,nodule,", "'nodule', which has a term"),
        ("labellers.csv", "nih,nlp", "nih,tool", "found kind 'tool'"),
        ("labellers.csv", "NIH,nih", "NIH,nihh", "found source 'nihh'"),
        ("labellers.csv", "own terms", "some terms", "found scope 'some terms'"),
        ("labellers.csv", "nih,nlp,all", "nih,nlp,Nodules", "closed world of ['Nodules']"),
        ("labellers.csv", "mimic,negbio", "mimic,chexpert", "found mimic, chexpert once more"),
    ],
)
def test_mistake_in_a_table_is_named(tables: Path, table: str, old: str, new: str, message: str) -> None:
    replace(tables / table, old, new)
    with pytest.raises(VocabularyError) as raised:
        load(tables)
    assert str(raised.value).startswith(f"{table} line ") or table == "terms.csv"
    assert message in str(raised.value)
