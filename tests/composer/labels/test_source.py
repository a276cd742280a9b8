"""What labels of one source say together."""

from composer.labels.source import Source

ZERO, ONE = frozenset({0}), frozenset({1})
NOBODY: frozenset[str] = frozenset()


def test_a_term_is_absent_when_all_parts_of_a_complete_set_are() -> None:
    nih = Source("nih")
    assert nih.terms({"Nodule": ZERO, "Mass": ZERO}, NOBODY).values["lung_lesion"] == 0
    assert "lung_lesion" not in nih.terms({"Nodule": ZERO}, NOBODY).values
    assert nih.terms({"Nodule": ZERO}, frozenset({"Mass"})).values["lung_lesion"] == 0
    assert nih.terms({"Nodule": ONE, "Mass": ZERO}, NOBODY).values["lung_lesion"] == 1


def test_a_label_that_is_stated_twice_contradicts_itself() -> None:
    said = Source("chexpert14").terms({"Edema": ZERO | ONE, "Fracture": ONE, "Pneumonia": ZERO}, NOBODY)
    assert said.values["edema"] == 1
    assert said.present & said.absent == {"edema"}
    doubtful = Source("chexpert14").terms({"Edema": frozenset({0, -1})}, NOBODY)
    assert doubtful.values["edema"] == -1
    assert not doubtful.present


def test_narrower_and_broader_labels_contradict_nothing() -> None:
    said = Source("vindr").terms({"Rib fracture": ONE, "Clavicle fracture": ZERO}, NOBODY)
    assert said.values == {"fracture": 1}
    assert not said.present
    assert not said.absent


def test_spellings_of_a_heading() -> None:
    openi = Source("openi")
    assert openi.known("Calcinosis/lung/aorta", is_heading=True) == ("Calcinosis", "Calcinosis/aorta")
    assert openi.known("Calcinosis/lung/aorta", is_heading=False) == ()
