"""What the labels of an image come to, source by source, and what must hold for all of them."""

import itertools
from collections import defaultdict
from collections.abc import Mapping

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from composer.labels import Reading, read_image
from composer.labels.image import Statement
from composer.labels.travel import Value, merge, travel
from composer.labels.vocabulary import (
    DEVICES,
    NO_FINDING,
    OPT_IN,
    READERS,
    SAYS,
    UNUSABLE,
    Labeller,
    Row,
    vocabulary,
)

ROWS = vocabulary().rows
LABELLERS = [each for each in vocabulary().labellers if each.source]


def read(dataset: str, labeller: str, *present: str, **others: int) -> Reading:
    """Read labels that are present, and others with their values."""
    statements = [(label, 1, labeller) for label in present]
    return read_image(dataset, [*statements, *((label, value, labeller) for label, value in others.items())])


def values(dataset: str, labeller: str, *present: str) -> Mapping[str, int]:
    reading = read(dataset, labeller, *present)
    assert not reading.unknown
    return reading.values


def positive(dataset: str, labeller: str, *present: str) -> set[str]:
    return {term for term, value in values(dataset, labeller, *present).items() if value == 1}


def padchest(*present: str) -> Mapping[str, int]:
    return values("padchest", "Physician", *present)


def openi(*present: str) -> Mapping[str, int]:
    return values("openi", "MeSH major", *present)


def name_of(labeller: Labeller) -> str:
    return "R1" if labeller.labeller == READERS else labeller.labeller


# Labels say what their rows say.

SINGLE = [each for each in LABELLERS if each.labeller != READERS]
NO_FINDINGS = {(row.source, row.label) for row in ROWS if row.term == NO_FINDING and row.relation == "="}


def told_by(row: Row, value: int) -> Value:
    """Return what the table says of a value of a label: nothing where the row is not in force."""
    return None if row.mark == OPT_IN else travel(row.relation, value, SAYS[row.says])


@pytest.mark.parametrize("labeller", SINGLE, ids=name_of)
def test_every_spelling_is_known_and_says_what_its_rows_say(labeller: Labeller) -> None:
    rows = [row for row in ROWS if row.source == labeller.source]
    assert rows
    for row in rows:
        reading = read(labeller.dataset, labeller.labeller, f" {row.label} ")
        assert not reading.unknown
        told = told_by(row, 1)
        # What a label does not say of a term may follow from what is not stated.
        assert reading.values.get(row.term) in ((None, 0) if told is None else (told,)), row


@pytest.mark.parametrize(
    "labeller", [each for each in SINGLE if each.closed_world in ("", "Lung Opacity")], ids=name_of
)
def test_no_value_changes_its_state_but_as_the_relation_says(labeller: Labeller) -> None:
    rows = [row for row in ROWS if row.source == labeller.source]
    for row, value in itertools.product(rows, (1, 0, -1)):
        if (row.source, row.label) not in NO_FINDINGS:
            told = read_image(labeller.dataset, [(row.label, value, labeller.labeller)]).values
            assert told.get(row.term) == told_by(row, value), row


# The traps: what looks alike, and what is written otherwise.


@pytest.mark.parametrize(
    ("label", "not_meant"),
    [
        ("pseudonodule", "nodule"),
        ("nipple shadow", "nodule"),
        ("end on vessel", "nodule"),
        ("subcutaneous emphysema", "emphysema"),
        ("empyema", "emphysema"),
        ("breast mass", "mass"),
        ("soft tissue mass", "mass"),
        ("mediastinal mass", "mass"),
        ("pleural mass", "mass"),
        ("pericardial effusion", "effusion"),
        ("abnormal foreign body", "no_finding"),
        ("abnormal foreign body", "foreign_object"),
        ("unchanged", "no_finding"),
        ("tuberculosis sequelae", "tuberculosis"),
        ("adenopathy", "hilar_enlargement"),
        ("hiatal hernia", "enlarged_cardiomediastinum"),
        ("metal", "fracture"),
        ("flattened diaphragm", "atelectasis"),
        ("pulmonary artery hypertension", "pulmonary_artery_enlargement"),
        ("non axial articular degenerative changes", "scoliosis"),
    ],
)
def test_what_looks_alike_in_padchest(label: str, not_meant: str) -> None:
    assert padchest(label).get(not_meant) in (None, 0)


@pytest.mark.parametrize(
    ("label", "not_meant"),
    [
        ("Subcutaneous Emphysema", "emphysema"),
        ("Mediastinal Emphysema", "emphysema"),
        ("Cystic Fibrosis", "fibrosis"),
        ("Fibrosis", "fibrosis"),
        ("Pericardial Effusion", "effusion"),
        ("Mass/mediastinum", "mass"),
        ("Opacity/pleura", "lung_opacity"),
        ("Thickening/fissure", "pleural_thickening"),
        ("Calcinosis/lung", "aortic_calcification"),
        ("Aorta/enlarged", "aortic_tortuosity"),
    ],
)
def test_what_looks_alike_in_openi(label: str, not_meant: str) -> None:
    assert not_meant not in openi(label)


@pytest.mark.parametrize(
    ("dataset", "labeller", "label", "term"),
    [
        ("padchest", "Physician", " pneumonia", "pneumonia"),
        ("chex-ray14", "NIH", "Pleural_Thickening", "pleural_thickening"),
        ("openi", "MeSH major", "Subcutaneous  Emphysema", "subcutaneous_emphysema"),
        ("padchest", "Physician", "pneumoperitoneo", "pneumoperitoneum"),
        ("openi", "MeSH major", "Opacity/base/lung/left", "lung_opacity"),
        ("openi", "MeSH major", "Cardiac Shadow/enlarged/mild", "cardiomegaly"),
        ("openi", "MeSH major", "Pulmonary Atelectasis/base/left", "atelectasis"),
        ("openi", "MeSH major", "Calcinosis/aorta", "calcification"),
    ],
)
def test_what_is_written_otherwise(dataset: str, labeller: str, label: str, term: str) -> None:
    assert values(dataset, labeller, label)[term] == 1


@pytest.mark.parametrize(
    ("dataset", "labeller", "label"),
    [
        ("padchest", "Physician", "Pneumonia"),
        ("padchest", "Physician", "nodules"),
        ("chex-ray14", "NIH", "Pleural Thickening"),
        ("openi", "MeSH major", "Pneumonias/lung"),
        ("mimic", "chexpert", "Other diseases"),
        ("vindrcxr", "R1", "Nodule"),
        ("siim", "somebody", "Pneumothorax"),
        ("elsewhere", "NIH", "Pneumonia"),
    ],
)
def test_unknown_spellings_are_told_and_say_nothing(dataset: str, labeller: str, label: str) -> None:
    assert read(dataset, labeller, label) == Reading({}, None, (), frozenset({(labeller, label)}))


# CheXpert, MIMIC-CXR, BRAX.


def test_no_finding_of_the_chexpert_family_is_no_pathology() -> None:
    told = values("chexpert", "CheXpert", "No Finding")
    assert told == {
        NO_FINDING: 1,
        **dict.fromkeys(
            [
                *(
                    "atelectasis",
                    "cardiomegaly",
                    "consolidation",
                    "edema",
                    "effusion",
                    "fracture",
                    "lung_lesion",
                ),
                *(
                    "enlarged_cardiomediastinum",
                    "lung_opacity",
                    "mass",
                    "nodule",
                    "pleural_other",
                    "pneumonia",
                ),
                *("pleural_thickening", "pneumothorax"),
            ],
            0,
        ),
    }
    assert values("mimic", "chexpert", "No Finding", "Support Devices")["support_devices"] == 1


def test_absence_of_all_findings_is_no_no_finding() -> None:
    labels = [row.label for row in ROWS if row.source == "chexpert14" and row.term != NO_FINDING]
    told = read_image("brax", [(label, 0, "BRAX") for label in labels])
    assert NO_FINDING not in told.values
    assert set(told.values.values()) == {0}


def test_what_the_chexpert_family_does_not_mention_is_unknown() -> None:
    assert values("brax", "BRAX", "Cardiomegaly") == {"cardiomegaly": 1}


def test_lung_lesion_may_be_a_nodule_or_a_mass() -> None:
    assert values("chexpert", "CheXpert", "Lung Lesion") == {"lung_lesion": 1}
    absent = read_image("chexpert", [("Lung Lesion", 0, "CheXpert")]).values
    assert absent == {"lung_lesion": 0, "mass": 0, "nodule": 0}


def test_a_doubtful_finding_beside_no_finding_stays_doubtful() -> None:
    statements = [("No Finding", 1, "chexpert"), ("Cardiomegaly", -1, "chexpert")]
    told = read_image("mimic", statements).values
    assert told["cardiomegaly"] == -1
    # By the opt-in row it would be an enlarged cardiomediastinum.
    assert "enlarged_cardiomediastinum" not in told


MIMIC: list[Statement] = [
    ("Edema", 1, "negbio"),
    ("Pneumonia", 1, "negbio"),
    ("Edema", 0, "chexpert"),
    ("Fracture", 1, "chexpert"),
]


def test_chexpert_counts_before_negbio_and_is_not_mixed_with_it() -> None:
    reading = read_image("mimic", MIMIC)
    assert reading.values == {"edema": 0, "fracture": 1}
    assert reading.kind == "nlp"
    assert reading.conflicts == ("edema",)
    assert read_image("mimic", MIMIC[:2]).values == {"edema": 1, "pneumonia": 1}


def test_the_radiologist_counts_before_the_tools_and_names_all_that_is_there() -> None:
    reading = read_image(
        "mimic", [*MIMIC, ("Airspace Opacity", 1, "radiologist"), ("Edema", -1, "radiologist")]
    )
    assert reading.kind == "rater"
    assert reading.values["lung_opacity"] == 1
    assert reading.values["edema"] == -1
    assert reading.values["fracture"] == reading.values["support_devices"] == reading.values[NO_FINDING] == 0
    assert reading.conflicts == ("edema",)


def test_radiologists_of_chexpert_are_experts() -> None:
    reading = read_image("chexpert", [("Edema", 1, "radiologists"), ("Pneumonia", 0, "radiologists")])
    assert reading.kind == "consensus"
    assert (reading.values["edema"], reading.values["pneumonia"]) == (1, 0)


# NIH.


def test_what_nih_does_not_list_is_absent() -> None:
    told = values("chex-ray14", "NIH", "Mass", "Effusion")
    assert {term for term, value in told.items() if value == 1} == {"mass", "effusion", "lung_lesion"}
    assert (told["nodule"], told[NO_FINDING]) == (0, 0)
    # Neither is one of NIH's labels, nor made up of them.
    assert told.keys().isdisjoint({"lung_opacity", "fracture", "pleural_other", "support_devices"})


def test_lung_lesion_of_nih_is_absent_without_nodule_and_mass() -> None:
    assert values("chex-ray14", "NIH", "No Finding")["lung_lesion"] == 0


FOUR = ("Fracture", "Pneumothorax", "Airspace opacity", "Nodule or mass")


def nih_and_google(nih: str, *seen: str) -> Reading:
    """Return what a label of NIH and the four of Google come to; those that are not seen are absent."""
    return read_image(
        "chex-ray14", [(nih, 1, "NIH"), *((label, int(label in seen), "Google") for label in FOUR)]
    )


def test_google_counts_for_its_own_terms_and_nih_for_the_others() -> None:
    reading = nih_and_google("Pneumothorax", "Fracture", "Airspace opacity")
    assert (reading.values["fracture"], reading.values["lung_opacity"]) == (1, 1)
    assert reading.values["pneumothorax"] == reading.values["lung_lesion"] == 0
    alone = values("chex-ray14", "NIH", "Pneumothorax")
    others = alone.keys() - {"pneumothorax"}
    assert {term: reading.values[term] for term in others} == {term: alone[term] for term in others}
    assert reading.values.keys() - alone.keys() == {"fracture", "lung_opacity"}
    assert reading.conflicts == ("pneumothorax",)
    # Ten of the 14 findings are still those of the reports.
    assert reading.kind == "nlp"


def test_google_alone_is_a_consensus() -> None:
    reading = read_image("chex-ray14", [("Fracture", 0, "Google")])
    assert (reading.values, reading.kind) == ({"fracture": 0}, "consensus")


@pytest.mark.parametrize("label", FOUR)
def test_no_finding_of_nih_gives_way_to_a_finding_of_google(label: str) -> None:
    reading = nih_and_google("No Finding", label)
    assert (reading.values[NO_FINDING], reading.conflicts) == (0, (NO_FINDING,))
    assert reading.values["effusion"] == 0


def test_no_finding_of_nih_stays_where_google_sees_none() -> None:
    reading = nih_and_google("No Finding")
    assert (reading.values[NO_FINDING], reading.conflicts) == (1, ())


def test_nodule_or_mass_of_google_is_what_nih_says_or_stays_open() -> None:
    told = nih_and_google("No Finding", "Nodule or mass").values
    assert told["lung_lesion"] == 1
    # NIH's closed world would deny both.
    assert told.keys().isdisjoint({"nodule", "mass"})
    told = nih_and_google("Mass", "Nodule or mass").values
    assert (told["mass"], told["lung_lesion"]) == (1, 1)
    assert "nodule" not in told
    denied = nih_and_google("Mass").values
    assert (denied["mass"], denied["nodule"], denied["lung_lesion"]) == (0, 0, 0)


# VinDr-CXR.


def vindr(label: str, *votes: int) -> Mapping[str, int]:
    return read_image(
        "vindrcxr", [(label, vote, f"R{reader}") for reader, vote in enumerate(votes, start=8)]
    ).values


@pytest.mark.parametrize(
    ("votes", "expected"), [((1, 1, 1), 1), ((1, 0, 1), 1), ((0, 1, 0), -1), ((0, 0, 0), 0)]
)
def test_readers_of_vindr_vote(votes: tuple[int, ...], expected: int) -> None:
    told = vindr("Edema", *votes)
    assert told["edema"] == expected


def test_consensus_of_vindr_is_not_voted_on() -> None:
    assert positive("vindrcxr", "consensus", "Nodule/Mass", "Lung tumor") == {"lung_lesion", "lung_tumor"}
    assert read("vindrcxr", "consensus", "ILD").kind == "consensus"


def test_nodule_or_mass_of_vindr_is_a_lung_lesion_and_may_be_either() -> None:
    assert vindr("Nodule/Mass", 1, 1, 0).keys().isdisjoint({"nodule", "mass"})
    denied = vindr("Nodule/Mass", 0, 0, 0)
    assert (denied["lung_lesion"], denied["nodule"], denied["mass"]) == (0, 0, 0)


def test_fracture_of_a_rib_is_one_and_its_absence_is_not() -> None:
    assert vindr("Rib fracture", 1, 1, 1)["fracture"] == 1
    assert "fracture" not in vindr("Rib fracture", 0, 0, 0)


def test_one_reader_who_sees_something_leaves_no_finding_as_it_is() -> None:
    statements = [("No finding", 1, "R1"), ("No finding", 1, "R2"), ("No finding", 0, "R3"), ("ILD", 1, "R3")]
    told = read_image("vindrcxr", statements)
    assert (told.values[NO_FINDING], told.values["ild"]) == (1, -1)
    assert told.values["edema"] == 0
    assert not told.conflicts


def test_boxes_of_kaggle_give_the_same_as_the_table_of_physionet() -> None:
    fourteen = vocabulary().labellers[-1].closed_world.split(";")
    assert len(fourteen) == 15
    seen = {"R8": {"ILD", "Nodule/Mass"}, "R9": {"ILD"}, "R10": {"No finding"}}
    boxed = [(label, 1, reader) for reader, labels in seen.items() for label in labels]
    table = [(label, int(label in labels), reader) for reader, labels in seen.items() for label in fourteen]
    assert read_image("vindrcxr", boxed) == read_image("vindrcxr", table)
    assert read_image("vindrcxr", boxed).values["lung_lesion"] == -1
    # Kaggle has no such class.
    assert "edema" not in read_image("vindrcxr", boxed).values


# PadChest.


@pytest.mark.parametrize("label", ["exclude", "suboptimal study"])
def test_studies_that_are_not_to_be_judged(label: str) -> None:
    reading = read("padchest", "RNN_model", label, "pneumonia", "normal")
    assert (reading.values, reading.kind, reading.conflicts) == ({}, None, ())


def test_unchanged_says_nothing() -> None:
    assert padchest("unchanged") == {}
    assert read("padchest", "RNN_model", "unchanged").kind is None
    assert padchest("unchanged", "pneumonia") == padchest("pneumonia")
    assert padchest("unchanged", "normal") == padchest("normal")


def test_what_padchest_does_not_list_is_absent() -> None:
    told = padchest("kyphosis")
    assert (told["pneumonia"], told["nodule"], told[NO_FINDING]) == (0, 0, 0)
    # Only kinds of these are listed, or only what is related.
    assert told.keys().isdisjoint({"hernia", "lung_lesion", "support_devices", "pleural_other"})


def test_a_broader_label_leaves_open_what_it_is() -> None:
    assert "mass" not in padchest("mass")
    assert "consolidation" not in padchest("alveolar pattern")
    assert padchest("alveolar pattern")["infiltration"] == 1
    # An infiltrate is an opacity, though the table maps it only for those who opt in.
    assert "lung_opacity" not in padchest("infiltrates")
    assert padchest("kyphosis")["lung_opacity"] == 0


def test_covid_that_is_not_certain() -> None:
    assert padchest("COVID 19")["pneumonia"] == 1
    assert padchest("COVID 19 uncertain")["pneumonia"] == -1
    assert padchest("COVID 19 uncertain", "pneumonia")["pneumonia"] == 1


def test_kind_of_padchest_is_that_of_its_method() -> None:
    kinds = [read("padchest", name, "normal").kind for name in ("Physician", "RNN_model", "PadChest")]
    assert kinds == ["rater", "nlp", "nlp"]


# Open-i.


@pytest.mark.parametrize("label", ["No Indexing", "Technical Quality of Image Unsatisfactory "])
def test_reports_without_code(label: str) -> None:
    assert openi(label, "Cardiomegaly") == {}


def test_open_i_is_open_but_for_normal() -> None:
    assert openi("Airspace Disease/lung/base") == {"lung_opacity": 1}
    told = openi("normal")
    assert (told[NO_FINDING], told["cardiomegaly"], told["lung_opacity"]) == (1, 0, 0)
    assert "support_devices" not in told


def test_automatic_codes_of_open_i_are_another_vocabulary() -> None:
    reading = read("openi", "MeSH automatic", "pleural effusions")
    assert (reading.values, reading.unknown, reading.kind) == ({}, frozenset(), None)


# RSNA, SIIM-ACR, object-CXR.


@pytest.mark.parametrize(
    ("statements", "expected"),
    [
        ({"Lung Opacity": 1}, {"lung_opacity": 1, NO_FINDING: 0}),
        ({"Lung Opacity": 0, "Normal": 1}, {"lung_opacity": 0, "pneumonia": 0, NO_FINDING: 1}),
        ({"Lung Opacity": 0, "No Lung Opacity / Not Normal": 1}, {NO_FINDING: 0}),
        # Without the table of classes.
        ({"Lung Opacity": 0}, {}),
    ],
)
def test_classes_of_rsna(statements: dict[str, int], expected: dict[str, int]) -> None:
    reading = read("rsna", "RSNA", **statements)
    assert (reading.values, reading.conflicts, reading.kind) == (expected, (), "box")


def test_contradictory_rows_of_rsna_are_a_conflict() -> None:
    reading = read("rsna", "RSNA", "Lung Opacity", "Normal")
    assert reading.conflicts == (NO_FINDING,)
    assert (reading.values["lung_opacity"], reading.values[NO_FINDING]) == (1, 1)


@pytest.mark.parametrize("value", [1, 0])
def test_single_tasks(value: int) -> None:
    assert read("siim", "SIIM-ACR", Pneumothorax=value).values == {"pneumothorax": value}
    assert read("objcxr", "object-CXR", **{"Foreign object": value}).values == {"foreign_object": value}


# What holds for all.


@st.composite
def of_an_image(draw: st.DrawFn) -> tuple[str, list[Statement]]:
    """Return a dataset and statements in its spellings, contradictions included."""
    dataset = draw(st.sampled_from(sorted({each.dataset for each in LABELLERS})))
    own = [each for each in LABELLERS if each.dataset == dataset]
    possible = [
        (label, name)
        for each in own
        for name in (("R1", "R2", "R3") if each.labeller == READERS else (each.labeller,))
        for label in sorted(vocabulary().labels_of(each.source))
    ]
    stated = draw(st.lists(st.tuples(st.sampled_from(possible), st.sampled_from((1, 0, -1))), max_size=12))
    return dataset, [(label, value, name) for (label, name), value in stated]


IMAGES = of_an_image()


@given(IMAGES, st.data())
def test_order_and_repetition_do_not_matter(image: tuple[str, list[Statement]], data: st.DataObject) -> None:
    dataset, statements = image
    again = data.draw(st.permutations([*statements, *statements[:2]]))
    assert read_image(dataset, again) == read_image(dataset, statements)


@given(IMAGES, st.text(alphabet="äöü#/ ", min_size=1), st.sampled_from((1, 0, -1)))
def test_unknown_labels_change_nothing(image: tuple[str, list[Statement]], label: str, value: int) -> None:
    dataset, statements = image
    name = name_of(next(each for each in LABELLERS if each.dataset == dataset))
    told = read_image(dataset, [*statements, (label, value, name)])
    assert told.unknown == {(name, label)}
    assert told._replace(unknown=frozenset()) == read_image(dataset, statements)


@given(st.sampled_from(SINGLE), st.data())
def test_no_finding_never_touches_devices(labeller: Labeller, data: st.DataObject) -> None:
    own = sorted(vocabulary().labels_of(labeller.source))
    no_finding = next((label for label in own if (labeller.source, label) in NO_FINDINGS), None)
    assume(no_finding)
    labels = data.draw(st.dictionaries(st.sampled_from(own), st.sampled_from((1, 0, -1)), max_size=6))
    told = [
        read(labeller.dataset, labeller.labeller, **{**labels, str(no_finding): value}).values
        for value in (1, 0)
    ]
    for term in DEVICES:
        assert told[0].get(term) == told[1].get(term)


@given(st.sampled_from(SINGLE), st.data())
def test_stated_values_are_never_overruled(labeller: Labeller, data: st.DataObject) -> None:
    unusable = {other.label for other in vocabulary().others if other.meaning == UNUSABLE}
    own = sorted(vocabulary().labels_of(labeller.source) - unusable)
    labels = data.draw(st.dictionaries(st.sampled_from(own), st.sampled_from((1, 0, -1)), max_size=8))
    told = read(labeller.dataset, labeller.labeller, **labels).values
    says: defaultdict[str, list[Value]] = defaultdict(list)
    for row in ROWS:
        if row.source == labeller.source and row.label in labels:
            says[row.term].append(told_by(row, labels[row.label]))
    for term, values_of_term in says.items():
        if (value := merge(values_of_term)) is not None:
            assert told[term] == value
        else:
            assert told.get(term) in (None, 0)


@given(IMAGES)
def test_conflicts_are_terms_that_are_known(image: tuple[str, list[Statement]]) -> None:
    reading = read_image(*image)
    assert set(reading.conflicts) <= {term.id for term in vocabulary().terms}
    assert not reading.unknown
    assert set(reading.values.values()) <= {1, 0, -1}
