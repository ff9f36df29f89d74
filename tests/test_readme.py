"""What the README says can be done: its links lead somewhere, its settings exist."""

import re
from pathlib import Path

import pytest

from irsde_jax import configuration
from irsde_jax.cli.flags import known_names
from irsde_jax.cli.modes import MODES
from irsde_jax.configuration.values import flatten

ROOT = Path(__file__).resolve().parents[1]
TEXT = (ROOT / "README.md").read_text("utf-8")


def test_links_lead_to_files():
    links = re.findall(r"\]\(([^)#]+)\)", TEXT)
    local = [link for link in links if not link.startswith("http")]
    assert len(local) > 10
    assert not [link for link in local if not (ROOT / link).exists()]


@pytest.mark.parametrize("page", sorted(ROOT.glob("docs/*.md")), ids=lambda p: p.name)
def test_links_of_the_pages_lead_to_files(page):
    links = re.findall(r"\]\(([^)#]+)\)", page.read_text("utf-8"))
    local = [link for link in links if not link.startswith("http")]
    assert not [link for link in local if not (page.parent / link).exists()]


def test_nothing_waits_to_be_filled_in():
    assert not re.findall(r"\b[A-Z]+_TABLE\b|TODO", TEXT)


NAMES = set(re.findall(r"--config=([a-z_:,]+)", TEXT)) - {"mine"}


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
