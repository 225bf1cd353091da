"""What a step will return, as long as nobody has run it: for plans."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NoReturn

from holdfast.model.types import register


class DependsOnUnknown(BaseException):
    """The script asked something of a result that is not known yet: the plan ends here.

    Not an `Exception`: a script's `except Exception` must not go on with a guess.
    """

    def __init__(self, of: str, question: str) -> None:
        super().__init__(f"what follows depends on {of} ({question})")
        self.of, self.question = of, question


@register
@dataclass(frozen=True, eq=False)
class Unknown:
    """Stands for the result `of` a step. It can be passed on, named in a label, taken apart and
    computed with, which all give another Unknown; asked for a fact, it raises."""

    of: str

    def __str__(self) -> str:
        return f"<{self.of}>"

    def __format__(self, spec: str) -> str:
        return str(self)

    def __getattr__(self, name: str) -> Unknown:
        if name.startswith("__"):
            raise AttributeError(name)
        return Unknown(f"{self.of}.{name}")

    def __getitem__(self, key: object) -> Unknown:
        return Unknown(f"{self.of}[{key!r}]")

    def __call__(self, *args: object, **kwargs: object) -> Unknown:
        return Unknown(f"{self.of}()")

    def _computed(self, other: Any = None) -> Unknown:
        return self

    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = _computed
    __truediv__ = __rtruediv__ = __floordiv__ = __mod__ = __pow__ = _computed
    __neg__ = __abs__ = __round__ = _computed

    def __bool__(self) -> NoReturn:
        raise DependsOnUnknown(self.of, "is it true?")

    def __iter__(self) -> NoReturn:
        raise DependsOnUnknown(self.of, "its items")

    def __len__(self) -> NoReturn:
        raise DependsOnUnknown(self.of, "its length")

    def __int__(self) -> NoReturn:
        raise DependsOnUnknown(self.of, "its number")

    def __float__(self) -> NoReturn:
        raise DependsOnUnknown(self.of, "its number")

    def __index__(self) -> NoReturn:
        raise DependsOnUnknown(self.of, "its number")

    def __contains__(self, item: object) -> NoReturn:
        raise DependsOnUnknown(self.of, "what it contains")

    def _compared(self, other: object) -> NoReturn:
        raise DependsOnUnknown(self.of, "a comparison")

    __lt__ = __le__ = __gt__ = __ge__ = _compared

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        raise DependsOnUnknown(self.of, "a comparison")

    __hash__ = object.__hash__


class Eventually(Unknown):
    """What a wait will have seen: not known, but true by then."""

    def __bool__(self) -> bool:  # type: ignore[override]
        return True


register(Eventually)
