"""Names of a table, names of a user's modules, and what is never imported."""

import sys

import pytest

from irsde_jax import registry

TABLE = {"nafnet": 1, "unet": 2}


@pytest.fixture
def module(tmp_path, monkeypatch):
    """A module that says when it runs."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(registry, "_trusted", set())
    text = "import builtins\nbuiltins.was_run = True\nclass Net:\n    size = 3\n"
    (tmp_path / "outside_module.py").write_text(text)
    yield "outside_module"
    sys.modules.pop("outside_module", None)


def test_a_plain_name_is_a_key_of_the_table():
    assert registry.find("unet", TABLE, "model.name") == 2
    with pytest.raises(ValueError, match=r"model\.name='unett'.*Did you mean 'unet'"):
        registry.find("unett", TABLE, "model.name")


def test_a_module_that_nobody_trusts_is_not_imported(module):
    with pytest.raises(ValueError, match=r"nothing was imported.*--trust=outside"):
        registry.find(f"{module}:Net", TABLE, "model.name")
    assert module not in sys.modules


def test_an_object_of_a_trusted_module_is_found(module):
    registry.trust(module)
    assert registry.find(f"{module}:Net", TABLE, "model.name").size == 3
    assert registry.find(f"{module}:Net.size", TABLE, "model.name") == 3
    with pytest.raises(ValueError, match=r"has no 'Nett'. Did you mean 'Net'"):
        registry.find(f"{module}:Nett", TABLE, "model.name")


def test_what_a_trusted_module_imports_is_not_trusted(module):
    """A configuration of a stranger may name anything that the module can reach."""
    registry.trust(module)
    path = f"{module}:builtins"
    with pytest.raises(ValueError, match=r"is a module"):
        registry.find(path, TABLE, "model.name")
    for name in ("eval", "dict"):
        with pytest.raises(ValueError, match=r"from the module 'builtins'"):
            registry.find(f"{path}.{name}", TABLE, "model.name")


def test_a_missing_module_is_named(monkeypatch):
    monkeypatch.setattr(registry, "_trusted", {"no_such_module"})
    with pytest.raises(ValueError, match=r"no module 'no_such_module'.*PYTHONPATH"):
        registry.find("no_such_module:Net", TABLE, "model.name")
