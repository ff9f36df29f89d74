"""Weights of LPIPS by a rule: those of the golden distances."""

import pickle

import numpy as np

SHAPES = ((64, 3, 11), (192, 64, 5), (384, 192, 3), (256, 384, 3), (256, 256, 3))


def tensors():
    """The two state dicts: weights of the golden distances."""
    backbone, linear = {}, {}
    for i, (index, (out, into, k)) in enumerate(zip((0, 3, 6, 8, 10), SHAPES)):
        rng = np.random.default_rng(i)
        weight = rng.normal(size=(out, into, k, k)) * np.sqrt(2 / (into * k * k))
        backbone[f"features.{index}.weight"] = weight.astype(np.float32)
        bias = rng.normal(size=out) * 0.1
        backbone[f"features.{index}.bias"] = bias.astype(np.float32)
        channel = np.random.default_rng(100 + i).uniform(size=(1, out, 1, 1))
        linear[f"lin{i}.model.1.weight"] = channel.astype(np.float32)
    return backbone, linear


def packaged(protocol=3):
    """Bytes as those of its file: the weights of the golden distances."""
    backbone, linear = tensors()
    nested = {"AlexNet_0": {}}
    for i, index in enumerate((0, 3, 6, 8, 10)):
        kernel = backbone[f"features.{index}.weight"].transpose(2, 3, 1, 0)
        bias = backbone[f"features.{index}.bias"]
        layer = {"kernel": np.ascontiguousarray(kernel), "bias": bias}
        nested["AlexNet_0"][f"Conv_{i}"] = layer
        channel = linear[f"lin{i}.model.1.weight"].reshape(1, 1, -1, 1)
        nested[f"NetLinLayer_{i}"] = {"Conv_0": {"kernel": channel}}
    return pickle.dumps(nested, protocol)
