"""All indices of a block in one pass over its pixels: `kernel.Kernel` as a single loop, compiled.

Every pixel goes through the same operations in the same order as there, so the result is the same to the last bit.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial

import numpy as np

from spectral import llvm
from spectral.indices import Index
from spectral.kernel import usable_range
from spectral.program import Program
from spectral.radiometry import Radiometry
from spectral.values import (
    BESIDE_FLOAT_NODATA,
    FLOAT_NODATA,
    LIKE_FLOAT_NODATA,
    PACKED_LARGEST,
    PACKED_NODATA,
    SCALE,
)

_KINDS = ("uint8", "uint16", "int16")
BLOCK = "block"


class FusedKernel:
    """Computes indices of blocks; any thread may call it."""

    @classmethod
    def of(
        cls, indices: tuple[Index, ...], radiometries: Mapping[str, Radiometry], dtypes: Mapping[str, np.dtype]
    ) -> FusedKernel | None:
        """None where nothing can be compiled, or where a band or a formula is no plain case."""
        plain = llvm.FAST and all(dtype.name in _KINDS and dtype.isnative for dtype in dtypes.values())
        if not plain:
            return None
        usable = {symbol: usable_range(dtype, radiometries[symbol]) for symbol, dtype in dtypes.items()}
        programs = {index.name: index.formula.program(index.constants) for index in indices}
        # numpy has a power of its own, which LLVM's need not be the same as.
        if None in usable.values() or any(np.power in program.operations for program in programs.values()):
            return None
        block = llvm.compiled(_module(indices, programs, dtypes), BLOCK)
        return cls(block, indices, radiometries, usable) if block else None

    def __init__(
        self,
        block: Callable,
        indices: tuple[Index, ...],
        radiometries: Mapping[str, Radiometry],
        usable: Mapping[str, tuple[int, int]],
    ) -> None:
        """
        Args:
            block: what `_module` has become.
            usable: of each band, in the order of `block`, the first and the last DN that can be used.
        """
        self._block = block
        self._numbers = [
            number
            for radiometry, ends in ((radiometries[symbol], usable[symbol]) for symbol in usable)
            for number in (radiometry.scale, radiometry.offset, *ends)
        ]
        self._symbols = list(usable)
        self._names = [index.name for index in indices]

    def __call__(
        self, bands: Mapping[str, np.ndarray], shown: np.ndarray | None, out: Mapping[str, np.ndarray]
    ) -> dict[str, int]:
        """Compute all indices of a block; see `Kernel`."""
        rows, columns = next(iter(bands.values())).shape
        # One row of it serves them all.
        shown = np.broadcast_to(np.ones(columns, bool), (rows, columns)) if shown is None else shown
        arrays = [*(bands[symbol] for symbol in self._symbols), shown, *(out[name] for name in self._names)]
        clipped = np.zeros(len(self._names), np.int64)
        self._block(
            *map(llvm.address, arrays),
            *(array.strides[0] for array in arrays),
            *self._numbers,
            llvm.address(clipped),
            rows,
            columns,
        )
        return dict(zip(self._names, clipped.tolist(), strict=True))


def _module(
    indices: tuple[Index, ...], programs: Mapping[str, Program], dtypes: Mapping[str, np.dtype]
) -> llvm.ir.Module:
    """Two loops in one another: `block` over rows, and what it calls over the pixels of a row.

    Bands, mask and indices come one behind the other: the addresses of all, then the bytes from row to row of all
    (pixels of a row lie side by side). After them of each band scale, offset, first and last usable DN; then where to
    add how many values were clipped, rows, columns.
    """
    module = llvm.ir.Module()
    arrays = [llvm.POINTER] * (len(dtypes) + 1 + len(indices))
    numbers = [llvm.F64, llvm.F64, llvm.I32, llvm.I32] * len(dtypes)
    row, given = llvm.define(module, "row", [*arrays, *numbers, llvm.POINTER, llvm.I64], inside=True)
    _row(row, given, indices, programs, dtypes)
    block, given = llvm.define(
        module, BLOCK, [*arrays, *[llvm.I64] * len(arrays), *numbers, llvm.POINTER, llvm.I64, llvm.I64]
    )
    pointers, strides, rest = given[: len(arrays)], given[len(arrays) : 2 * len(arrays)], given[2 * len(arrays) :]
    *rest, rows, columns = rest
    with llvm.loop(block, rows) as number:
        places = [
            llvm.advance(block, array, block.mul(number, stride))
            for array, stride in zip(pointers, strides, strict=True)
        ]
        block.call(row.function, [*places, *rest, columns])
    block.ret_void()
    return module


def _row(
    build: llvm.ir.IRBuilder,
    given: Sequence[llvm.ir.Value],
    indices: tuple[Index, ...],
    programs: Mapping[str, Program],
    dtypes: Mapping[str, np.dtype],
) -> None:
    stored, shown, out = given[: len(dtypes)], given[len(dtypes)], given[len(dtypes) + 1 :][: len(indices)]
    *numbers, counts, columns = given[len(dtypes) + 1 + len(indices) :]
    numbers = [llvm.spread(build, number) for number in numbers]
    none = llvm.splat(llvm.I64, 0)
    clipped = [build.alloca(none.type) for _ in indices]
    for count in clipped:
        build.store(none, count)
    operations = _operations(build)
    read = [
        *(
            llvm.Row(array, llvm.ir.IntType(8 * dtype.itemsize))
            for array, dtype in zip(stored, dtypes.values(), strict=True)
        ),
        llvm.Row(shown, llvm.I8),
    ]
    written = [
        llvm.Row(array, llvm.I16 if index.packed else llvm.F32) for array, index in zip(out, indices, strict=True)
    ]
    with llvm.in_lanes(build, columns, read=read, written=written) as ((*values, is_shown), put):
        # Behind the row's end nothing is shown.
        is_shown = build.icmp_unsigned("!=", is_shown, llvm.splat(llvm.I8, 0))
        whole, real = (llvm.ir.VectorType(kind, llvm.LANES) for kind in (llvm.I32, llvm.F64))
        reflectance, usable = {}, {}
        for number, (symbol, dtype) in enumerate(dtypes.items()):
            scale, offset, first, last = numbers[4 * number : 4 * number + 4]
            value = build.sext(values[number], whole) if dtype.kind == "i" else build.zext(values[number], whole)
            usable[symbol] = build.and_(build.icmp_signed(">=", value, first), build.icmp_signed("<=", value, last))
            reflectance[symbol] = build.fadd(build.fmul(build.sitofp(value, real), scale), offset)
        found = []
        for number, index in enumerate(indices):
            valid = is_shown
            for symbol in index.bands:
                valid = build.and_(valid, usable[symbol])
            value = programs[index.name].translated(reflectance, operations, partial(llvm.splat, llvm.F64))
            if index.packed:
                value, is_clipped = _pack(build, value, valid)
                known = build.load(clipped[number], typ=none.type)
                build.store(build.add(known, build.zext(is_clipped, known.type)), clipped[number])
            else:
                value = _narrow(build, value, valid)
            found.append(value)
        put(*found)
    for number, count in enumerate(clipped):
        place = llvm.I64(number)
        more = build.load(count, typ=none.type)
        total = llvm.load(build, llvm.I64, counts, place)
        for lane in range(llvm.LANES):
            total = build.add(total, build.extract_element(more, llvm.I32(lane)))
        llvm.store(build, total, counts, place)
    build.ret_void()


def _operations(build: llvm.ir.IRBuilder) -> dict[np.ufunc, Callable[..., llvm.ir.Value]]:
    """What stands for numpy's operations in a formula."""
    return {
        np.add: build.fadd,
        np.subtract: build.fsub,
        np.multiply: build.fmul,
        np.divide: build.fdiv,
        np.negative: build.fneg,
        np.square: lambda value: build.fmul(value, value),
        np.sqrt: lambda value: llvm.call(build, "llvm.sqrt", value),
    }


def _pack(build: llvm.ir.IRBuilder, value: llvm.ir.Value, valid: llvm.ir.Value) -> tuple[llvm.ir.Value, llvm.ir.Value]:
    """The value in steps of int16, and whether it had to be clipped; see `kernel._pack`."""
    steps = llvm.call(build, "llvm.rint", build.fmul(value, llvm.splat(llvm.F64, 1 / SCALE)))
    valid = build.and_(valid, _is_finite(build, value))
    largest, smallest = (llvm.splat(llvm.F64, end) for end in (PACKED_LARGEST, -PACKED_LARGEST))
    is_clipped = build.and_(valid, build.fcmp_ordered(">", llvm.call(build, "llvm.fabs", steps), largest))
    steps = llvm.call(build, "llvm.minnum", llvm.call(build, "llvm.maxnum", steps, smallest), largest)
    nodata = llvm.splat(llvm.I16, PACKED_NODATA)
    found = build.trunc(build.fptosi(steps, llvm.ir.VectorType(llvm.I32, llvm.LANES)), nodata.type)
    return build.select(valid, found, nodata), is_clipped


def _narrow(build: llvm.ir.IRBuilder, value: llvm.ir.Value, valid: llvm.ir.Value) -> llvm.ir.Value:
    """The value as float32; see `kernel._narrow`."""
    low, high, beside, nodata = (
        llvm.splat(llvm.F32, float(number)) for number in (*LIKE_FLOAT_NODATA, BESIDE_FLOAT_NODATA, FLOAT_NODATA)
    )
    found = build.fptrunc(value, nodata.type)
    valid = build.and_(valid, _is_finite(build, found))
    like_nodata = build.and_(build.fcmp_ordered(">=", found, low), build.fcmp_ordered("<=", found, high))
    return build.select(valid, build.select(like_nodata, beside, found), nodata)


def _is_finite(build: llvm.ir.IRBuilder, value: llvm.ir.Value) -> llvm.ir.Value:
    return build.fcmp_ordered("<", llvm.call(build, "llvm.fabs", value), llvm.splat(value.type.element, math.inf))
