"""The README and the documentation: what they say can be done, can be done."""

import importlib.util
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from absl import flags
from PIL import Image

from docs import generators
from docs.generators import api, docstrings
from docs.generators import command_line as command_line_page
from docs.generators import configuration as configuration_page
from irsde_jax import configuration, registry
from irsde_jax.cli.definitions import define_flags
from irsde_jax.cli.flags import FLAGS, known_names
from irsde_jax.cli.modes import MODES
from irsde_jax.cli.parsing import parse
from irsde_jax.configuration.values import flatten

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
PAGES = [README, ROOT / "CONTRIBUTING.md", *sorted(ROOT.glob("docs/*.md"))]
TEXTS = {page: page.read_text("utf-8") for page in PAGES}
TEXT = "\n".join(TEXTS.values())

# A block of Python that needs what a reader has is marked by a comment above it.
BLOCK = re.compile(r"(<!-- not run: .*? -->\n)?^```python\n(.*?)^```", re.M | re.S)


def by_name(page: Path) -> str:
    return page.stem


def test_the_readme_is_short():
    lines = TEXTS[README].splitlines()
    assert len(lines) <= 150
    assert [line for line in lines if len(line) > 120] == []


def test_nothing_waits_to_be_filled_in():
    assert re.findall(r"\b[A-Z]+_TABLE\b|TODO|FIXME", TEXT) == []


# Links.


@pytest.mark.parametrize("page", PAGES, ids=by_name)
def test_links_lead_somewhere(page):
    generated = set(generators.pages())
    for link in re.findall(r"\]\(([^)\s]+)\)", TEXTS[page]):
        target, _, anchor = link.partition("#")
        if re.match(r"https?:", link):
            continue
        if target.startswith("source:"):
            assert (ROOT / target.removeprefix("source:")).exists(), link
        elif target.startswith("notebooks/") and page != README:
            assert (ROOT / f"{target}").exists(), link
        elif target not in generated:
            path = page.parent / target if target else page
            assert path.exists(), link
            if anchor:
                assert anchor in anchors(path.read_text("utf-8")), link


def anchors(text: str) -> set[str]:
    """The names that links may use for the headings and labels of a page."""
    headings = re.findall(r"^#+ (.*)$", text, re.M)
    words = [re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings]
    labels = re.findall(r"^\((.*)\)=$", text, re.M)
    return {heading.replace(" ", "-") for heading in words} | set(labels)


# Python.


@pytest.mark.parametrize("page", PAGES, ids=by_name)
def test_python_runs(page, tmp_path, monkeypatch):
    """All blocks of a page run one after another, in a folder with one photograph."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(registry, "_trusted", set())
    pixels = np.random.default_rng(0).normal(128, 25, (64, 64, 3)).clip(0, 255)
    Image.fromarray(pixels.astype(np.uint8)).save("photo.png")
    namespace: dict[str, object] = {"__name__": "documentation"}
    for is_marked, block in BLOCK.findall(TEXTS[page]):
        if not is_marked:
            exec(compile(block, page.name, "exec"), namespace)


def test_most_python_runs():
    blocks = BLOCK.findall(TEXT)
    assert len(blocks) > 10
    assert len([block for marked, block in blocks if marked]) <= 2


def test_the_readme_restores_a_photograph(tmp_path, monkeypatch):
    test_python_runs(README, tmp_path, monkeypatch)
    noisy, restored = (
        np.asarray(Image.open(tmp_path / name))
        for name in ("photo.png", "restored.png")
    )
    assert restored.shape == noisy.shape
    assert restored.std() < 0.5 * noisy.std()


# Command lines.


def command_lines() -> list[str]:
    """What follows `python -m irsde_jax.main` or `irsde-jax`, in blocks and in text."""
    found = []
    for block in re.findall(r"^```sh\n(.*?)^```", TEXT, re.M | re.S):
        joined = block.replace("\\\n", " ")
        found += re.findall(
            r'(?:python -m irsde_jax\.main|^irsde-jax) +([^"\n]*)', joined, re.M
        )
    for span in re.findall(r"`python -m irsde_jax\.main ([^`]+)`", TEXT):
        if "..." not in span:
            found.append(" ".join(span.split()))
    return sorted(set(found))


COMMANDS = command_lines()


def test_command_lines_are_found():
    assert len(COMMANDS) > 15


@pytest.mark.parametrize("line", COMMANDS)
def test_command_lines_are_understood(line):
    values = flags.FlagValues()
    define_flags(values)
    overrides = parse(["main", *shlex.split(line, comments=True)], values)
    config = configuration.load(values.config or "default")
    assert configuration.override(config, overrides).is_locked


def test_modules_that_are_run_exist():
    modules = set(re.findall(r"python -m ((?:benchmarks|irsde_jax)[\w.]*)", TEXT))
    assert len(modules) > 8
    assert [name for name in modules if importlib.util.find_spec(name) is None] == []


def test_flags_of_benchmarks_exist():
    for name, rest in re.findall(r"python -m benchmarks\.(\w+)([^`\n]*)", TEXT):
        path = ROOT / "benchmarks" / f"{name}.py"
        files = [path] if path.exists() else (ROOT / "benchmarks" / name).glob("*.py")
        source = "".join(file.read_text("utf-8") for file in files)
        for flag in re.findall(r"--([a-z_]+)", rest):
            assert f'"--{flag}"' in source, f"benchmarks.{name} has no --{flag}"


def test_targets_of_make_exist():
    makefile = (ROOT / "Makefile").read_text("utf-8")
    named = set(re.findall(r"`make ([a-z-]+)`|^make ([a-z-]+)", TEXT, re.M))
    targets = {name for pair in named for name in pair if name}
    assert {"demo", "test", "docs"} <= targets
    assert [name for name in targets if f"\n{name}:" not in makefile] == []


def test_extras_exist():
    setup = (ROOT / "setup.cfg").read_text("utf-8")
    named = re.findall(r'"(?:\.|irsde_jax)\[([a-z,]+)\]"', TEXT)
    extras = {extra for names in named for extra in names.split(",")}
    assert len(extras) > 5
    assert [name for name in extras if f"\n{name} =\n" not in setup] == []


NAMES = set(re.findall(r"--config=([a-z_:,]+)(?![\w.])", TEXT)) - {"mine"}


@pytest.mark.parametrize("name", sorted(NAMES))
def test_configurations_exist(name):
    assert configuration.load(name).is_locked


def test_settings_exist():
    known = set(flatten(configuration.load("default")))
    named = set(re.findall(r"--config\.([a-z_]+\.[a-z_0-9]+)=", TEXT))
    assert len(named) > 20
    assert named - {"group.name"} <= known


def test_modes_and_flags_exist():
    modes = set(re.findall(r"--mode=([a-z]+)", TEXT))
    assert modes == set(MODES) - {"train"}
    named = set(re.findall(r"irsde_jax\.main[^`]*? --([a-z_]+)[ =`\n]", TEXT))
    assert named <= known_names()


# Generated pages.


def test_the_reference_of_the_command_line_is_complete():
    text = command_line_page.page()
    for name, mode in MODES.items():
        assert f"## `--mode={name}`" in text
        assert mode.summary in text
    assert [flag.name for flag in FLAGS if f"`--{flag.name}" not in text] == []


def test_the_reference_of_the_configuration_is_complete():
    text = configuration_page.page()
    known = flatten(configuration.load("default"))
    assert [key for key in known if f"| `{key}` |" not in text] == []


def test_every_setting_has_a_comment_in_whole_sentences():
    for group, _, settings in configuration_page.groups():
        for setting in settings:
            comment = setting.comment
            assert comment.endswith("."), f"{group}.{setting.name}: {comment!r}"
            assert comment[0].isupper() or comment[0] == '"', comment


def test_defaults_are_those_of_the_configuration():
    rows = re.findall(r"\| `sampling\.(\w+)` \| `(.*?)` \|", configuration_page.page())
    defaults = configuration.load("default").sampling
    assert {name: repr(defaults[name]) for name, _ in rows} == dict(rows)


def test_the_reference_of_the_api_names_every_module():
    entries = {path.stem for path in (ROOT / "irsde_jax").iterdir()}
    modules = {name for name in entries if not name.startswith(("_", "py"))}
    documented = {title.removeprefix("irsde_jax.") for title in api.PAGES}
    assert modules == documented | api.INTERNAL
    assert not documented & api.INTERNAL


@pytest.mark.parametrize("title", sorted(api.PAGES))
def test_public_names_are_documented(title):
    text = api.page(title)
    for module in api.PAGES[title]:
        assert api.public_names(module), module
        for name in api.public_names(module):
            documented = (
                f":: {module}.{name}\n" in text or f"py:data:: {name}\n" in text
            )
            assert documented, name


def test_names_of_the_package_lead_to_the_reference():
    homes = api.public_homes()
    assert homes["optimal_reverse_state"] == "irsde_jax.sde.optimal_reverse_state"
    assert "find" not in homes  # of `registry` and of `processes.holes`
    assert "{py:obj}`irsde_jax.restoration.loading.load`" in api.overview()


# Docstrings.


def to_rest(text: str) -> str:
    known = {"known": "irsde_jax.sde.known"}
    return "\n".join(docstrings.to_rest(text.split("\n"), known.get))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The mean of `x`.", "The mean of ``x``."),
        ("See `known`.", "See :py:obj:`known <irsde_jax.sde.known>`."),
        ("Two `known`s.", "Two :py:obj:`known <irsde_jax.sde.known>`\\ s."),
        ("p(x_t | x_0) * 2", "p(x_t \\| x_0) \\* 2"),
        ("For *any* two steps", "For *any* two steps"),
        ("x_ is", "x\\_ is"),
        ("``a`` stays", "``a`` stays"),
        ("A formula:\n\n    a * b\n\nEnd.", "A formula:\n\n::\n\n    a * b\n\n\nEnd."),
        ("Args:\n    x: A `known` * 2.", None),
        ("| a | b |\n|---|---|\n| `c` | d |", None),
    ],
)
def test_docstrings_become_rest(text, expected):
    result = to_rest(text)
    if expected is not None:
        assert result == expected
    elif text.startswith("Args"):
        link = ":py:obj:`known <irsde_jax.sde.known>`"
        assert result == f"Args:\n    x: A {link} \\* 2."
    else:
        assert "   * - a\n     - b\n   * - ``c``\n     - d" in result
