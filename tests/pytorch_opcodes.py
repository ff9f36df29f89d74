"""The opcodes of PyTorch files that tests build by hand."""

import struct

STORAGE_TYPES = {
    "float64": "DoubleStorage",
    "float32": "FloatStorage",
    "float16": "HalfStorage",
    "bfloat16": "BFloat16Storage",
    "int64": "LongStorage",
    "bool": "BoolStorage",
}


def written(text):
    """The opcodes that push a short string or an integer."""
    if isinstance(text, str):
        return b"X" + struct.pack("<I", len(text.encode())) + text.encode()
    return b"J" + struct.pack("<i", text)


def integers(numbers):
    return b"(" + b"".join(map(written, numbers)) + b"t"


def tensor(key, kind, num_elements, size, stride, offset=0):
    """The opcodes of a tensor in the storage `key`, as torch.save writes them."""
    return b"".join(
        [
            b"ctorch._utils\n_rebuild_tensor_v2\n((",
            written("storage") + f"ctorch\n{kind}\n".encode(),
            written(key) + written("cpu") + written(num_elements) + b"tQ",
            written(offset) + integers(size) + integers(stride),
            b"\x89ccollections\nOrderedDict\n)RtR",
        ]
    )


def contiguous(key, array):
    """The opcodes of a whole array."""
    stride = [step // array.itemsize for step in array.strides]
    kind = STORAGE_TYPES[array.dtype.name]
    return tensor(key, kind, array.size, array.shape, stride)


def ordered_dict(items):
    """The opcodes of an OrderedDict that carries PyTorch's metadata."""
    body = b"".join(written(name) + value for name, value in items.items())
    metadata = b"}" + written("_metadata") + b"}sb"
    return b"ccollections\nOrderedDict\n)R(" + body + b"u" + metadata
