"""Functions that numba compiles at their first use; the result is kept on disk for later processes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, ParamSpec, TypeVar

import numba

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


class Compiled(Generic[Arguments, Result]):
    """A compiled function, as a decorator; works also where nothing can be kept, or what is kept is damaged.

    Attributes
    ----------
    dispatcher
        What numba made of the function.
    """

    def __init__(self, function: Callable[Arguments, Result]) -> None:
        self._function = function
        try:
            self.dispatcher: Any = numba.njit(cache=True, nogil=True)(function)
        except RuntimeError:
            # Neither the folder of the module nor the user's cache can be written to.
            self.dispatcher = numba.njit(nogil=True)(function)

    def __call__(self, *arguments: Arguments.args, **_: Arguments.kwargs) -> Result:
        """Call it, with positional arguments alone."""
        try:
            result: Result = self.dispatcher(*arguments)
        except Exception:
            # What was kept is damaged, or the disk is full: numba raises whatever that provokes.
            self.dispatcher = numba.njit(nogil=True)(self._function)
            result = self.dispatcher(*arguments)
        return result
