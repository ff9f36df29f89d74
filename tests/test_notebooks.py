"""The notebooks run, at a reduced size; they call the package and define nothing."""

import ast
import configparser
import os
import re
from pathlib import Path

import children
import jax
import pytest

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted(ROOT.glob("notebooks/*.ipynb"))

# What takes the place of a notebook's parameters, and the pictures it has to show.
TINY = ("width=4", "enc_blocks=(1,)", "dec_blocks=(1,)", "middle_blocks=0")
REDUCED = {
    "1_the_sde": (dict(SIZE=32, PATCH=16, NUM_SAMPLES=4, MAX_DOUBLINGS=1), 8),
    "2_train_on_your_pairs": (
        dict(
            PAIRS="pairs",
            EXPERIMENT="deraining:small",
            NUM_STEPS=2,
            BATCH_SIZE=2,
            CROP_SIZE=16,
            EVERY=1,
            SETTINGS=[f"--config.model.{value}" for value in TINY],
        ),
        5,
    ),
    "3_restore_and_judge": (dict(SIZE=24, EVALUATIONS=(1, 2), NUM_SAMPLES=2), 4),
}


def read(path):
    nbformat = pytest.importorskip("nbformat", reason="nbformat reads notebooks")
    return nbformat.read(path, as_version=4)


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def syntax_tree(cell):
    """Of a code cell; an IPython magic (`%pip install ...`) counts as `pass`."""
    lines = []
    for line in cell.source.splitlines():
        code = line.lstrip()
        is_magic = code.startswith(("%", "!"))
        lines.append(line[: -len(code)] + "pass" if is_magic else line)
    return ast.parse("\n".join(lines))


def reduce(notebook, values):
    """Replaces the assignments of the cell with the tag "parameters"."""
    (cell,) = (c for c in notebook.cells if "parameters" in c.metadata.get("tags", []))
    named = {node.targets[0].id for node in syntax_tree(cell).body}
    unknown = sorted(set(values) - named)
    assert not unknown, f"parameters that the notebook does not have: {unknown}"
    cell.source += "".join(f"\n{name} = {value!r}" for name, value in values.items())


def write_pairs(folder: Path) -> None:
    """What a user brings to the second notebook: photographs, and darker ones."""
    import skimage
    from PIL import Image

    parts = dict(
        train=(skimage.data.astronaut(), skimage.data.coffee()),
        validation=(skimage.data.chelsea(), skimage.data.rocket()),
        test=(skimage.data.immunohistochemistry(),),
    )
    for part, photographs in parts.items():
        for name, dimmed in (("GT", 1), ("LQ", 2)):
            (folder / part / name).mkdir(parents=True)
            for index, pixels in enumerate(photographs):
                crop = Image.fromarray(pixels[100:140, 100:140] // dimmed)
                crop.save(folder / part / name / f"{index}.png")


def by_name(path):
    return path.stem


def address() -> str:
    """The one home of the repository's address."""
    metadata = configparser.ConfigParser()
    metadata.read(ROOT / "setup.cfg", encoding="utf-8")
    return metadata["metadata"]["url"]


def test_readme_has_a_badge_for_every_notebook():
    owner_and_name = address().removeprefix("https://github.com/")
    folder = f"https://colab.research.google.com/github/{owner_and_name}/blob/main"
    readme = (ROOT / "README.md").read_text("utf-8")
    badges = re.findall(r"\[!\[[^]]+\]\[colab\]\]\[(\d)\]", readme)
    links = [re.search(rf"^\[{badge}\]: (.*)$", readme, re.M)[1] for badge in badges]
    assert links == [f"{folder}/notebooks/{path.name}" for path in NOTEBOOKS]
    assert readme.count("colab.research.google.com/github") == len(NOTEBOOKS)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=by_name)
def test_a_notebook_is_installed_from_the_repository(path):
    first, *_ = code_cells(read(path))
    assert re.findall(r"git\+(\S+)\"", first.source) == [address()]


def test_every_notebook_has_a_reduced_size():
    assert {path.stem for path in NOTEBOOKS} == set(REDUCED)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=by_name)
def test_a_notebook_is_stored_without_outputs(path):
    for cell in code_cells(read(path)):
        assert not cell.outputs
        assert cell.execution_count is None


@pytest.mark.parametrize("path", NOTEBOOKS, ids=by_name)
def test_a_notebook_defines_nothing(path):
    definitions = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    for cell in code_cells(read(path)):
        found = [n for n in ast.walk(syntax_tree(cell)) if isinstance(n, definitions)]
        assert not found, f"belongs into the package:\n{cell.source}"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=by_name)
def test_the_first_code_cell_installs_only_what_is_missing(path):
    first, *others = code_cells(read(path))
    (condition,) = (n for n in syntax_tree(first).body if isinstance(n, ast.If))
    assert (
        ast.unparse(condition.test) == "importlib.util.find_spec('irsde_jax') is None"
    )
    assert "%pip install" in first.source
    assert not any("%pip" in cell.source for cell in others)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=by_name)
def test_a_notebook_runs_and_shows_its_pictures(path, tmp_path, monkeypatch):
    for module in ("ipykernel", "matplotlib", "nbclient", "skimage"):
        pytest.importorskip(module, reason=f"{module} is needed to run notebooks")
    import nbclient

    values, num_pictures = REDUCED[path.stem]
    notebook = read(path)
    reduce(notebook, values)
    write_pairs(tmp_path / "pairs")
    path_entries = (str(ROOT), os.environ.get("PYTHONPATH"))
    option = "--xla_backend_optimization_level"  # conftest.py has tried it
    environment = {
        # The package of this tree; nothing is downloaded, nor written elsewhere.
        "PYTHONPATH": os.pathsep.join(filter(None, path_entries)),
        "PIP_NO_INDEX": "1",
        "IPYTHONDIR": str(tmp_path / "ipython"),
        "JUPYTER_RUNTIME_DIR": str(tmp_path / "runtime"),
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
        # Nearly all of the time is compilation: it is done fast, and kept.
        "JAX_PLATFORMS": "cpu",
        "XLA_FLAGS": f"{option}=0" if option in os.environ["XLA_FLAGS"] else "",
        "JAX_COMPILATION_CACHE_DIR": jax.config.jax_compilation_cache_dir,
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    folder = {"metadata": {"path": str(tmp_path)}}
    client = nbclient.NotebookClient(
        notebook,
        timeout=int(children.DEADLINE),
        kernel_name="python3",
        resources=folder,
    )
    client.execute()
    outputs = [output for cell in code_cells(notebook) for output in cell.outputs]
    pictures = [o for o in outputs if "image/png" in o.get("data", {})]
    assert len(pictures) >= num_pictures
