"""PyTorch files: the golden networks, and files as torch.save writes them."""

import pathlib
import zipfile

import numpy as np
import pytorch_opcodes as opcodes

from irsde_jax.checkpoints.pytorch_file import opened

GOLDEN = pathlib.Path(__file__).parent / "golden" / "networks"
# Made with the official PyTorch modules and random weights: NAME.pth holds the weights,
# NAME.npz inputs (NHWC, an even and an odd size) and outputs in float32.
NAFNET = dict(width=8, enc_blocks=(1, 2), middle_blocks=1, dec_blocks=(1, 1))


def described(saved, storages):
    """The opcodes of nested dictionaries of arrays; bytes are opcodes already."""
    if isinstance(saved, dict):
        items = {name: described(value, storages) for name, value in saved.items()}
        return opcodes.ordered_dict(items)
    if isinstance(saved, np.ndarray):
        array = np.ascontiguousarray(saved)
        storages.append(array)
        return opcodes.contiguous(str(len(storages) - 1), array)
    return saved if isinstance(saved, bytes) else opcodes.written(saved)


def write(path, saved):
    """A file as torch.save writes it, of contiguous float32 or int64 tensors."""
    storages = []
    pickled = described(saved, storages)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a/data.pkl", b"\x80\x02" + pickled + b".")
        for key, array in enumerate(storages):
            archive.writestr(f"a/data/{key}", array.tobytes())


def read_all(path):
    """All tensors of a file that holds nothing else."""
    with opened(path) as file:
        return {name: file.array(tensor) for name, tensor in file.saved.items()}
