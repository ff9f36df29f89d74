"""Lookup of objects by name, in the tables of this package or in external modules.

A configuration names a network, a solver, a process, a degradation, a theta schedule or
an image source. A plain name, such as "nafnet", is a key of the table of that kind.
A name of the form "package.module:Name" is an object in a module outside this package.

Importing a module runs its code, and a configuration may come with weights from an
untrusted source. A module is therefore imported only if the user has named it, either
in a configuration or an override of their own, or by calling `trust`.
"""

import difflib
import importlib
import inspect
from collections.abc import Mapping
from typing import Any, TypeVar

Value = TypeVar("Value")

_trusted: set[str] = set()


def trust(*modules: str) -> None:
    """Allows `find` to import modules, such as "my_networks", in this process."""
    _trusted.update(modules)


def is_external(name: str) -> bool:
    """Returns whether a name refers to an object in a module outside this package."""
    return ":" in name


def module_of(name: str) -> str:
    """Returns the module of an external name: "my.networks" for "my.networks:Net"."""
    return name.partition(":")[0]


def find(name: str, table: Mapping[str, Value], what: str) -> Value:
    """Returns the object with the given name.

    Args:
        name: A key of `table`, or a name of the form "package.module:Name".
        table: The objects of this package, by name.
        what: The setting that holds the name, such as "model.name". Error messages
            mention it.

    Raises:
        ValueError: If there is no such object, or if its module is not trusted.
    """
    if not is_external(name):
        if name not in table:
            near = difflib.get_close_matches(name, table, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise ValueError(
                f"{what}={name!r} is not one of {sorted(table)}.{hint} An object of "
                "your own is named 'package.module:Name'."
            )
        return table[name]
    module_name, _, attribute = name.partition(":")
    if module_name not in _trusted:
        raise ValueError(
            f"{what}={name!r} is code outside of irsde_jax, and nobody has said that "
            f"the module {module_name!r} may run: nothing was imported. If you trust "
            f"it, add --trust={module_name}, or call "
            f"irsde_jax.registry.trust({module_name!r}) first."
        )
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        raise ValueError(
            f"{what}={name!r}: there is no module {error.name!r}. Run the command in "
            "the folder of its file, or add that folder to PYTHONPATH."
        ) from error
    found: Any = module
    for part in attribute.split("."):
        if not hasattr(found, part):
            names = [each for each in vars(module) if not each.startswith("_")]
            near = difflib.get_close_matches(attribute, names, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise ValueError(
                f"{what}={name!r}: the module {module_name!r} has no {attribute!r}."
                f"{hint}"
            )
        found = getattr(found, part)
    _require_origin(found, name, what)
    value: Value = found
    return value


def _require_origin(found: object, name: str, what: str) -> None:
    """Raises if a function or class is not from the package of its trusted module.

    Trusting a module does not extend to what it imports: a stored configuration could
    otherwise name "my_networks:os.system".
    """
    if inspect.ismodule(found):
        raise ValueError(f"{what}={name!r} is a module; name an object in it.")
    if not (inspect.isroutine(found) or inspect.isclass(found)):
        return
    origin = getattr(found, "__module__", None) or "builtins"
    if origin.partition(".")[0] != module_of(name).partition(".")[0]:
        raise ValueError(
            f"{what}={name!r} is from the module {origin!r}, which is not part of "
            f"{module_of(name)!r}. Name it by its own module, and trust that one."
        )
