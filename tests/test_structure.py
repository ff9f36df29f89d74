"""The size limits of the source code, and how they are measured."""

import ast

import pytest

from benchmarks import structure
from benchmarks.structure import Module

LONGEST_MODULE, LONGEST_FUNCTION, MOST_ARGUMENTS = 250, 60, 5

MODULES = structure.read_modules()


def too_large(found, limit):
    """What exceeds the limit, a line each."""
    return "\n".join(str(each) for each in found if each.size > limit)


def module(source, path="irsde_jax/a.py"):
    return Module(path, len(source.splitlines()), ast.parse(source))


def test_no_module_is_long():
    found = too_large(structure.long_modules(MODULES), LONGEST_MODULE)
    assert not found, f"Split these modules by concept:\n{found}"


def test_no_function_is_long():
    found = too_large(structure.long_functions(MODULES), LONGEST_FUNCTION)
    assert not found, f"Split these functions:\n{found}"


def test_no_call_has_many_positional_arguments():
    found = too_large(structure.calls(MODULES), MOST_ARGUMENTS)
    assert not found, f"Pass these arguments by keyword:\n{found}"


def test_no_signature_has_many_positional_arguments():
    found = too_large(structure.signatures(MODULES), MOST_ARGUMENTS)
    assert not found, f"Make these arguments keyword-only:\n{found}"


def test_no_call_unpacks_a_literal():
    found = too_large(structure.unpacked_literals(MODULES), 0)
    assert not found, f"Write these arguments out:\n{found}"


def test_a_function_reaches_from_def_to_its_last_line():
    found = structure.long_functions([module("@f\ndef g():\n    a\n\n    b\nc")])
    assert [(each.size, each.line, each.name) for each in found] == [(4, 2, "g")]


def test_a_signature_counts_what_may_be_given_without_a_keyword():
    source = (
        "def f(a, b=1, *rest, c, **d): ...\nclass G:\n    def h(self, a, /, b): ..."
    )
    found = structure.signatures([module(source)])
    assert {each.name: each.size for each in found} == {"f": 2, "h": 2}


@pytest.mark.parametrize(
    ("call", "count"),
    [
        ("f(1, 2, a=3)", 2),
        ("f(1, *rest)", 2),
        ("other.f(1, 2)", 2),
        ("self.field(1)", 1),
        ("step(1, 2)", 2),  # a parameter, say
        ("jax.vmap(f)(1, 2, 3)", 3),
        ("x().f(1)", 1),
        ("x.reshape(1, 2)", None),
        ("jax.f(1, 2)", None),
        ("print(1, 2)", None),
        ("marginal_mean(1, 2)", None),
    ],
)
def test_a_call_counts_if_the_package_defines_what_it_calls(call, count):
    names = module("__all__ = ['marginal_mean']", "irsde_jax/sde/__init__.py")
    source = "import jax\ndef f(): ...\nclass G:\n    field: int\n"
    found = structure.calls([names, module(source + call)])
    assert max((each.size for each in found), default=None) == count


def test_unpacked_names_are_no_literals():
    found = structure.unpacked_literals(
        [module("f(*(a, b), *[c], *d)\ng = (*(1, 2),)")]
    )
    assert [each.size for each in found] == [2, 1]


def test_floors_are_the_longest_chains_of_imports():
    sources = {
        "a": "from irsde_jax import b\nimport irsde_jax.c.d",
        "b": "from irsde_jax.c import x",
        "c": "import json",
    }
    modules = [module(text, f"irsde_jax/{name}.py") for name, text in sources.items()]
    graph = structure.arrows(modules)
    assert graph == {"a": {"b", "c"}, "b": {"c"}, "c": set()}
    assert structure.floors(graph) == [["c"], ["b"], ["a"]]
    assert structure.cycles(graph) == []


def test_a_cycle_is_found_and_shares_a_floor():
    graph = {"a": {"b"}, "b": {"a", "c"}, "c": set(), "d": {"a"}}
    assert structure.cycles(graph) == [{"a", "b"}]
    assert structure.floors(graph) == [["c"], ["a", "b"], ["d"]]


def test_the_report_names_the_largest():
    text = structure.report(most=1)
    assert "0 cycles" in text
    assert str(structure.long_modules(MODULES)[0]) in text
