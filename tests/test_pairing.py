"""Names of pairs: the schemes of public sets, the setting, and what is refused."""

import logging

import numpy as np
import pytest
from PIL import Image

from irsde_jax import configuration
from irsde_jax.data import pipeline, sources
from irsde_jax.data.sources import pairing
from irsde_jax.training import experiment

# Names as public sets have them, by hand: clean -> its degraded versions.
SCHEMES = {
    "rain": ("GT/norain-{id}:LQ/rain-{id}", {"GT/norain-1": ["LQ/rain-1"]}),
    "rain_x2": ("GT/{id}:LQ/{id}x2", {"GT/norain-1": ["LQ/norain-1x2"]}),
    "rain_flat": ("norain-{id}:rain-{id}", {"norain-001": ["rain-001"]}),
    "rain_new": (
        "norain/{id}:rain/{folder:path}/{id}x2",
        {"norain/norain-1": ["rain/X2/norain-1x2"]},
    ),
    "x4": ("GT/{id}:LQ/{id}x4", {"GT/1": ["LQ/1x4"], "GT/11": ["LQ/11x4"]}),
    "div2k": ("GT/{id}:LQ/{id}x4", {"GT/0001": ["LQ/0001x4"]}),
    "selfexsr": (
        "{id}_HR:{id}_LR",
        {f"img_{i}_SRF_4_HR": [f"img_{i}_SRF_4_LR"] for i in ("001", "002")},
    ),
    "selfexsr_folders": (
        "GT/{id}_HR:LQ/{id}_LR",
        {"GT/img_001_SRF_4_HR": ["LQ/img_001_SRF_4_LR"]},
    ),
    "realsr": ("HR/{id}_HR:LR/{id}_LR4", {"HR/Canon_1_HR": ["LR/Canon_1_LR4"]}),
    "sots": (
        "GT/{id}:LQ/{id}_{level}",
        {"GT/1400": ["LQ/1400_1", "LQ/1400_10"], "GT/140": ["LQ/140_1"]},
    ),
    "sots_outdoor": (
        "GT/{id}:LQ/{id}_{level}",
        {"GT/1": ["LQ/1_1_0.9", "LQ/1_2_0.8"], "GT/11": ["LQ/11_1_0.95"]},
    ),
    "reside": ("gt/{id}:hazy/{id}_{level}", {"gt/0001": ["hazy/0001_0.8_0.2"]}),
    "gopro": (
        "{sequence}/sharp/{id}:{sequence}/blur/{id}",
        {f"s{k}/sharp/1": [f"s{k}/blur/1"] for k in (1, 2)},
    ),
    "gopro_gamma": (
        "{sequence}/sharp/{id}:{sequence}/blur_gamma/{id}",
        {"s1/sharp/1": ["s1/blur_gamma/1"]},
    ),
    "nested": (
        "GT/{folder:path}/{id}:LQ/{folder:path}/{id}",
        {f"GT/{s}/1": [f"LQ/{s}/1"] for s in ("a", "b/c")},
    ),
    "gt_lq": ("GT/{id}_GT:LQ/{id}_LQ", {"GT/x_GT": ["LQ/x_LQ"]}),
    "gt_lq_flat": ("{id}_GT:{id}_LQ", {"x_GT": ["x_LQ"], "y_GT": ["y_LQ"]}),
    "clean_noisy": ("clean/{id}:noisy/{id}", {"clean/1": ["noisy/1"]}),
    "sharp_blur": ("GT/sharp_{id}:LQ/blur_{id}", {"GT/sharp_1": ["LQ/blur_1"]}),
    "lol": ("high/{id}:low/{id}", {"high/1": ["low/1"]}),
    "lower_case": ("gt/{id}:lq/{id}", {"gt/1": ["lq/1"]}),
}


def touch(root, *names):
    """Files without content, which pairing does not read."""
    for name in names:
        path = root / (
            name if name.endswith((".png", ".bmp", ".txt")) else f"{name}.png"
        )
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    return root


def found_in(root, pair=""):
    """The scheme as the setting spells it, and the pairs without endings."""
    found = pairing.require(root, pair)
    pairs = [
        (p.clean.removesuffix(".png"), p.other.removesuffix(".png"))
        for p in found.pairs
    ]
    return f"{found.scheme.clean}:{found.scheme.other}", pairs


@pytest.mark.parametrize("case", SCHEMES)
def test_the_schemes_of_public_sets_pair_without_a_flag(tmp_path, case):
    scheme, expected = SCHEMES[case]
    pairs = [(clean, name) for clean, names in expected.items() for name in names]
    touch(tmp_path, *expected, *(name for _, name in pairs))
    found_scheme, found = found_in(tmp_path)
    assert found_scheme == scheme
    assert sorted(found) == sorted(pairs)
    assert pairing.has_pairs(tmp_path)
    names = [pair.name for pair in pairing.require(tmp_path).pairs]
    assert len(set(names)) == len(names) and not any("/" in name for name in names)


def test_files_of_the_same_name_come_first(tmp_path):
    """Also where another scheme would fit a part of them, or all."""
    touch(
        tmp_path, *(f"{kind}/{name}" for kind in ("GT", "LQ") for name in ("1", "1_1"))
    )
    scheme, pairs = found_in(tmp_path)
    assert scheme == "GT/{id}:LQ/{id}"
    assert pairs == [("GT/1", "LQ/1"), ("GT/1_1", "LQ/1_1")]
    touch(tmp_path, "clean/7", "noisy/7", "LQ/sub/8")
    assert found_in(tmp_path) == (scheme, pairs)


def test_pairs_are_in_the_order_of_the_clean_files(tmp_path):
    """a.k.png is before a.png, but a.bmp is before a.k.bmp."""
    touch(tmp_path, "GT/a.png", "GT/a.k.png", "GT/B.png")
    touch(tmp_path, "LQ/a.bmp", "LQ/a.k.bmp", "LQ/B.bmp")
    names = [pair.name for pair in pairing.require(tmp_path).pairs]
    assert names == ["B", "a.k", "a"]


@pytest.mark.parametrize(
    ("files", "pair", "expected"),
    [
        (
            ("GT/p1", "GT/p2", "LQ/q1", "LQ/q2"),
            "GT/p{id}:LQ/q{id}",
            [("GT/p1", "LQ/q1"), ("GT/p2", "LQ/q2")],
        ),
        (
            ("s/GT_010", "s/NOISY_010", "t/GT_010", "t/NOISY_010"),  # SIDD
            "{scene}/GT_{n}:{scene}/NOISY_{n}",
            [("s/GT_010", "s/NOISY_010"), ("t/GT_010", "t/NOISY_010")],
        ),
        (
            ("1", "1_1", "1_2", "2", "2_1"),  # all in one folder
            "{id}:{id}_{level:int}",
            [("1", "1_1"), ("1", "1_2"), ("2", "2_1")],
        ),
        (
            ("GT/a", "GT/a_b", "LQ/a_1", "LQ/a_b_1"),  # digits settle it
            "GT/{id}:LQ/{id}_{level:int}",
            [("GT/a", "LQ/a_1"), ("GT/a_b", "LQ/a_b_1")],
        ),
        (
            ("s/sharp/1", "s/blur/1", "s/blur_gamma/1"),
            "{s}/sharp/{id}:{s}/blur_gamma/{id}",
            [("s/sharp/1", "s/blur_gamma/1")],
        ),
        (
            ("GT/p1", "LQ/q1"),  # the second of two schemes
            "GT/a{id}:LQ/b{id}, GT/p{id}:LQ/q{id}",
            [("GT/p1", "LQ/q1")],
        ),
    ],
)
def test_the_setting_serves_other_schemes(tmp_path, files, pair, expected):
    touch(tmp_path, *files)
    assert found_in(tmp_path, pair)[1] == expected
    assert pairing.has_pairs(tmp_path, pair)
    assert pairing.clean_paths(tmp_path, pair) == [
        tmp_path / f"{name}.png"
        for name in dict.fromkeys(clean for clean, _ in expected)
    ]


def test_the_setting_is_for_the_folders_that_it_matches(tmp_path, caplog):
    """A test set may have other names than the training set, whose setting is kept."""
    touch(tmp_path, "GT/1", "LQ/1")
    assert found_in(tmp_path, "GT/no-{id}:LQ/{id}")[1] == [("GT/1", "LQ/1")]
    assert "data.pair=GT/no-{id}:LQ/{id} matches no pair here" in caplog.text


def test_what_the_setting_leaves_out_is_named(tmp_path, caplog):
    touch(tmp_path, "GT/p1", "LQ/q1", "LQ/other")
    assert found_in(tmp_path, "GT/p{id}:LQ/q{id}")[1] == [("GT/p1", "LQ/q1")]
    assert "leaves out 1 images" in caplog.text and "LQ/other.png" in caplog.text
    touch(tmp_path, "LQ/q2")
    with pytest.raises(ValueError, match=r"1 images .*: LQ/q2\.png.*pairs 1"):
        pairing.require(tmp_path, "GT/p{id}:LQ/q{id}")


@pytest.mark.parametrize(
    ("pair", "message"),
    [
        ("GT/{id}", "is no pair of templates"),
        ("GT/{id}:", "is no pair of templates"),
        ("GT/{a}:LQ/{b}", "share no placeholder"),
        ("GT/{id:x}:LQ/{id}", r"data\.pair='GT/\{id:x\}.*placeholder \{id:x\}"),
    ],
)
def test_a_setting_that_is_no_scheme_is_refused(tmp_path, pair, message):
    touch(tmp_path, "GT/1", "LQ/1")
    with pytest.raises(ValueError, match=message):
        pairing.require(tmp_path, pair)


def test_a_degraded_file_that_two_clean_ones_claim_is_an_error(tmp_path):
    touch(tmp_path, "GT/a", "GT/a_b", "LQ/a_1", "LQ/a_b_1")
    with pytest.raises(
        ValueError,
        match=r"LQ/a_b_1\.png could belong to GT/a\.png or to GT/a_b\.png.*data\.pair",
    ):
        pairing.require(tmp_path)


def test_two_layouts_in_one_folder_are_an_error(tmp_path):
    touch(tmp_path, "clean/1", "noisy/1", "sharp/1", "blur/1")
    with pytest.raises(ValueError, match=r"clean/noisy, sharp/blur.*data\.pair=clean"):
        pairing.require(tmp_path)
    assert found_in(tmp_path, "sharp/{id}:blur/{id}")[1] == [("sharp/1", "blur/1")]


def test_names_that_would_be_one_are_an_error(tmp_path):
    touch(
        tmp_path, *(f"{kind}/{s}" for kind in ("GT", "LQ") for s in ("a_b/c", "a/b_c"))
    )
    with pytest.raises(ValueError, match=r"both be called 'a_b_c'\. Rename"):
        pairing.require(tmp_path)


def test_the_error_shows_both_sides_the_nearest_scheme_and_the_setting(tmp_path):
    touch(tmp_path, "GT/1", "GT/2", "LQ/1_1", "LQ/3_1")
    with pytest.raises(
        ValueError, match=r"2 images .*: GT/2\.png, LQ/3_1\.png"
    ) as found:
        pairing.require(tmp_path)
    text = str(found.value)
    assert "nearest naming scheme, GT/{id}:LQ/{id}_{level}, makes 1 pairs" in text
    assert "Clean: GT/1.png, GT/2.png; degraded: LQ/1_1.png, LQ/3_1.png" in text
    assert "--config.data.pair=" in text
    touch(tmp_path / "x", "GT/a", "LQ/b")
    with pytest.raises(
        ValueError, match=r"No known naming scheme.*--config\.data\.pair"
    ):
        pairing.require(tmp_path / "x")


def test_sequences_of_several_splits_are_not_mixed(tmp_path):
    touch(
        tmp_path,
        *(f"{s}/s1/{k}/1" for s in ("train", "test") for k in ("sharp", "blur")),
    )
    with pytest.raises(FileNotFoundError, match="no folder GT and no folder LQ"):
        pairing.require(tmp_path)
    assert len(pairing.require(tmp_path / "train").pairs) == 1


def test_clean_images_are_no_pairs(tmp_path):
    touch(tmp_path, "a", "b", "c_HR", "c_LR", "clean/1", "noisy/1")
    assert not pairing.has_pairs(tmp_path)
    assert [path.name for path in pairing.clean_paths(tmp_path)] == [
        *("a.png", "b.png", "c_HR.png", "c_LR.png")
    ]


def test_clean_images_are_found_in_folders_of_pairs(tmp_path):
    touch(tmp_path, "s1/sharp/1", "s1/blur/1", "s2/sharp/1", "s2/blur/1")
    expected = [tmp_path / f"s{k}/sharp/1.png" for k in (1, 2)]
    assert pairing.clean_paths(tmp_path) == expected
    touch(tmp_path / "x", "GT/a/1", "GT/b/1")
    source_names = [path.parent.name for path in pairing.clean_paths(tmp_path / "x")]
    assert source_names == ["a", "b"]


def test_the_scheme_is_logged_unless_it_is_the_plain_one(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    touch(tmp_path / "plain", "GT/1", "LQ/1")
    pairing.require(tmp_path / "plain")
    assert not caplog.records
    touch(tmp_path / "haze", "GT/1", "LQ/1_1", "LQ/1_2")
    pairing.require(tmp_path / "haze")
    text = "GT/{id} with LQ/{id}_{level}, 2 examples of 1 clean images"
    assert text in caplog.text


def save(path, seed, size=(24, 32)):
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (*size, 3), np.uint8)
    Image.fromarray(pixels).save(path)


def settings(root, *more):
    return configuration.load(
        "deraining",
        [
            f"--config.data.train_dir={root}",
            *("--config.data.crop_size=8", "--config.train.batch_size=4"),
            *more,
        ],
    )


def test_training_takes_pairs_of_any_scheme_in_the_same_batches(tmp_path):
    for number in range(3):
        for name, clean, degraded in (
            ("plain", f"{number}", f"{number}"),
            ("rain", f"norain-{number}", f"rain-{number}"),
            ("own", f"p{number}", f"q{number}"),
        ):
            save(tmp_path / name / "GT" / f"{clean}.png", number)
            save(tmp_path / name / "LQ" / f"{degraded}.png", 10 + number)
    plain, names = experiment.make_dataset(settings(tmp_path / "plain"))
    assert names == ["0", "1", "2"]
    pair = "--config.data.pair=GT/p{id}:LQ/q{id}"
    for name, more in (("rain", ()), ("own", (pair,))):
        found, names = experiment.make_dataset(settings(tmp_path / name, *more))
        assert names == ["0", "1", "2"]
        for step in (0, 5):
            for key in ("x0", "mu"):
                np.testing.assert_array_equal(found[step][key], plain[step][key])


def test_every_degraded_version_is_an_example(tmp_path):
    save(tmp_path / "GT" / "1.png", 0)
    for level in range(3):
        save(tmp_path / "LQ" / f"1_{level}.png", 1 + level)
    source = sources.open_source(str(tmp_path), True)
    assert source.names == ["1_0", "1_1", "1_2"]
    assert source.pairing.endswith("3 examples of 1 clean images")
    records = [source[index] for index in range(3)]
    for record in records[1:]:
        np.testing.assert_array_equal(record["x0"], records[0]["x0"])
        assert np.abs(record["mu"] - records[0]["mu"]).max() > 0.1
    batch = pipeline.training_batches(source, seed=0, batch_size=3, crop_size=24)[0]
    assert len({image.tobytes() for image in batch["mu"]}) == 3
    crops = pipeline.validation_crops(source, 3, 24)
    assert crops["mu"].shape == (3, 24, 24, 3)
    assert set(sources.open_source(str(tmp_path), False)[0]) == {"x0"}
