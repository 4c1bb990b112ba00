"""Phantoms are what their labels and masks say, whatever the machine."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from medical_files import picture, write_picture
from zoo_medical.generator.datasets import GeneratedScans, PhantomMasks, Phantoms
from zoo_medical.generator.phantom import Phantom
from zoo_medical.scans.masks import MaskFile

from zoo import Batch, Data, all_rows


def load(dataset: GeneratedScans, seed: int = 0) -> Data:
    return dataset.load(seed=seed, cache=Path("nowhere"))


def everything(data: Data) -> Batch:
    splits = [all_rows(split) for split in data.splits.values()]
    return {name: np.concatenate([each[name] for each in splits]) for name in splits[0]}


@pytest.mark.parametrize("dimensions", [2, 3])
def test_equal_fields_draw_equal_pictures_and_others_do_not(dimensions: int) -> None:
    phantom = Phantom(1, 2, 3, 24, dimensions, ("lesion",))
    again = Phantom(1, 2, 3, 24, dimensions, ("lesion",))
    others = [Phantom(2, 2, 3, 24, dimensions), Phantom(1, 2, 4, 24, dimensions)]

    values = phantom.read()

    assert values.shape == (24,) * dimensions + (1,)
    assert values.dtype == np.float32
    assert 0 <= values.min() < 0.2
    assert 0.8 < values.max() <= 1
    np.testing.assert_array_equal(values, again.read())
    np.testing.assert_array_equal(phantom.marked(), again.marked())
    assert all(not np.array_equal(values, each.read()) for each in others)
    assert phantom.spacing == (350 / 24,) * dimensions


@pytest.mark.parametrize("dimensions", [2, 3])
def test_masks_say_where_the_organ_and_its_lesions_are(dimensions: int) -> None:
    for index in range(8):
        ill = Phantom(0, index, index, 32, dimensions, ("lesion",), difficulty=0.0)
        values, mask = ill.read()[..., 0], ill.marked()
        well = Phantom(0, index, index, 32, dimensions).marked()

        assert set(np.unique(mask)) == {0, 1, 2}
        assert set(np.unique(well)) == {0, 1}
        assert values[mask == 2].mean() > values[mask == 1].mean() + 0.2
        assert (mask == 2).sum() < (mask == 1).sum() + (mask == 2).sum()
        assert 0.01 < (mask > 0).mean() < 0.3


def test_difficulty_hides_lesions_and_scanners_differ() -> None:
    def contrast(difficulty: float) -> float:
        phantoms = [Phantom(0, n, n, 48, 2, ("lesion",), difficulty) for n in range(10)]
        return float(np.mean([_contrast(each) for each in phantoms]))

    noise = {
        scanner: Phantom(0, 0, 0, 64, 2, (), 0.5, scanner).read()[:6, :6].std()
        for scanner in ("A", "B")
    }
    assert contrast(0.0) > 2 * contrast(0.9)
    assert noise["B"] > 1.2 * noise["A"]


def _contrast(phantom: Phantom) -> float:
    values, mask = phantom.read()[..., 0], phantom.marked()
    return float((values[mask == 2].mean() - values[mask == 1].mean()) / values[mask == 1].std())


def test_each_finding_changes_the_organ_in_its_own_way() -> None:
    plain, organ = Phantom(3, 1, 1, 64), Phantom(3, 1, 1, 64).marked() == 1
    usual = plain.read()[..., 0][organ]

    def found(name: str) -> np.ndarray:
        return Phantom(3, 1, 1, 64, 2, (name,)).read()[..., 0][organ]

    assert np.sum(found("cyst") < 0.25) > np.sum(usual < 0.25) + 20
    assert np.sum(found("calcification") > 0.85) > np.sum(usual > 0.85) + 3
    assert found("lesion").mean() > usual.mean()


def test_labels_are_those_of_what_was_drawn_and_patients_are_in_one_split() -> None:
    data = load(Phantoms(count=90))
    columns = everything(data)

    lesions = [np.any(scan.marked() == 2) for scan in columns["scan"]]
    assert [label == "lesion" for label in columns["label"]] == lesions
    assert 20 < sum(lesions) < 70
    assert data.info.counts == {"train": 63, "validation": 9, "test": 18}
    assert data.info.facts["classes"] == ["lesion", "normal"]
    assert data.info.facts["size"] == [64, 64]
    assert sum(data.info.classes["test"].values()) == 18
    groups = [set(all_rows(split)["group"]) for split in data.splits.values()]
    assert sum(map(len, groups)) == len(set.union(*groups)) == 30
    assert set(columns["scanner"]) == {"A", "B"}


def test_several_findings_have_names_with_a_line_between() -> None:
    data = load(Phantoms(count=90, multi_label=True))
    labels = everything(data)["label"]

    assert data.info.facts["classes"] == ["calcification", "cyst", "lesion"]
    assert "" in labels
    assert any("|" in label for label in labels)
    counts = sum(data.info.classes["train"].values())
    assert counts == sum(len(each.findings) for each in all_rows(data.splits["train"])["scan"])


def test_more_phantoms_keep_the_first_ones_and_the_fingerprint_follows_settings() -> None:
    few, many, other = load(Phantoms(count=60)), load(Phantoms(count=120)), load(Phantoms(), 1)

    first, more = (all_rows(each.splits["test"]) for each in (few, many))
    assert set(first["id"]) < set(more["id"])
    place = more["id"].tolist().index(first["id"][0])
    assert more["scan"][place] == first["scan"][0]
    assert len({few.info.fingerprint, many.info.fingerprint, other.info.fingerprint}) == 3
    assert load(Phantoms(count=60)).info == few.info


@pytest.mark.parametrize("dimensions", [2, 3])
def test_masks_come_with_phantoms_of_two_and_three_dimensions(dimensions: int) -> None:
    data = load(PhantomMasks(count=30, size=16, dimensions=dimensions))
    batch = all_rows(data.splits["test"])

    assert data.info.facts["classes"] == ["organ", "lesion"]
    assert data.info.facts["dimensions"] == dimensions
    assert batch["mask"][0].read().shape == (16,) * dimensions
    assert batch["mask"][0].read().dtype == np.uint8
    assert data.info.classes["train"]["organ"] == data.info.counts["train"]


def test_a_predicted_mask_of_a_phantom_can_be_written(tmp_path: Path) -> None:
    for phantom in (Phantom(0, 0, 0, 16), Phantom(0, 0, 0, 16, 3)):
        written = phantom.write_like(tmp_path / phantom.name, phantom.marked())
        np.testing.assert_array_equal(MaskFile(written, (1, 2)).read(), phantom.marked())


def test_a_model_of_phantoms_reads_the_users_files(tmp_path: Path) -> None:
    write_picture(tmp_path / "a.png", picture(0))

    for dataset in (Phantoms(), Phantoms(multi_label=True), PhantomMasks()):
        examples, findings = dataset.read(str(tmp_path), cache=tmp_path)
        columns = all_rows(examples)
        assert set(columns) == {"id", "scan", "group"}
        assert columns["scan"][0].read().shape == (24, 32, 1)
        assert not findings
