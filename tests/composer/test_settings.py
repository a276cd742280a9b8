"""The configuration: everything wrong with it is said at once, with line and remedy."""

from pathlib import Path

import pytest
import yaml

from composer.errors import UsageError
from composer.settings import Settings, load_settings, settings_model
from processors import all_processors
from processors.base import Processor
from processors.chexray14 import ChestXray14

REPOSITORY = Path(__file__).parents[2]

# The keys of the public MaCheX, which a file made for it holds.
MACHEX_KEYS = (
    "MACHEX_PATH",
    "NUM_WORKERS",
    "FRONTAL_ONLY",
    "CHEXRAY14_ROOT",
    "CHEXPERT_ROOT",
    "PADCHEST_ROOT",
    "MIMIC_ROOT",
    "VINDRCXR_ROOT",
    "BRAX_ROOT",
    "RSNA_ROOT",
    "OPENI_ROOT",
    "SIIM_ROOT",
    "OBJECTCXR_ROOT",
)


def write(folder: Path, text: str) -> Path:
    path = folder / "config.yml"
    path.write_text(text, encoding="utf-8")
    return path


def problems(folder: Path, text: str) -> list[str]:
    with pytest.raises(UsageError) as caught:
        load_settings(write(folder, text))
    return str(caught.value).splitlines()[1:]


@pytest.fixture
def nih(tmp_path: Path) -> Path:
    root = tmp_path / "nih"
    root.mkdir()
    return root


def test_minimal_file_has_the_documented_defaults(tmp_path: Path, nih: Path) -> None:
    settings = load_settings(write(tmp_path, f"MACHEX_PATH: out\nCHEXRAY14_ROOT: {nih}\n"))
    assert settings.machex_path == Path.cwd() / "out"
    assert settings.root(ChestXray14) == nih
    assert (settings.frontal_only, settings.splits, settings.invert) == (True, ("train",), ())
    recipe = settings.recipe(ChestXray14)
    assert (recipe.size, recipe.resize, recipe.image_format) == (1024, "crop", "jpg")
    assert (recipe.image_mode, recipe.jpeg_quality, recipe.tone) == ("RGB", 95, "standard")


def test_machex_keys_are_all_accepted(tmp_path: Path, nih: Path) -> None:
    values: dict[str, object] = dict.fromkeys(MACHEX_KEYS)
    values |= {"MACHEX_PATH": "out", "NUM_WORKERS": 224, "FRONTAL_ONLY": False, "CHEXRAY14_ROOT": str(nih)}
    settings = load_settings(write(tmp_path, yaml.safe_dump(values)))
    assert settings.num_workers == 224
    assert not settings.frontal_only


def test_default_file_holds_every_key(tmp_path: Path) -> None:
    text = (REPOSITORY / "config.yml").read_text(encoding="utf-8")
    for field in settings_model().model_fields.values():
        assert field.alias
        assert f"{field.alias}:" in text
    # Taking the comment sign from the optional keys gives a file with the same meaning.
    uncommented = "\n".join(
        line.removeprefix("# ") if line.startswith("# ") and ": " in line and line[2:6].isupper() else line
        for line in text.splitlines()
    )
    values = yaml.safe_load(uncommented)
    assert set(values) == {field.alias for field in settings_model().model_fields.values()}
    root = tmp_path / "root"
    root.mkdir()
    explicit = settings_model().model_validate({**values, "CHEXPERT_ROOT": str(root), "NUM_WORKERS": 3})
    implicit = settings_model().model_validate(
        {"MACHEX_PATH": values["MACHEX_PATH"], "CHEXPERT_ROOT": str(root), "NUM_WORKERS": 3}
    )
    assert explicit == implicit


def test_default_file_says_what_to_edit() -> None:
    with pytest.raises(
        UsageError, match="no dataset is selected: set the folder of at least one of"
    ) as caught:
        load_settings(REPOSITORY / "config.yml")
    for processor in all_processors():
        assert processor.config_key in str(caught.value)


def test_all_problems_are_reported_together_in_file_order(tmp_path: Path) -> None:
    found = problems(
        tmp_path,
        "MACHEX_PATH: out\n"
        "FRONTAL_ONY: true\n"
        "RESIZE: corp\n"
        'NUM_WORKERS: "4"\n'
        "CHEXRAY14_ROOT: /nowhere/at/all\n"
        "RESIZE: crop\n"
        "INVERT: [vindr]\n"
        "SPLITS: [train, tst]\n"
        "JPEG_QUALITY: 101\n",
    )
    expected = [
        ("line 2:", "FRONTAL_ONY is no key", "did you mean FRONTAL_ONLY?"),
        ("line 3:", "RESIZE is given twice", "line 6"),
        ("line 4:", "NUM_WORKERS: found '4'", "integer"),
        ("line 5:", "CHEXRAY14_ROOT: found '/nowhere/at/all'", "no such folder"),
        ("line 7:", "INVERT: found ['vindr']", "did you mean vindrcxr?"),
        ("line 8:", "SPLITS: found ['train', 'tst']", "did you mean test?"),
        ("line 9:", "JPEG_QUALITY: found 101", "100"),
    ]
    assert len(found) == len(expected)
    for line, parts in zip(found, expected, strict=True):
        for part in parts:
            assert part in line


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("MACHEX_PATH: [\n", "not valid YAML"),
        ("- a list\n", "found no mapping"),
        ("", "found no mapping"),
        ("just words\n", "found no mapping"),
    ],
)
def test_file_that_is_no_mapping(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        load_settings(write(tmp_path, text))


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"absent\.yml: cannot be read"):
        load_settings(tmp_path / "absent.yml")


def test_objects_in_yaml_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="not valid YAML"):
        load_settings(write(tmp_path, "MACHEX_PATH: !!python/object/apply:os.getcwd []\n"))


def test_home_and_environment_are_expanded(
    tmp_path: Path, nih: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("SOURCES", str(tmp_path))
    settings = load_settings(write(tmp_path, "MACHEX_PATH: ~/out\nCHEXRAY14_ROOT: ${SOURCES}/nih\n"))
    assert settings.machex_path == tmp_path / "out"
    assert settings.root(ChestXray14) == nih


KEYS = [(processor, key) for processor in all_processors() for key in processor.further_files]


def test_some_datasets_have_further_files() -> None:
    assert [key for _, key in KEYS] == ["CHEXRAY14_TEST_LIST", "RSNA_MAPPING"]


@pytest.mark.parametrize(("processor", "key"), KEYS)
def test_further_files_are_those_that_are_set(
    tmp_path: Path, nih: Path, monkeypatch: pytest.MonkeyPatch, processor: type[Processor], key: str
) -> None:
    monkeypatch.setenv("SOURCES", str(tmp_path))
    file = tmp_path / "file"
    file.touch()
    text = f"MACHEX_PATH: out\nCHEXRAY14_ROOT: {nih}\n"
    settings = load_settings(write(tmp_path, f"{text}{key}: $SOURCES/file\n"))
    assert settings.files(processor) == {key: file}
    assert not any(settings.files(other) for other in all_processors() if other is not processor)
    assert settings.files(processor) != load_settings(write(tmp_path, text)).files(processor) == {}
    # A file is no dataset.
    (found,) = problems(tmp_path, f"MACHEX_PATH: out\n{key}: {file}\n")
    assert "no dataset is selected" in found


@pytest.mark.parametrize(
    ("path", "message"), [("absent", "no such file"), ("nih", "expected a file, found a folder")]
)
@pytest.mark.parametrize("key", [key for _, key in KEYS])
def test_further_file_that_is_none(tmp_path: Path, nih: Path, key: str, path: str, message: str) -> None:
    (found,) = problems(tmp_path, f"MACHEX_PATH: out\nCHEXRAY14_ROOT: {nih}\n{key}: {tmp_path / path}\n")
    assert f"line 3: {key}: found " in found
    assert message in found


def test_further_file_that_is_misspelt(tmp_path: Path, nih: Path) -> None:
    (found,) = problems(tmp_path, f"MACHEX_PATH: out\nCHEXRAY14_ROOT: {nih}\nRSNA_MAPING: x.json\n")
    assert "did you mean RSNA_MAPPING?" in found


def test_unset_variable_is_named(tmp_path: Path) -> None:
    (found,) = problems(tmp_path, "MACHEX_PATH: out\nCHEXRAY14_ROOT: $NOT_SET_ANYWHERE/nih\n")
    assert "line 2" in found
    assert "$NOT_SET_ANYWHERE is not set" in found


def test_root_inside_the_collection_is_refused(tmp_path: Path, nih: Path) -> None:
    (found,) = problems(tmp_path, f"MACHEX_PATH: {tmp_path}\nCHEXRAY14_ROOT: {nih}\n")
    assert "lies in MACHEX_PATH" in found


def test_machex_path_must_not_be_a_file(tmp_path: Path, nih: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    (found,) = problems(tmp_path, f"MACHEX_PATH: {file}\nCHEXRAY14_ROOT: {nih}\n")
    assert "expected a folder, found a file" in found


@pytest.mark.parametrize(
    ("value", "splits"),
    [("train", ("train",)), ("all", ("train", "val", "test")), ("[val, test]", ("val", "test"))],
)
def test_splits(tmp_path: Path, nih: Path, value: str, splits: tuple[str, ...]) -> None:
    text = f"MACHEX_PATH: out\nCHEXRAY14_ROOT: {nih}\nSPLITS: {value}\n"
    assert load_settings(write(tmp_path, text)).splits == splits


@pytest.mark.parametrize("line", ["SPLITS: al", "SPLITS: 3", "SPLITS: []", "INVERT: all", "INVERT: {a: b}"])
def test_choices_that_are_none(tmp_path: Path, nih: Path, line: str) -> None:
    (found,) = problems(tmp_path, f"MACHEX_PATH: out\nCHEXRAY14_ROOT: {nih}\n{line}\n")
    assert f"line 3: {line[:6]}" in found
    assert "expected" in found


def test_unknown_user_is_a_mistake(tmp_path: Path, nih: Path) -> None:
    (found,) = problems(tmp_path, f"MACHEX_PATH: ~nobody-of-that-name/x\nCHEXRAY14_ROOT: {nih}\n")
    assert "there is no such user" in found


def test_what_this_version_lacks_is_refused_not_ignored(tmp_path: Path, nih: Path) -> None:
    text = f"MACHEX_PATH: out\nCHEXRAY14_ROOT: {nih}\nSCHEDULER: tcp://x:8786\n"
    (found,) = problems(tmp_path, text)
    assert "not available in this version" in found


@pytest.mark.parametrize(("line", "fast"), [("", False), ("FAST_DECODE: true", True)])
def test_fast_decode_is_part_of_the_recipe(tmp_path: Path, nih: Path, line: str, fast: bool) -> None:
    settings = load_settings(write(tmp_path, f"MACHEX_PATH: out\nCHEXRAY14_ROOT: {nih}\n{line}\n"))
    assert all(settings.recipe(processor).fast_decode is fast for processor in all_processors())


def test_settings_are_immutable(tmp_path: Path, nih: Path) -> None:
    settings: Settings = load_settings(write(tmp_path, f"MACHEX_PATH: out\nCHEXRAY14_ROOT: {nih}\n"))
    with pytest.raises(ValueError, match="frozen"):
        settings.image_size = 512
