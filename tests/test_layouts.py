"""Each layout finds the files of its data set, in every spelling, and pairs them."""

import re

import pytest

from irsde_jax.data.image_files import images
from irsde_jax.data.sources import layouts, matching
from irsde_jax.data.sources.layouts import LAYOUTS, Layout, Spelling
from irsde_jax.data.sources.matching import Pair

SPELLINGS = [
    (dataset, split, spelling)
    for dataset, layout in LAYOUTS.items()
    for split, spellings in layout.splits.items()
    for spelling in spellings
]


def fill(path, **values):
    """A file name that a pattern stands for."""
    return path.lstrip("/").format_map(values) + ".png"


@pytest.mark.parametrize(("dataset", "split", "spelling"), SPELLINGS)
@pytest.mark.parametrize("top", ["", "unpacked/here/"])
def test_every_spelling_is_found(dataset, split, spelling, top):
    if spelling.clean.startswith("/"):
        top = ""  # such files are looked for at the top alone
    named = "val" if split == "{split}" else split
    values = [dict(id=i, scene="s", level=1, mask="m", split=named) for i in "ab"]
    clean, other = (
        list(dict.fromkeys(top + fill(path, **value) for value in values))
        for path in spelling
    )
    splits = matching.find_splits(LAYOUTS[dataset], clean + other, "root")
    others = other * (2 // len(other))
    found = [pair[1:] for pair in splits[named]]
    assert found == list(zip(clean, others))
    assert all(" " not in pair.name for pair in splits[named])


# Names as they are in the wild, by hand: what is tested are the patterns.
@pytest.mark.parametrize(
    ("dataset", "split", "name", "clean", "other"),
    [
        (
            "rain100h",
            "train",
            "7",
            "RainTrainH/RainTrainH/norain-7.png",
            "RainTrainH/RainTrainH/rain-7.png",
        ),
        (
            "rain100h",
            "test",
            "001",
            "Rain100H/norain-001.png",
            "Rain100H/rainy/rain-001.png",
        ),
        (
            "rain100h",
            "test",
            "1",
            "rain_data_test_Heavy/rain_heavy_test/norain/norain-1.png",
            "rain_data_test_Heavy/rain_heavy_test/rain/X2/norain-1x2.png",
        ),
        (
            "rain100l",
            "train",
            "12",
            "rain_data_train_Light/norain/norain-12.png",
            "rain_data_train_Light/rain/norain-12x2.png",
        ),
        ("rain100l", "test", "3", "Rain100/GT/3.png", "Rain100/LQ_L/3.png"),
        (
            "gopro",
            "train",
            "GOPR0372_07_00_000047",
            "GOPRO_Large/train/GOPR0372_07_00/sharp/000047.png",
            "GOPRO_Large/train/GOPR0372_07_00/blur/000047.png",
        ),
        (
            "sots",
            "test",
            "1400_10",
            "SOTS/indoor/gt/1400.png",
            "SOTS/indoor/hazy/1400_10.png",
        ),
        (
            "div2k",
            "valid",
            "0801",
            "DIV2K_valid_HR/DIV2K_valid_HR/0801.png",
            "DIV2K_valid_LR_bicubic_X4/DIV2K_valid_LR_bicubic/X4/0801x4.png",
        ),
        (
            "celebahq",
            "test_thin",
            "00012",
            "data256x256/testHQ/00012.jpg",
            "datasets/gt_keep_masks/thin/000000.png",
        ),
    ],
)
def test_names_as_they_are_met(dataset, split, name, clean, other):
    splits = matching.find_splits(LAYOUTS[dataset], [other, clean], "x")
    assert splits[split] == [Pair(name, clean, other)]


def test_the_folder_itself_may_be_part_of_a_spelling():
    names = ["norain-1.png", "rain-1.png"]
    splits = matching.find_splits(LAYOUTS["rain100h"], names, "RainTrainH")
    assert splits == {"train": [Pair("1", *names)]}
    assert not matching.find_splits(LAYOUTS["rain100l"], names, "RainTrainH")


def test_blur_comes_before_blur_gamma():
    names = [f"train/s/{kind}/1.png" for kind in ("blur", "blur_gamma", "sharp")]
    for expected in names[:2]:
        (pair,) = matching.find_splits(LAYOUTS["gopro"], names)["train"]
        assert pair.other == expected
        names.remove(expected)


def test_case_and_ending_do_not_count():
    names = ["div2k_TRAIN_hr/1.PNG", "DIV2K_train_LR_bicubic/x4/1X4.jpg"]
    assert matching.find_splits(LAYOUTS["div2k"], names)["train"] == [Pair("1", *names)]


def test_a_clean_image_may_have_several_degraded_ones():
    hazy = [f"LQ/{scene}_{level}.png" for scene in (1, 2) for level in (1, 2, 3)]
    pairs = matching.find_splits(LAYOUTS["sots"], ["GT/1.png", "GT/2.png", *hazy])
    assert [pair.clean for pair in pairs["test"]] == ["GT/1.png"] * 3 + ["GT/2.png"] * 3
    assert [pair.other for pair in pairs["test"]] == hazy


def test_masks_are_taken_in_turns():
    clean = [f"testHQ/{index}.png" for index in range(5)]
    masks = [f"masks/{index}.png" for index in range(3)]
    pairs = matching.find_splits(LAYOUTS["celebahq"], clean + masks)["test"]
    assert [pair.clean for pair in pairs] == clean
    assert [pair.other for pair in pairs] == [masks[i % 3] for i in range(5)]


def test_subfolders_name_the_splits():
    names = [f"{part}{kind}/1.png" for part in ("", "val/") for kind in ("GT", "LQ")]
    names += ["deep/er/test_2/GT/5.png", "deep/er/test_2/LQ/5.png", "empty/GT/1.txt"]
    splits = matching.find_splits(LAYOUTS["paired"], names)
    assert splits == {
        "train": [Pair("1", "GT/1.png", "LQ/1.png")],
        "val": [Pair("1", "val/GT/1.png", "val/LQ/1.png")],
        "test_2": [Pair("5", "deep/er/test_2/GT/5.png", "deep/er/test_2/LQ/5.png")],
    }
    names = [name.replace("val", "train") for name in names if name.startswith("val")]
    splits = matching.find_splits(LAYOUTS["paired"], names)
    assert splits == {"train": [Pair("1", "train/GT/1.png", "train/LQ/1.png")]}
    for name in ("all", "10 %"):
        with pytest.raises(ValueError, match=f"folder '{name}' cannot name a split"):
            matching.find_splits(LAYOUTS["paired"], [f"{name}/GT/1.png"])


def test_images_without_a_partner_are_named():
    names = ["GT/1.png", "LQ/1.png", "GT/2.png", "LQ/3.png"]
    with pytest.raises(ValueError, match=r"2 images of split 'train'.*GT/2.*LQ/3\.png"):
        matching.find_splits(LAYOUTS["paired"], names)
    names += [f"GT/x{index:02}.png" for index in range(12)]
    with pytest.raises(
        ValueError, match=r"14 images.*x08\.png, \.\.\.\. Add"
    ) as caught:
        matching.find_splits(LAYOUTS["paired"], names)
    assert "x09" not in str(caught.value)


def test_a_half_that_is_missing_is_named():
    with pytest.raises(ValueError, match=r"2 images are /GT/\{id\}.*none is /LQ"):
        matching.find_splits(LAYOUTS["paired"], ["GT/1.png", "GT/2.png"])
    with pytest.raises(ValueError, match=r"_HR/\{id\}, but none is .*X4/\{id\}x4"):
        matching.find_splits(LAYOUTS["div2k"], ["DIV2K_train_HR/0001.png"])


def test_a_split_that_lacks_a_half_is_left_out_with_a_warning(caplog):
    names = ["train/GT/1.png", "train/LQ/1.png", "val/GT/1.png"]
    assert set(matching.find_splits(LAYOUTS["paired"], names)) == {"train"}
    (record,) = caplog.records
    assert "1 images are val/GT/{id}, but none is val/LQ/{id}" in record.message
    caplog.clear()
    names = ["testHQ/1.png", "masks/thin/1.png"]
    assert set(matching.find_splits(LAYOUTS["celebahq"], names)) == {"test_thin"}
    names = ["trainH/GT/1.png", "trainH/LQ/1.png"]
    assert set(matching.find_splits(LAYOUTS["rain100h"], names)) == {"train"}
    assert not caplog.records


def test_two_files_in_one_place_are_an_error():
    names = ["GT/1.png", "GT/1.jpg", "LQ/1.png"]
    with pytest.raises(ValueError, match=r"GT/1\.png and GT/1\.jpg are both.*Remove"):
        matching.find_splits(LAYOUTS["paired"], names)
    names = ["a/train/s/sharp/1.png", "b/train/s/sharp/1.png"]
    with pytest.raises(ValueError, match=r"a/train.* and b/train"):
        matching.find_splits(LAYOUTS["gopro"], names)


def test_what_is_no_image_is_named_once_and_left_out(caplog):
    names = ["GT/1.png", "LQ/1.png", "LQ/notes.txt", "readme.md"]
    splits = matching.find_splits(LAYOUTS["paired"], names)
    assert [pair.name for pair in splits["train"]] == ["1"]
    (record,) = caplog.records
    assert "skipped 2 files" in record.message
    assert "LQ/notes.txt, readme.md" in record.message


def test_nothing_is_found_in_nothing():
    for layout in LAYOUTS.values():
        assert matching.find_splits(layout, ["elsewhere/1.png"]) == {}


def test_what_to_get_is_said(tmp_path):
    for dataset, layout in LAYOUTS.items():
        text = layouts.how_to_get(dataset, tmp_path)
        for part in (layout.title, layout.page, layout.files, str(tmp_path)):
            assert part in text
        for spellings in layout.splits.values():
            assert all(part in text for pair in spellings for part in pair)
        assert "from memory" not in text
    with pytest.raises(ValueError, match=r"dataset='rain100' is not one of \['celeb"):
        layouts.how_to_get("rain100", tmp_path)


def test_a_layout_that_was_not_seen_is_marked(tmp_path, monkeypatch):
    splits = {"train": (Spelling("a/{id}", "b/{id}"),)}
    layout = Layout("T", "https://page", "a.zip", splits, "none", seen=False)
    monkeypatch.setitem(LAYOUTS, "new", layout)
    assert "from memory, not checked" in layouts.how_to_get("new", tmp_path)


def test_the_table_is_well_formed():
    for dataset, layout in LAYOUTS.items():
        assert re.fullmatch(r"[a-z0-9_]+", dataset)
        assert layout.other in ("mu", "mask")
        assert layout.page.startswith("https://") or dataset == "paired"
        for spelling in (pair for part in layout.splits.values() for pair in part):
            clean, other = (set(re.findall(r"\{(\w+)\}", path)) for path in spelling)
            assert clean.isdisjoint(other) if layout.other == "mask" else clean <= other
            assert not any(path.endswith(images.SUFFIXES) for path in spelling)
