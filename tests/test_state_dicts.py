"""Weights as trainers wrap them: which are taken, what is said, what is refused."""

import logging
import pickle
import zipfile

import chex
import numpy as np
import pytest
from pytorch_files import GOLDEN, NAFNET, described, read_all, write
from pytorch_opcodes import tensor, written

from irsde_jax.checkpoints import load_pytorch
from irsde_jax.models import ConditionalNAFNet

# What may lie beside weights, as opcodes.
NUMPY_SCALAR = pickle.dumps(np.float64(31.2), 2)[2:-1]
NAMESPACE = b"cargparse\nNamespace\n)\x81}X\x02\x00\x00\x00lrK\x01sb"
SETTINGS = b"comegaconf.dictconfig\nDictConfig\n)\x81}b"
WHOLE_MODEL = b"cmodels.nafnet\nNAFNet\n)\x81}b"


@pytest.fixture(scope="module")
def ema():
    return read_all(GOLDEN / "nafnet.pth")


@pytest.fixture(scope="module")
def raw(ema):
    return {name: 1.5 * array + 0.25 for name, array in ema.items()}


@pytest.fixture(scope="module")
def expected():
    return load_pytorch(GOLDEN / "nafnet.pth")[1]


def prefixed(state, prefix):
    return {prefix + name: array for name, array in state.items()}


def optimizer(state):
    """The state of Adam: dictionaries whose keys are integers."""
    one = np.ones(1, np.float32)
    first, second, *_ = state.values()
    return {"state": {0: {"exp_avg": first, "step": one}, 1: {"exp_avg": second}}}


WRAPPED = {
    "params and EMA": lambda ema, raw: {"params": raw, "params_ema": ema},
    "EMA and params": lambda ema, raw: {"params_ema": ema, "params": raw},
    "EMA alone": lambda ema, raw: {"params_ema": ema},
    "params alone": lambda ema, raw: {"params": ema},
    "compiled": lambda ema, raw: prefixed(ema, "_orig_mod."),
    "parallel and compiled": lambda ema, raw: prefixed(ema, "module._orig_mod."),
    "model": lambda ema, raw: {"model": ema, "epoch": 3},
    "net_g": lambda ema, raw: {"net_g": prefixed(ema, "net.")},
    "timm": lambda ema, raw: {"state_dict": raw, "state_dict_ema": ema, "arch": "n"},
    "Lightning": lambda ema, raw: {
        "state_dict": prefixed(ema, "model."),
        "optimizer_states": optimizer(raw),
        "pytorch-lightning_version": "2.2",
        "hyper_parameters": SETTINGS,
    },
    "Lightning's callback": lambda ema, raw: {
        "state_dict": prefixed(raw, "model."),
        "callbacks": {"EMACallback": {"ema_state_dict": prefixed(ema, "model.")}},
    },
    "ema_pytorch": lambda ema, raw: (
        prefixed(raw, "online_model.")
        | prefixed(ema, "ema_model.")
        | {"initted": np.ones(1, np.float32), "step": np.full(1, 9, np.int64)}
    ),
    "ema_pytorch inside": lambda ema, raw: {
        "model": prefixed(raw, "model."),
        "ema": prefixed(raw, "online_model.model.") | prefixed(ema, "ema_model.model."),
        "opt": optimizer(raw),
    },
    "EMA in capitals": lambda ema, raw: {"model": raw, "modelEMA": {"module": ema}},
    "one prefix inside the other": lambda ema, raw: (
        prefixed(raw, "net.") | prefixed(ema, "net.ema.")
    ),
    "no prefix beside one": lambda ema, raw: raw | prefixed(ema, "ema."),
    "averaged": lambda ema, raw: (
        prefixed(ema, "module.") | {"n_averaged": np.ones(1, np.int64)}
    ),
    "a counter among the weights": lambda ema, raw: (
        ema | {"step": np.ones(1, np.int64)}
    ),
    "scores and settings": lambda ema, raw: {
        "state_dict": ema,
        "best_psnr": NUMPY_SCALAR,
        "args": NAMESPACE,
        "opt": SETTINGS,
        "ema_decay": 1,
    },
    "in a list": lambda ema, raw: {
        "models": b"](" + WHOLE_MODEL + b"e",
        "nets": {"a": ema},
    },
}


@pytest.mark.parametrize("kind", WRAPPED)
def test_the_weights_are_found_and_the_ema_is_preferred(
    kind, ema, raw, expected, tmp_path, caplog
):
    write(tmp_path / "w.pth", WRAPPED[kind](ema, raw))
    with caplog.at_level(logging.INFO, "irsde_jax"):
        model, params = load_pytorch(tmp_path / "w.pth")
    assert model == ConditionalNAFNet(**NAFNET)
    chex.assert_trees_all_equal(params, expected)
    assert all(record.levelno < logging.WARNING for record in caplog.records)


def load(path, saved, caplog):
    """What is logged when `saved` is loaded."""
    write(path, saved)
    with caplog.at_level(logging.INFO, "irsde_jax"):
        load_pytorch(path)
    return caplog.text


def test_what_was_chosen_and_what_was_left_is_logged(ema, raw, tmp_path, caplog):
    saved = {"params": raw, "params_ema": prefixed(ema, "module."), "epoch": 3}
    text = load(tmp_path / "w.pth", saved, caplog)
    assert "w.pth: the weights in params_ema, names module.* are used, the EMA" in text
    assert f"Left out: params (dictionary of {len(raw)}), epoch (int)." in text


def test_what_shares_the_dictionary_is_logged_too(ema, raw, tmp_path, caplog):
    saved = prefixed(ema, "ema_model.") | prefixed(raw, "online_model.") | {"step": 1}
    text = load(tmp_path / "w.pth", saved, caplog)
    assert f"Left out: online_model.* ({len(raw)} values), step." in text


def test_nothing_is_logged_of_a_plain_file(ema, tmp_path, caplog):
    assert load(tmp_path / "w.pth", ema, caplog) == ""


def test_raw_weights_beside_an_ema_that_does_not_fit_are_a_warning(
    raw, tmp_path, caplog
):
    saved = {"params": raw, "params_ema": {"shadow": np.ones(5, np.float32)}}
    text = load(tmp_path / "w.pth", saved, caplog)
    assert "WARNING" in text
    assert "the raw weights are used. What is called EMA does not fit" in text
    assert "params_ema" in text.split("does not fit")[1]


def test_one_dictionary_by_two_names_is_no_reason_to_warn(ema, tmp_path, caplog):
    storages = []
    shared = described(ema, storages) + b"q\x00"  # remembered, and used again
    pickled = b"}(" + written("params") + shared + written("params_ema") + b"h\x00u"
    with zipfile.ZipFile(tmp_path / "w.pth", "w") as archive:
        archive.writestr("a/data.pkl", b"\x80\x02" + pickled + b".")
        for key, array in enumerate(storages):
            archive.writestr(f"a/data/{key}", array.tobytes())
    with caplog.at_level(logging.INFO, "irsde_jax"):
        load_pytorch(tmp_path / "w.pth")
    assert "params" in caplog.text
    assert "does not fit" not in caplog.text


@pytest.mark.parametrize(
    ("names", "reason"),
    [
        (("net_a", "net_b"), "none is called EMA: net_a; net_b"),
        (("schema", "cinema"), "none is called EMA: schema; cinema"),
        (("ema_0.99", "ema_0.9999"), "more than one is an EMA: ema_0.99; ema_0.9999"),
    ],
)
def test_a_choice_that_would_be_a_guess_is_refused(names, reason, ema, raw, tmp_path):
    path = tmp_path / "two.pth"
    write(path, dict(zip(names, (ema, raw))))
    with pytest.raises(ValueError, match=f"two.pth.*fit equally.*{reason}"):
        load_pytorch(path)
    write(
        path,
        {
            f"{name}.{key}": state[key]
            for name, state in zip("ab", (ema, raw))
            for key in state
        },
    )
    with pytest.raises(ValueError, match=r"the file, names a\.\*; the file, names b"):
        load_pytorch(path)


def test_equal_copies_are_no_guess(ema, expected, tmp_path):
    write(tmp_path / "w.pth", {"net_a": ema, "net_b": ema})
    chex.assert_trees_all_equal(load_pytorch(tmp_path / "w.pth")[1], expected)


def test_of_what_does_not_fit_the_nearest_is_explained(ema, raw, tmp_path):
    path = tmp_path / "w.pth"
    renamed = dict(ema)
    renamed["ending.biases"] = renamed.pop("ending.bias")
    few = dict(list(raw.items())[:4]) | {"intro.weight": raw["intro.weight"]}
    write(path, {"params": renamed, "other": few})
    with pytest.raises(ValueError, match=r"w\.pth.*params: not the weights") as error:
        load_pytorch(path)
    assert "1 missing: ending.bias (nearest: ending.biases)" in str(error.value)
    assert "It fits best; also found: other" in str(error.value)


def test_a_file_without_the_network_says_what_it_holds(ema, tmp_path):
    path = tmp_path / "w.pth"
    write(path, {"model": {"intro.weights": ema["intro.weight"]}, "epoch": 3})
    with pytest.raises(ValueError, match=r"Its 1 tensors are model.intro.weights") as e:
        load_pytorch(path)
    assert "The nearest is model.intro.weights to intro.weight." in str(e.value)
    write(path, WHOLE_MODEL)
    with pytest.raises(ValueError, match=r"a whole models.nafnet.NAFNet object"):
        load_pytorch(path)
    write(path, {"ema": WHOLE_MODEL})
    with pytest.raises(ValueError, match=r"no named tensors: ema \(models.nafnet"):
        load_pytorch(path)
    wrong = b"ctorch._utils\n_rebuild_sparse_tensor\n)R"
    write(path, ema | {"ending.bias": wrong})
    with pytest.raises(ValueError, match=r"ending.bias \(torch._utils._rebuild_sparse"):
        load_pytorch(path)


def test_tensors_that_are_left_out_are_not_read(ema, expected, tmp_path):
    lost = tensor("no such key", "FloatStorage", 2**30, (1,), (1,))
    write(tmp_path / "w.pth", {"params": ema, "optimizer": {"state": lost}})
    chex.assert_trees_all_equal(load_pytorch(tmp_path / "w.pth")[1], expected)
