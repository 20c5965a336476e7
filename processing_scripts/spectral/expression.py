"""Formulas of spectral indices, admitted by an allow-list: never `eval`ed.

A formula is arithmetic over bands and constants: names, numbers, + - * / **, unary + and -, parentheses.
Whatever else Python's grammar knows (calls, attributes, subscripts, comparisons, …) is refused, so a
formula from a definition can compute a number and do nothing else.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping

import numpy as np

from spectral.program import Program

_BINARY = (ast.Add, ast.Sub, ast.Mult, ast.Div, ast.Pow)
_UNARY = (ast.UAdd, ast.USub)
_ODD = re.compile(r"[^A-Za-z0-9_.+\-*/()\s]|[^\x00-\x7f]")
_LONGEST = 1000
_DEEPEST = 50
_LARGEST = 1e12


class FormulaError(ValueError):
    """A formula that is not plain arithmetic; the message says what in it is not."""


class Formula:
    """An arithmetic expression over named arrays.

    Attributes:
        text: the expression as given.
        names: the bands and constants in it, in the order of first use.
    """

    def __init__(self, text: str) -> None:
        """
        Raises:
            FormulaError: it is no expression, or more than arithmetic.
        """
        if len(text) > _LONGEST:
            raise FormulaError(f"a formula of {len(text)} characters is longer than {_LONGEST}")
        # Python has letters of other alphabets stand for ours, and comments: what is read must be what is meant.
        if odd := _ODD.search(text):
            raise FormulaError(f"{odd[0]!r} is not allowed in a formula: only ASCII letters, digits and . + - * / ( )")
        try:
            self._tree = ast.parse(text.strip(), mode="eval").body
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            raise FormulaError(f"{text!r} is no arithmetic expression") from error
        self.text = text
        self.names = tuple(dict.fromkeys(_admit(self._tree, text, 0)))

    def program(self, constants: Mapping[str, float]) -> Program:
        """The formula ready to run over the arrays of all names that are not among `constants`."""
        return Program(self._tree, constants)

    def __call__(self, values: Mapping[str, np.ndarray | float]) -> np.ndarray:
        """The formula over float64 arrays of one shape and scalar constants.

        Where it divides by zero or takes a root of a negative number the result is not finite.
        """
        arrays = {name: np.asarray(value, dtype=np.float64) for name, value in values.items() if np.ndim(value)}
        program = self.program({name: float(value) for name, value in values.items() if not np.ndim(value)})
        shape = np.broadcast_shapes(*(array.shape for array in arrays.values()))
        with np.errstate(all="ignore"):
            result = program(arrays, [np.empty(shape) for _ in range(program.scratch)])
        return np.array(np.broadcast_to(result, shape))


def _admit(node: ast.expr, text: str, depth: int) -> list[str]:
    """The names in an admitted expression."""
    if depth > _DEEPEST:
        raise FormulaError(f"{text!r} is nested deeper than {_DEEPEST} levels")
    if isinstance(node, ast.BinOp) and isinstance(node.op, _BINARY):
        return [*_admit(node.left, text, depth + 1), *_admit(node.right, text, depth + 1)]
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, _UNARY):
        return _admit(node.operand, text, depth + 1)
    if isinstance(node, ast.Constant) and type(node.value) in (int, float):
        if abs(node.value) > _LARGEST:
            raise FormulaError(f"a number in a formula is {_LARGEST:g} at most")
        return []
    if isinstance(node, ast.Name):
        return [node.id]
    part = ast.get_source_segment(text.strip(), node) or type(node).__name__
    raise FormulaError(f"{part!r} is not allowed in a formula: only names, numbers, + - * / ** and parentheses are")
