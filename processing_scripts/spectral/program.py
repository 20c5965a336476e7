"""Formulas as numpy's own loops, one after the other into buffers that are used again and again.

A formula has been admitted by `expression`; here it becomes a list of steps. Temporary arrays of a strip stay
in the processor's cache, and no memory is asked for per block.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, TypeVar

import numpy as np

_BINARY = {ast.Add: np.add, ast.Sub: np.subtract, ast.Mult: np.multiply, ast.Div: np.divide, ast.Pow: np.power}
# numpy's general power is slow.
_POWERS = {2.0: np.square, 0.5: np.sqrt}

V = TypeVar("V")


class _Scratch(NamedTuple):
    """A temporary array, by its number."""

    number: int


_Operand = np.float64 | str | _Scratch


class _Step(NamedTuple):
    operation: np.ufunc
    operands: tuple[_Operand, ...]
    result: _Scratch


class Program:
    """A formula ready to run over arrays.

    Attributes:
        scratch: how many temporary arrays it needs.
    """

    def __init__(self, tree: ast.expr, constants: Mapping[str, float]) -> None:
        """
        Args:
            tree: an expression of names, numbers, + - * / ** only.
            constants: values of names that are no arrays.
        """
        self._constants = constants
        self._steps: list[_Step] = []
        self._free: list[_Scratch] = []
        self.scratch = 0
        with np.errstate(all="ignore"):
            self._result = self._compile(tree)

    def __call__(self, arrays: Mapping[str, np.ndarray], scratch: Sequence[np.ndarray]) -> np.ndarray | np.float64:
        """The formula's value in float64: one of `scratch`, of `arrays`, or a number where it holds no array.

        Where it divides by zero or takes a root of a negative number the result is not finite; call it where
        numpy's warnings of that are off.

        Args:
            arrays: by name, float64 arrays of one shape.
            scratch: `self.scratch` float64 arrays of that shape, to be written over.
        """

        def value(operand: _Operand) -> np.ndarray | np.float64:
            if isinstance(operand, _Scratch):
                return scratch[operand.number]
            return arrays[operand] if isinstance(operand, str) else operand

        for operation, operands, result in self._steps:
            operation(*map(value, operands), out=scratch[result.number])
        return value(self._result)

    @property
    def operations(self) -> set[np.ufunc]:
        """Those that the steps are made of."""
        return {step.operation for step in self._steps}

    def translated(
        self, values: Mapping[str, V], operations: Mapping[np.ufunc, Callable[..., V]], number: Callable[[float], V]
    ) -> V:
        """The formula's value in another world, where `operations` stand for numpy's and `number` makes numbers."""
        known: dict[_Scratch, V] = {}

        def value(operand: _Operand) -> V:
            if isinstance(operand, _Scratch):
                return known[operand]
            return values[operand] if isinstance(operand, str) else number(float(operand))

        for operation, operands, result in self._steps:
            known[result] = operations[operation](*map(value, operands))
        return value(self._result)

    def _compile(self, node: ast.expr) -> _Operand:
        if isinstance(node, ast.Constant):
            return np.float64(node.value)
        if isinstance(node, ast.Name):
            return np.float64(self._constants[node.id]) if node.id in self._constants else node.id
        if isinstance(node, ast.UnaryOp):
            operand = self._compile(node.operand)
            return operand if isinstance(node.op, ast.UAdd) else self._step(np.negative, operand)
        if not isinstance(node, ast.BinOp):
            raise TypeError(f"{type(node).__name__} is no arithmetic")
        left, right = self._compile(node.left), self._compile(node.right)
        operation: Callable = _BINARY[type(node.op)]
        if operation is np.power and isinstance(right, np.float64) and float(right) in _POWERS:
            return self._step(_POWERS[float(right)], left)
        return self._step(operation, left, right)

    def _step(self, operation: np.ufunc, *operands: _Operand) -> _Operand:
        if all(isinstance(operand, np.float64) for operand in operands):
            return np.float64(operation(*operands))
        # A result may be written over an operand: numpy's loops go element by element.
        self._free += [operand for operand in operands if isinstance(operand, _Scratch)]
        if not self._free:
            self._free.append(_Scratch(self.scratch))
            self.scratch += 1
        result = self._free.pop()
        self._steps.append(_Step(operation, operands, result))
        return result
