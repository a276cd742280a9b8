"""Functions that numba compiles at their first use; the result is kept on disk for later processes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, ParamSpec, TypeVar

import numba
import numpy as np
from numpy.typing import NDArray

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


def read_only(values: NDArray[Any]) -> NDArray[Any]:
    """Return an array as a contiguous one that cannot be written to, without a copy where it is contiguous.

    Others, and those that can be written to, are types of their own to numba, each to be compiled for.
    """
    contiguous = np.ascontiguousarray(values).view()
    contiguous.flags.writeable = False
    return contiguous
