"""The stream of training batches: a pure function of the seed and the step."""

import itertools
import time

import numpy as np
import pytest
from records import Records

from irsde_jax.data import pipeline, readable
from irsde_jax.data.image_files import enlarging, images
from irsde_jax.data.image_files.images import ImageFile
from irsde_jax.data.sources import cache, pairs

NUM_IMAGES, CROP = 5, 4


def make_source(num_images=NUM_IMAGES):
    """Images of different sizes in which no two pixels are alike; mu = 1 - x0."""
    x0, offset = [], 0
    for index in range(num_images):
        shape = (6 + index, 11 - index, 3)
        size = np.prod(shape)
        x0.append((offset + np.arange(size).reshape(shape)) / 4096)
        offset += size
    return pairs.ArrayPairs(x0, [1 - image for image in x0])


def make_batches(source=None, *, seed=0, batch_size=3, **options):
    return pipeline.training_batches(
        make_source() if source is None else source,
        seed=seed,
        batch_size=batch_size,
        crop_size=CROP,
        **options,
    )


def assert_equal(found, expected):
    assert set(found) == set(expected)
    for key in expected:
        np.testing.assert_array_equal(found[key], expected[key])


def take(dataset, count, start=0, **options):
    """Copies of the first batches of an iterator, which is closed."""
    iterator = pipeline.iterate(dataset, start, **options)
    batches = [
        {key: np.array(value) for key, value in batch.items()}
        for batch in itertools.islice(iterator, count)
    ]
    iterator.close()
    return batches


def image_indices(batches):
    """Which image of `make_source` each crop is of."""
    starts = [image.flat[0] for image in make_source()._members["x0"]]
    smallest = np.concatenate([batch["x0"].min((1, 2, 3)) for batch in batches])
    return np.searchsorted(starts, smallest, side="right") - 1


def test_batches_are_float32_squares():
    batch, unreadable = pipeline.split_flags(make_batches()[0])
    assert set(batch) == {"x0", "mu"}
    assert not len(unreadable)
    for member in batch.values():
        assert member.shape == (3, CROP, CROP, 3)
        assert member.dtype == np.float32
    clean = pairs.ArrayPairs([np.zeros((8, 8, 1))])
    batch, _ = pipeline.split_flags(make_batches(clean)[7])
    assert {key: member.shape for key, member in batch.items()} == {
        "x0": (3, CROP, CROP, 1)
    }


@pytest.mark.parametrize("start", [0, 1, 4, 1000])
@pytest.mark.parametrize("num_threads", [0, 1, 3])
def test_resuming_gives_the_same_stream(start, num_threads):
    dataset = make_batches()
    resumed = take(make_batches(), 6, start, num_threads=num_threads)
    for offset, batch in enumerate(resumed):
        assert_equal(batch, dataset[start + offset])


def test_worker_processes_give_the_same_stream(tmp_path):
    for index in range(3):
        pixels = np.random.default_rng(index).random((9, 7, 3)).astype(np.float32)
        images.write_image(tmp_path / f"{index}.png", ImageFile(pixels, None, 8))
    dataset = make_batches(pairs.CleanFolder(tmp_path), batch_size=2)
    for num_workers, start in ((1, 1000), (2, 0), (2, 3)):
        found = take(dataset, 5, start, num_threads=1, num_workers=num_workers)
        for offset, batch in enumerate(found):
            assert_equal(batch, dataset[start + offset])


def test_batches_of_one_are_those_of_two_in_turn():
    singles = take(make_batches(batch_size=1), 4)
    pairs_of_two = take(make_batches(batch_size=2), 2)
    for key in ("x0", "mu"):
        together = np.concatenate([batch[key] for batch in singles])
        expected = np.concatenate([batch[key] for batch in pairs_of_two])
        np.testing.assert_array_equal(together, expected)


def test_the_stream_is_pinned():
    """A run resumed under a later version must go on with the same batches."""
    found = np.concatenate([make_batches(seed=7)[step]["x0"] for step in (0, 1000)])
    np.testing.assert_array_equal(
        np.rint(found[:, 0, 0, 0] * 4096), [729, 1044, 522, 825, 516, 210]
    )


def test_seeds_give_different_streams():
    first, second = (
        np.concatenate([make_batches(seed=seed)[step]["x0"] for step in range(5)])
        for seed in (0, 1)
    )
    same = (first[:, None] == second[None]).all((2, 3, 4)).sum()
    assert same < 3  # of 225 pairs of crops, each alike by chance 1 in a thousand
    orders = {tuple(image_indices(take(make_batches(seed=s), 5))) for s in range(5)}
    assert len(orders) == 5


def test_every_image_occurs_once_per_epoch_in_a_new_order():
    indices = image_indices(take(make_batches(), 40))  # 24 epochs of 5 images
    epochs = indices.reshape(-1, NUM_IMAGES)
    np.testing.assert_array_equal(np.sort(epochs), np.tile(range(NUM_IMAGES), (24, 1)))
    assert len({tuple(epoch) for epoch in epochs}) > 12


def test_crops_are_aligned_in_place_and_orientation():
    for batch in take(make_batches(), 20):
        np.testing.assert_allclose(batch["mu"], 1 - batch["x0"], atol=1e-6)


def test_small_degraded_images_are_enlarged_after_the_crop():
    """To the crop of the enlarged image, at any place; the cache holds them small."""
    rng = np.random.default_rng(0)
    small, clean = (
        rng.random((6, 7, 3), np.float32),
        rng.random((24, 28, 3), np.float32),
    )
    source = Records({"x0": clean, "mu": enlarging.enlarge(small, 4)})
    whole = make_batches(source, batch_size=40)[0]
    kept = cache.Cached(Records({"x0": clean, "mu": small}), limit_bytes=2**20)
    found = make_batches(kept, batch_size=40, scale=4)[0]
    np.testing.assert_array_equal(found["x0"], whole["x0"])
    np.testing.assert_allclose(found["mu"], whole["mu"], atol=1e-6)
    assert kept[0]["mu"] is small


def test_crops_change_from_epoch_to_epoch_and_reach_every_corner():
    source = pairs.ArrayPairs([np.arange(36.0).reshape(6, 6, 1) / 36])
    batches = take(make_batches(source, batch_size=50, augment=False), 2)
    corners = np.rint(
        36 * np.concatenate([batch["x0"][:, 0, 0, 0] for batch in batches])
    )
    assert set(corners) == {0, 1, 2, 6, 7, 8, 12, 13, 14}


def test_all_eight_orientations_are_equally_likely():
    image = np.arange(CROP * CROP, dtype=np.float32).reshape(CROP, CROP, 1) / 16
    expected = [
        np.rot90(turned, turns)
        for turned in (image, image.swapaxes(0, 1))
        for turns in range(4)
    ]
    crops = make_batches(pairs.ArrayPairs([image]), batch_size=1600)[0]["x0"]
    counts = np.array([(crops == turned).all((1, 2, 3)).sum() for turned in expected])
    assert counts.sum() == 1600
    # The standard deviation of a count is sqrt(1600 * 1/8 * 7/8) = 13.2.
    assert np.abs(counts - 200).max() < 5 * 13.2
    upright = make_batches(pairs.ArrayPairs([image]), augment=False)[0]["x0"]
    np.testing.assert_array_equal(upright, np.stack([image] * 3))


@pytest.mark.parametrize("num_threads", [0, 2])
def test_an_image_smaller_than_the_crop_is_named(tmp_path, num_threads):
    pixels = np.zeros((CROP - 1, 9, 3), np.float32)
    images.write_image(tmp_path / "small.png", ImageFile(pixels, None, 8))
    source = pairs.CleanFolder(tmp_path)
    with pytest.raises(ValueError, match=r"small\.png.* 3 x 9.* 4 x 4.* at most 3"):
        take(make_batches(source), 1, num_threads=num_threads)
    with pytest.raises(ValueError, match=r"small\.png.* 3 x 9"):
        pipeline.validation_crops(source, 1, CROP)


def test_validation_crops_are_central():
    source = make_source()
    crops = pipeline.validation_crops(source, 2, CROP)
    np.testing.assert_array_equal(crops["x0"][0], source[0]["x0"][1:5, 3:7])
    np.testing.assert_array_equal(crops["mu"][1], source[1]["mu"][1:5, 3:7])
    assert crops["x0"].shape == crops["mu"].shape == (2, CROP, CROP, 3)
    assert crops["x0"].dtype == np.float32


@pytest.mark.parametrize("num_images", [0, NUM_IMAGES + 1])
def test_validation_asks_for_images_that_exist(num_images):
    with pytest.raises(ValueError, match=r"1\.\.5"):
        pipeline.validation_crops(make_source(), num_images, CROP)


def test_wrong_numbers_are_errors():
    source = make_source()
    for options in (
        {"seed": -1, "batch_size": 1, "crop_size": 1},
        {"seed": 0, "batch_size": 0, "crop_size": 1},
        {"seed": 0, "batch_size": 1, "crop_size": 0},
    ):
        with pytest.raises(ValueError, match="got"):
            pipeline.training_batches(source, **options)
    for options in ({"start_step": -1}, {"num_threads": -1}, {"num_workers": -1}):
        with pytest.raises(ValueError, match="got"):
            pipeline.iterate(make_batches(), **options)


@pytest.mark.parametrize("num_shards", [2, 3])
def test_hosts_share_the_batches_of_one(num_shards):
    whole = make_batches(batch_size=6)
    shards = [
        make_batches(batch_size=6, shard_index=i, num_shards=num_shards)
        for i in range(num_shards)
    ]
    for step in (0, 5, 1000):
        expected = whole[step]
        for index, shard in enumerate(shards):
            assert_equal(
                shard[step], {key: expected[key][index::num_shards] for key in expected}
            )
    # No two pixels of the source are alike: within an epoch the hosts meet no image
    # twice, and together all of them.
    one_each = [
        make_batches(make_source(6), batch_size=6, shard_index=i, num_shards=num_shards)
        for i in range(num_shards)
    ]
    seen = [{image_of(crop) for crop in shard[0]["x0"]} for shard in one_each]
    assert sum(map(len, seen)) == len(set.union(*seen)) == 6


def image_of(crop):
    """The index of the image of `make_source(6)` that a crop was cut from."""
    source = make_source(6)
    value = crop.min()
    return next(i for i in range(6) if np.isclose(source[i]["x0"], value).any())


@pytest.mark.parametrize(("index", "count"), [(2, 2), (-1, 2), (0, 5)])
def test_a_share_that_cannot_be_is_an_error(index, count):
    with pytest.raises(ValueError, match=f"shard {index} of {count} cannot"):
        make_batches(batch_size=6, shard_index=index, num_shards=count)


class Damaged:
    """Images some of which cannot be read."""

    def __init__(self, *indices, num_images=NUM_IMAGES):
        self._source, self._indices = make_source(num_images), indices
        self.names = self._source.names

    def __len__(self):
        return len(self._source)

    def __getitem__(self, index):
        if index in self._indices:
            raise images.UnreadableImage(f"{index}.png is damaged.")
        return self._source[index]


def test_the_next_image_stands_for_one_that_cannot_be_read():
    sound = make_batches(Damaged(), batch_size=NUM_IMAGES)
    damaged = make_batches(Damaged(3, 4), batch_size=NUM_IMAGES)
    for step in (0, 7):
        batch, unreadable = pipeline.split_flags(damaged[step])
        assert sorted(unreadable) == [3, 4]
        flags = damaged[step][readable.UNREADABLE]
        same = [np.array_equal(a, b) for a, b in zip(batch["x0"], sound[step]["x0"])]
        assert same == list(flags == -1)
        assert_equal(damaged[step], damaged[step])  # the same once more
    with pytest.raises(ValueError, match=r"none of the 2 images can be read: 0\.png"):
        make_batches(Damaged(0, 1, num_images=2))[0]


def test_batches_are_put_ahead_in_order():
    put = []

    def note(batch):
        put.append(batch)
        return 10 * batch

    ahead = pipeline.Prefetch(iter(range(6)), note, size=2)
    assert next(ahead) == 0
    assert put == [0, 1, 2]
    assert list(itertools.islice(ahead, 3)) == [10, 20, 30]
    assert put == [0, 1, 2, 3, 4, 5]
    assert list(ahead) == [40, 50]
    assert ahead.waited_s >= 0


def test_waiting_for_batches_is_counted_and_their_errors_come_through():
    def slow():
        yield 0
        time.sleep(0.05)
        yield 1
        raise RuntimeError("a worker died")

    ahead = pipeline.Prefetch(slow(), lambda batch: batch, size=1)
    assert next(ahead) == 0
    assert ahead.waited_s >= 0.05
    with pytest.raises(RuntimeError, match="a worker died"):
        next(ahead)
