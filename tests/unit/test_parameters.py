"""What a workflow is started with, and how a person learns what that is."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from functools import partial, wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NewType, Optional, get_type_hints

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from holdfast.errors import UsageError
from holdfast.flow.parameters import Parameters

if TYPE_CHECKING:
    from somewhere_else import Unseen  # type: ignore[import-not-found]


class Color(Enum):
    RED = "r"
    GREEN = "g"


@dataclass(frozen=True)
class Disk:
    size_gb: int
    path: Path = Path("data")


def upgrade(nodes: list[str], image: str, batch: int = 10, soak: timedelta = timedelta(minutes=5)):
    """The workflow of most tests."""


UPGRADE = Parameters.of(upgrade)


def one(hint, *default):
    """Return the parameters of a function that takes one `it`."""

    def work(it=None):
        pass

    work.__annotations__ = {"it": hint}
    work.__defaults__ = default or None
    return Parameters.of(work)


# --- texts and values ---------------------------------------------------------------------------


def test_words_for_a_list_are_suggested_as_json():
    """Who types one or more plain words for a list is shown these very words as JSON."""
    with pytest.raises(UsageError) as error:
        UPGRADE.parse(["nodes=n1,n2"])

    assert (
        "parameter nodes takes list[str]; given 'n1,n2'; "
        """for example -p 'nodes=["n1", "n2"]'""" == str(error.value)
    )


def test_typed_values_win_over_the_file():
    """`-p` is laid over the values of the parameter file; defaults wait for `check`."""
    found = UPGRADE.parse(["image=b", "batch=5"], {"nodes": ["n"], "image": "a"})

    assert {"nodes": ["n"], "image": "b", "batch": 5} == found


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        (["image=a", "image=b"], "parameter image is given twice"),
        (["image"], r"-p image…: NAME=VALUE is needed, for example -p 'nodes="),
        (["imgae=a"], "workflow upgrade has no parameter 'imgae'; did you mean 'image'"),
        (["=a"], "workflow upgrade has no parameter ''"),
        (["so-ak=5m"], "did you mean 'soak'"),
    ],
)
def test_what_is_no_parameter_is_refused(pairs, message):
    """An unknown name, one given twice and a missing `=` are usage errors that say so."""
    with pytest.raises(UsageError, match=message):
        UPGRADE.parse(pairs)


def test_a_pair_without_its_sign_is_not_shown_whole():
    """What is typed the wrong way may be a secret, and goes into no message."""
    with pytest.raises(UsageError) as error:
        UPGRADE.parse(["password:hunter2"])

    assert "hunter2" not in str(error.value)


@given(
    st.one_of(
        st.integers(), st.text(min_size=1), st.lists(st.text()), st.dates(), st.datetimes(),
        st.sampled_from(Color), st.uuids(), st.dictionaries(st.text(), st.integers()),
        st.decimals(allow_nan=False, allow_infinity=False), st.booleans(),
        st.timedeltas(timedelta(0), timedelta(days=900)),
    )
)  # fmt: skip
def test_a_default_is_shown_as_it_would_be_typed(value):
    """Typing the text that help shows for a default gives that default."""
    parameters = one(type(value), value)
    (info,) = parameters.describe()
    assume(len(info.default) < 200)

    assert {"it": value} == parameters.parse([f"it={info.default}"])


def test_arguments_are_complete_typed_and_in_order():
    """Defaults are filled in, JSON is converted, and the order is that of the signature."""
    found = UPGRADE.check({"soak": "1h", "image": "a", "nodes": ("n1", "n2")})

    assert [
        ("nodes", ["n1", "n2"]),
        ("image", "a"),
        ("batch", 10),
        ("soak", timedelta(hours=1)),
    ] == list(found.items())


def test_a_default_need_not_be_what_is_annotated():
    """`size: int = None` may be left out, and given as it is, but not as another type."""
    parameters = one(int, None)

    assert {"it": None} == parameters.check({})
    assert {"it": None} == parameters.check({"it": None})
    with pytest.raises(UsageError, match="takes int; given 'a'"):
        parameters.check({"it": "a"})


def test_unknown_names_are_refused_with_the_list():
    """The error guesses what was meant and lists what there is."""
    with pytest.raises(UsageError) as error:
        UPGRADE.check({"nodes": [], "image": "a", "bach": 5})

    assert (
        "workflow upgrade has no parameter 'bach'; did you mean 'batch'? its parameters: "
        "nodes: list[str], image: str, batch: int = 10, soak: timedelta = 5m" == str(error.value)
    )


def test_missing_names_are_refused_with_what_to_type():
    """All that are missing are named at once, as they can be typed."""
    with pytest.raises(UsageError) as error:
        UPGRADE.check({"batch": 1})

    assert (
        "workflow upgrade needs the parameters nodes: list[str], image: str; give for example "
        """-p 'nodes=["a", "b"]' -p image=text; its parameters: """
        "nodes: list[str], image: str, batch: int = 10, soak: timedelta = 5m" == str(error.value)
    )


# --- functions --------------------------------------------------------------------------------


def test_help_knows_every_parameter():
    """Name, type, whether it is needed, default and choices are there as text."""

    def work(
        color: Color, size: int | None = None, token: str = "t", dry: bool = False, **more: Any
    ):
        pass

    infos = [
        (i.name, i.type, i.required, i.default, i.choices) for i in Parameters.of(work).describe()
    ]

    assert [
        ("color", "Color", True, None, ("RED", "GREEN")),
        ("size", "int | None", False, "null", ()),
        ("token", "str", False, "***", ()),
        ("dry", "bool", False, "false", ("true", "false")),
        ("**more", "any", False, None, ()),
    ] == infos


@pytest.mark.parametrize(
    ("hint", "text"),
    [
        (list[str], "list[str]"),
        (tuple[int, ...], "tuple[int, ...]"),
        (dict[str, Disk | None], "dict[str, Disk | None]"),
        (Optional[int], "int | None"),  # noqa: UP045
        (Literal["a", Color.RED], "Literal['a', Color.RED]"),
        (NewType("NodeName", str), "str"),
        ("Unseen", "Unseen"),
        (Any, "any"),
    ],
)
def test_a_type_reads_as_in_source(hint, text):
    """The text of a type is what the author would write, without modules."""
    assert text == one(hint).describe()[0].type


def test_an_awaited_workflow_has_parameters_too():
    """`async def` makes no difference."""

    async def work(size: int):
        pass

    assert {"size": 5} == Parameters.of(work).parse(["size=5"])


def test_a_wrapped_function_keeps_its_parameters():
    """Decorators that use `wraps`, partials and methods show the parameters that remain."""

    @wraps(upgrade)
    def wrapper(*args, **kwargs):
        pass

    class Fleet:
        def work(self, disk: Disk):
            pass

    assert UPGRADE.names == Parameters.of(wrapper).names
    assert {"batch": 3} == Parameters.of(partial(upgrade, batch=1)).parse(["batch=3"])
    assert {"disk": Disk(1)} == Parameters.of(Fleet().work).check({"disk": {"size_gb": 1}})


def test_other_keywords_pass():
    """`**kwargs` takes any name, as its annotation says."""

    def work(image: str, **labels: int):
        pass

    parameters = Parameters.of(work)

    assert ("image",) == parameters.names
    assert {"image": "a", "tier": 1} == parameters.check(parameters.parse(["tier=1", "image=a"]))
    with pytest.raises(UsageError, match="parameter tier takes int"):
        parameters.check({"image": "a", "tier": "x"})


def test_parameters_without_a_name_are_refused():
    """`*args` and positional-only parameters cannot be recorded by name."""

    def star(*nodes):
        pass

    def slash(nodes, /):
        pass

    with pytest.raises(UsageError, match=r"workflow star takes \*nodes"):
        _ = Parameters.of(star).names
    with pytest.raises(UsageError, match="workflow slash takes nodes by position only"):
        Parameters.of(slash).check({})


def test_a_name_that_only_the_type_checker_knows_spoils_no_other():
    """An annotation that does not resolve takes anything; the others are checked all the same."""

    def work(first: Unseen, second: int):
        pass

    with pytest.raises(NameError):
        get_type_hints(work)
    with pytest.raises(UsageError, match="parameter second takes int"):
        Parameters.of(work).check({"first": object(), "second": "a"})


def test_the_module_is_cheap_to_import():
    """Starting a script pays for nothing that the codec has not loaded."""
    code = (
        "import sys, dataclasses; import holdfast.model.codec, holdfast.model.durations;"
        "old = set(sys.modules);"
        "import holdfast.flow.parameters; print(sorted(n for n in set(sys.modules) - old "
        "if n.partition('.')[0] not in ('holdfast', 'contextvars', '_contextvars')))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert "[]\n" == found.stdout
