"""Networks of users' own modules: trained, restored, packed, exported, and trusted."""

import copy
import runpy
import sys

import jax
import numpy as np
import pytest
import tiny_weights
from absl import flags

import irsde_jax
from irsde_jax import configuration, models, registry
from irsde_jax.cli import definitions, pack, parsing, running
from irsde_jax.data.image_files import images
from irsde_jax.export import stablehlo
from irsde_jax.restoration.restorer import Restorer
from irsde_jax.training import loop
from irsde_jax.training.callbacks import Callbacks

MODULE = '''
import equinox as eqx
import flax.linen as nn
import jax
import jax.numpy as jnp
from typing import NamedTuple, Callable


class Gain(NamedTuple):
    """A network of plain functions; its parameters are a tuple."""

    channels: int

    def init(self, key):
        return (jnp.full((), 0.5), [jax.random.normal(key, (self.channels,))])

    def apply(self, params, x, mu, t):
        gain, (bias,) = params
        return gain * (x - mu) + 0.1 * bias * jnp.cos(t)[:, None, None, None]


def gain(channels):
    return Gain(channels)


class Convolution(eqx.Module):
    layers: list
    activation: Callable

    def __init__(self, key, channels, width):
        first, second = jax.random.split(key)
        self.layers = [
            eqx.nn.Conv2d(2 * channels, width, 3, padding=1, key=first),
            eqx.nn.Conv2d(width, channels, 3, padding=1, key=second),
        ]
        self.activation = jnp.tanh

    def __call__(self, x, mu):
        h = jnp.concatenate([x - mu, mu], -1).transpose(2, 0, 1)
        h = self.layers[1](self.activation(self.layers[0](h)))
        return h.transpose(1, 2, 0)


class Equinox:
    """An Equinox module as a network: its arrays are the parameters."""

    def __init__(self, channels, width):
        self.channels, self.width = channels, width

    def make(self, key):
        return Convolution(key, self.channels, self.width)

    def init(self, key):
        return eqx.filter(self.make(key), eqx.is_array)

    def apply(self, params, x, mu, t):
        made = eqx.filter_eval_shape(self.make, jax.random.key(0))
        is_shape = lambda leaf: isinstance(leaf, jax.ShapeDtypeStruct)
        _, rest = eqx.partition(made, is_shape)
        return jax.vmap(eqx.combine(params, rest))(x, mu)


def equinox(channels, width=4, conditional=True):
    assert conditional
    return Equinox(channels, width)


class Dense(nn.Module):
    channels: int = 3
    scale: float = 1.0

    @nn.compact
    def __call__(self, x, mu, t):
        return nn.Dense(self.channels)(self.scale * (x - mu))


def nothing(channels):
    return 3
'''
GAIN, EQUINOX, DENSE = (f"outside_nets:{n}" for n in ("gain", "equinox", "Dense"))
PHOTO = np.random.default_rng(3).random((16, 20, 3), np.float32)


@pytest.fixture
def written(tmp_path, monkeypatch):
    """A module outside of the package that can be imported, and that nobody trusts."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(registry, "_trusted", set())
    (tmp_path / "outside_nets.py").write_text(MODULE)
    yield
    sys.modules.pop("outside_nets", None)


class Photos:
    """Clean images and their darker versions."""

    names = ("a", "b", "c", "d")

    def __len__(self):
        return len(self.names)

    def __getitem__(self, index):
        x0 = np.random.default_rng(index).random((24, 24, 3), np.float32)
        return {"x0": x0, "mu": 0.5 * x0}


@pytest.fixture
def config(tmp_path):
    """A training of three steps on pairs of files."""
    for index in range(4):
        for name, pixels in zip(("GT", "LQ"), Photos()[index].values()):
            image = images.ImageFile(pixels, None, 8)
            (tmp_path / "pairs" / name).mkdir(parents=True, exist_ok=True)
            images.write_image(tmp_path / "pairs" / name / f"{index}.png", image)
    config = tiny_weights.config("deraining:small").unlock()
    config.data.update(train_dir=str(tmp_path / "pairs"), crop_size=16, num_threads=1)
    config.train.update(batch_size=4, num_steps=3, log_every=1, checkpoint_every=2)
    config.validation.update(dir=str(tmp_path / "pairs"), every=2, num_images=2)
    config.validation.crop_size = 16
    config.sampling.num_evals = 2
    return config.lock()


def named(config, name, **options):
    config = copy.deepcopy(config).unlock()
    config.model = dict(name=name, channels=3, **options)
    return config.lock()


@pytest.mark.parametrize(
    ("name", "options"),
    [(GAIN, {}), (EQUINOX, {"width": 6}), (DENSE, {"scale": 0.5})],
    ids=["function", "equinox", "flax"],
)
def test_a_network_is_trained_restored_packed_and_exported(
    written, config, tmp_path, name, options
):
    state = loop.train(named(config, name, **options), tmp_path / "run")
    first = models.make_network(name, channels=3, **options).init(jax.random.key(0))
    assert jax.tree.structure(state.params) == jax.tree.structure(first)
    restore = irsde_jax.load(tmp_path / "run")
    trained = Restorer.from_config(restore.config, state.ema_params, restore.network)
    expected = trained(PHOTO)
    np.testing.assert_array_equal(restore(PHOTO), expected)
    assert np.abs(expected - PHOTO).max() > 1e-3

    file = pack.run(None, tmp_path / "run", tmp_path / "w.safetensors")
    packed = irsde_jax.load(file)
    np.testing.assert_allclose(packed(PHOTO), expected, atol=5e-3)  # float16

    folder = stablehlo.run(None, file, tmp_path / "export", [(16, 20)], ["cpu"])
    program = runpy.run_path(str(folder / "restore.py"))["restore"]
    np.testing.assert_allclose(program(PHOTO[None])[0], packed(PHOTO), atol=1e-6)


def test_a_weights_file_runs_no_code_that_nobody_trusts(
    written, config, tmp_path, monkeypatch
):
    loop.train(named(config, GAIN), tmp_path / "run")
    file = pack.run(None, tmp_path / "run", tmp_path / "w.safetensors")
    monkeypatch.setattr(registry, "_trusted", set())
    sys.modules.pop("outside_nets")
    for source in (file, tmp_path / "run"):
        with pytest.raises(ValueError, match="--trust=outside_nets"):
            irsde_jax.load(source)
    assert "outside_nets" not in sys.modules
    registry.trust("outside_nets")
    assert irsde_jax.load(file)(PHOTO).shape == PHOTO.shape


def run(*arguments):
    values = flags.FlagValues()
    definitions.define_flags(values)
    return running.run(values, parsing.parse(["irsde-jax", *arguments], values))


def test_the_command_line_trusts_what_the_user_names(
    written, config, tmp_path, monkeypatch, capsys
):
    """A work directory and --trust are the user's own words; a weights file is not."""
    loop.train(named(config, GAIN), tmp_path / "run")
    file = pack.run(None, tmp_path / "run", tmp_path / "w.safetensors")
    images.write_image(tmp_path / "a.png", images.ImageFile(PHOTO, None, 8))

    def restore(output, *given):
        monkeypatch.setattr(registry, "_trusted", set())
        to = [f"--input={tmp_path / 'a.png'}", f"--output={tmp_path / output}"]
        return run("--mode=restore", *given, *to)

    assert restore("one.png", f"--workdir={tmp_path / 'run'}") == 0
    assert restore("two.png", f"--weights={file}") == 1
    assert "--trust=outside_nets" in capsys.readouterr().err
    assert restore("two.png", f"--weights={file}", "--trust=other,outside_nets") == 0
    names = {path.name for path in tmp_path.glob("*.png")}
    assert names == {"a.png", "one.png", "two.png"}


def test_objects_are_trained_and_asked_for_again(written, config, tmp_path):
    registry.trust("outside_nets")
    network = models.make_network(GAIN, channels=3)
    logged, scored, saved = [], [], []
    callbacks = Callbacks(
        on_log=lambda step, metrics: logged.append((step, metrics["loss"])),
        on_validate=lambda step, scores: scored.append((step, sorted(scores))),
        on_checkpoint=lambda step, folder: saved.append((step, folder)),
    )
    options = dict(source=Photos(), model=network, callbacks=callbacks)
    state = loop.train(config, tmp_path / "run", **options)
    assert [step for step, _ in logged] == [1, 2, 3]
    assert all(np.isfinite(loss) for _, loss in logged)
    assert scored == [(step, ["validation_psnr", "validation_ssim"]) for step in (2, 3)]
    assert [step for step, _ in saved] == [2, 3]
    assert all((folder / "ema_params").is_dir() for _, folder in saved)
    stored = configuration.read_stored(tmp_path / "run")
    assert stored.model.name == "<object of outside_nets.Gain>"
    assert stored.data.train_dir == "<object of test_outside_networks.Photos>"
    with pytest.raises(ValueError, match=r"given to `train` as an object"):
        irsde_jax.load(tmp_path / "run")
    restore = irsde_jax.load(tmp_path / "run", model=network)
    np.testing.assert_array_equal(restore.params[0], state.ema_params[0])
    again = loop.train(config, tmp_path / "run", **options)  # it is trained already
    np.testing.assert_array_equal(again.params[0], state.params[0])


def test_slips_are_errors_that_help(written):
    registry.trust("outside_nets")
    with pytest.raises(ValueError, match=r"no option 'widht'.*'width'"):
        models.make_network(EQUINOX, channels=3, widht=8)
    with pytest.raises(TypeError, match=r"3 is no network: it needs init"):
        models.make_network("outside_nets:nothing", channels=3)
    with pytest.raises(ValueError, match=r"no option 'depth'.*'scale'"):
        models.make_network(DENSE, channels=3, depth=2)
