"""What is done to pixels whatever the formula, compiled: summing up a band's differences; counting the values of
packed indices, and averaging 2 × 2 of them.

Where that is impossible or doesn't pay (`llvm.pays`), nothing happens (None, False), and the caller has another way.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, wraps
from threading import Lock

import numpy as np

from spectral import llvm
from spectral.values import PACKED_NODATA

_COUNT, _HALVE, _SUM_UP = "count", "halve", "sum up"
# Pixels of 16 bits that are summed up at a time: a register of AVX-512, two or four of other processors.
_LANES = 32
# Neighbours are often equal, and a counter just written can't be read at once: they count in turns, each in its table.
TABLES = 2
# Of a number that holds both, the lower bits are a sum and the upper ones how many pixels are in it.
_SUM_BITS = 40


def count(values: np.ndarray, tables: np.ndarray) -> bool:
    """Add to `tables` how often each int16 occurs in `values` (rows, columns); whether it was done.

    Args:
        tables: uint32 (`TABLES`, 65536), in the order of uint16; their sum is what counts.
    """
    run = _counting() if llvm.pays(_COUNT) else None
    if run is None:
        return False
    run(llvm.address(values), values.strides[0], *values.shape, llvm.address(tables))
    return True


def averages(values: np.ndarray, depth: int) -> list[np.ndarray] | None:
    """The levels of `pyramid.reduced`, of int16."""
    halves = [_halving(size) for size in (2, 8)[:depth]] if llvm.pays(_HALVE) else [None]
    if None in halves:
        return None
    levels: list[np.ndarray] = []
    above = np.ascontiguousarray(values)
    for _ in range(depth):
        shape = above.shape[0] // 2, above.shape[1] // 2
        both, found = np.empty(shape, np.int64), np.empty(shape, np.int16)
        halves[bool(levels)](*map(llvm.address, (above, both, found)), *shape)
        levels.append(found)
        above = both
    return levels


def sum_up(differences: np.ndarray) -> bool:
    """Replace each pixel (16 bits; rows, columns) by its row's sum up to there, modulo the type; whether it was."""
    run = _summing_up() if differences.itemsize == 2 and llvm.pays(_SUM_UP) else None
    if run is None:
        return False
    run(llvm.address(differences), differences.strides[0], *differences.shape)
    return True


def _once(build: Callable) -> Callable:
    """`functools.cache` for threads that come at the same time: one builds, the others wait."""
    cached, lock = cache(build), Lock()

    @wraps(build)
    def found(*arguments):
        with lock:
            return cached(*arguments)

    found.cache_clear = cached.cache_clear
    return found


@_once
def _summing_up() -> Callable | None:
    module = llvm.ir.Module()
    build, (pixels, stride, rows, columns) = llvm.define(module, "sum_up", [llvm.POINTER, llvm.I64, llvm.I64, llvm.I64])
    lanes = llvm.ir.VectorType(llvm.I16, _LANES)
    picked = llvm.ir.VectorType(llvm.I32, _LANES)
    none = llvm.ir.Constant(lanes, None)
    before = build.alloca(lanes)  # the sum up to here, in all lanes
    turns, left = build.udiv(columns, llvm.I64(_LANES)), build.urem(columns, llvm.I64(_LANES))
    with llvm.loop(build, rows) as row:
        line = llvm.advance(build, pixels, build.mul(row, stride))
        build.store(none, before)
        with llvm.loop(build, turns) as turn:
            place = build.gep(line, [build.mul(turn, llvm.I64(_LANES))], source_etype=llvm.I16)
            sums = build.load(place, typ=lanes, align=2)
            for distance in (1, 2, 4, 8, 16):
                # Those so many lanes before, and zeros where there are none.
                mask = [lane - distance if lane >= distance else _LANES for lane in range(_LANES)]
                sums = build.add(sums, build.shuffle_vector(sums, none, picked(mask)))
            sums = build.add(sums, build.load(before, typ=lanes))
            build.store(sums, place, align=2)
            build.store(build.shuffle_vector(sums, none, picked([_LANES - 1] * _LANES)), before)
        first = build.mul(turns, llvm.I64(_LANES))
        with llvm.loop(build, left) as number:
            place = build.add(first, number)
            total = build.add(
                build.extract_element(build.load(before, typ=lanes), llvm.I32(0)),
                llvm.load(build, llvm.I16, line, place),
            )
            llvm.store(build, total, line, place)
            build.store(build.insert_element(none, total, llvm.I32(0)), before)
    build.ret_void()
    return llvm.compiled(module, "sum_up")


@_once
def _counting() -> Callable | None:
    module = llvm.ir.Module()
    build, (values, stride, rows, columns, tables) = llvm.define(
        module, _COUNT, [llvm.POINTER, llvm.I64, llvm.I64, llvm.I64, llvm.POINTER]
    )

    def count_one(line: llvm.ir.Value, place: llvm.ir.Value, table: int) -> None:
        value = build.zext(llvm.load(build, llvm.I16, line, place), llvm.I64)
        cell = build.add(value, llvm.I64(table * 65536))
        llvm.store(build, build.add(llvm.load(build, llvm.I32, tables, cell), llvm.I32(1)), tables, cell)

    turns, left = build.udiv(columns, llvm.I64(llvm.LANES)), build.urem(columns, llvm.I64(llvm.LANES))
    with llvm.loop(build, rows) as row:
        line = llvm.advance(build, values, build.mul(row, stride))
        with llvm.loop(build, turns) as turn:
            first = build.mul(turn, llvm.I64(llvm.LANES))
            for number in range(llvm.LANES):
                count_one(line, build.add(first, llvm.I64(number)), number % TABLES)
        with llvm.loop(build, left) as last:
            count_one(line, build.sub(columns, build.add(last, llvm.I64(1))), 0)
    build.ret_void()
    return llvm.compiled(module, _COUNT)


@_once
def _halving(size: int) -> Callable | None:
    """From pixels (int16: 2 bytes) or from sums with their counts (8 bytes)."""
    module = llvm.ir.Module()
    build, (above, both, averages, rows, columns) = llvm.define(
        module, _HALVE, [llvm.POINTER, llvm.POINTER, llvm.POINTER, llvm.I64, llvm.I64]
    )

    kind = llvm.ir.IntType(8 * size)
    several = llvm.ir.VectorType(llvm.I64, 2 * llvm.LANES)
    lanes = llvm.ir.VectorType(llvm.F64, llvm.LANES)

    def every(number: int, kind: llvm.ir.Type = llvm.I64) -> llvm.ir.Constant:
        return llvm.ir.Constant(llvm.ir.VectorType(kind, 2 * llvm.LANES), [number] * 2 * llvm.LANES)

    def parts(values: llvm.ir.Value) -> llvm.ir.Value:
        """The sums with their counts of what is in a row above."""
        if kind == llvm.I64:
            return values
        # Above the type's smallest value there are no signs to spoil the count.
        ones = build.add(build.sext(values, several), every((1 << _SUM_BITS) - PACKED_NODATA))
        return build.select(build.icmp_signed("==", values, every(PACKED_NODATA, llvm.I16)), every(0), ones)

    def picked(values: llvm.ir.Value, first: int) -> llvm.ir.Value:
        places = [first + 2 * lane for lane in range(llvm.LANES)]
        return build.shuffle_vector(values, values, llvm.ir.Constant(llvm.ir.VectorType(llvm.I32, llvm.LANES), places))

    width = build.mul(columns, llvm.I64(2 * size))
    none, below = llvm.splat(llvm.I64, 0), llvm.splat(llvm.F64, PACKED_NODATA)
    with llvm.loop(build, rows) as row:
        upper = llvm.advance(build, above, build.mul(build.mul(row, llvm.I64(2)), width))
        line = build.mul(row, columns)
        read = [llvm.Row(upper, kind, 2), llvm.Row(llvm.advance(build, upper, width), kind, 2)]
        written = [
            llvm.Row(build.gep(both, [line], source_etype=llvm.I64), llvm.I64),
            llvm.Row(build.gep(averages, [line], source_etype=llvm.I16), llvm.I16),
        ]
        with llvm.in_lanes(build, columns, read=read, written=written) as (pairs, put):
            sums = build.add(*map(parts, pairs))
            total = build.add(picked(sums, 0), picked(sums, 1))
            count = build.lshr(total, llvm.splat(llvm.I64, _SUM_BITS))
            summed = build.and_(total, llvm.splat(llvm.I64, (1 << _SUM_BITS) - 1))
            mean = build.fdiv(build.sitofp(summed, lanes), build.sitofp(count, lanes))
            mean = llvm.call(build, "llvm.rint", build.fadd(mean, below))
            nodata = llvm.splat(llvm.I16, PACKED_NODATA)
            found = build.trunc(build.fptosi(mean, llvm.ir.VectorType(llvm.I32, llvm.LANES)), nodata.type)
            put(total, build.select(build.icmp_signed("==", count, none), nodata, found))
    build.ret_void()
    return llvm.compiled(module, _HALVE)
