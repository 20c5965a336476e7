"""Loops compiled on the spot by LLVM, where `llvmlite` loads: what numpy does in many passes, they do in one.

They hold to IEEE arithmetic, operation by operation as numpy has it (nothing is contracted or reordered), so numpy,
which steps in where `llvmlite` doesn't load, gives the same bytes on any processor.

They are written as they are to run, `LANES` numbers at a time, and LLVM translates them without a pass over them: to
have it find that out by itself takes three times as long.
"""

from __future__ import annotations

import ctypes
import mmap
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from threading import Lock
from typing import NamedTuple

import numpy as np

from spectral.failures import MISFITS


def _runs_what_it_wrote() -> bool:
    """Whether this process may execute memory that it has written to, which LLVM takes for granted.

    Where it may not (`PR_SET_MDWE`, systemd's `MemoryDenyWriteExecute`, SELinux without `execmem`), LLVM would not
    raise: the process would die. So the same is asked of the system first, for a page that nothing is done with.
    """
    if not hasattr(mmap, "PROT_EXEC"):
        return True  # Windows has no such rules
    page = mmap.mmap(-1, mmap.PAGESIZE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    held = ctypes.c_char.from_buffer(page)
    protect = ctypes.CDLL(None).mprotect
    protect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    allowed = protect(ctypes.addressof(held), mmap.PAGESIZE, mmap.PROT_READ | mmap.PROT_EXEC) == 0
    del held
    page.close()
    return allowed


# Why nothing can be compiled; None while nothing speaks against it. `FAST` says the same in short.
REASON: str | None = None
try:
    import llvmlite
    from llvmlite import binding, ir

    # Those before read pointers with a type, or were never tried.
    if tuple(map(int, llvmlite.__version__.split(".")[:2])) < (0, 45):
        REASON = f"llvmlite {llvmlite.__version__} is older than 0.45"
    elif not _runs_what_it_wrote():
        REASON = "this system lets no process execute memory that it wrote (W^X), so llvmlite can't compile"
except MISFITS as error:
    REASON = f"llvmlite doesn't load ({error})"
FAST = REASON is None

if FAST:
    I1, I8, I16, I32, I64 = map(ir.IntType, (1, 8, 16, 32, 64))
    F32, F64 = ir.FloatType(), ir.DoubleType()
    POINTER = ir.PointerType()
    _CTYPES = {I32: ctypes.c_int32, I64: ctypes.c_int64, F64: ctypes.c_double, POINTER: ctypes.c_void_p}

# How many numbers at a time: of float64 a register of AVX-512, two or four of other processors.
LANES = 8
# From how many blocks on (those of each index counted for themselves) compiling a loop is cheaper than numpy's detour:
# it takes 13, 6, 15 and 6 ms, and saves 11, 3, 3 and 0.7 ms a block.
WORTH = {"block": 1, "count": 2, "halve": 5, "sum up": 8}
_planned = 0
# Compiled code stays for as long as the process does: by what it was made of.
_compiled: dict[str, tuple[object, Callable]] = {}
_lock = Lock()


def plan(blocks: int) -> None:
    """Say that so many more blocks will be computed, those of each index counted for themselves."""
    global _planned
    with _lock:
        _planned += blocks


def pays(loop: str) -> bool:
    """Whether compiling is possible, and the process has enough to do for this loop (see `WORTH`)."""
    return FAST and _planned > WORTH[loop]


def define(
    module: ir.Module, name: str, parameters: Sequence[ir.Type], *, inside: bool = False
) -> tuple[ir.IRBuilder, Sequence[ir.Value]]:
    """A new function without result: where its code goes, and its arguments. What pointers point to doesn't overlap.

    Args:
        inside: called by the module's other functions only.
    """
    function = ir.Function(module, ir.FunctionType(ir.VoidType(), parameters), name)
    function.linkage = "internal" if inside else ""
    for argument in function.args:
        if argument.type == POINTER:
            argument.add_attribute("noalias")
    return ir.IRBuilder(function.append_basic_block()), function.args


@contextmanager
def loop(builder: ir.IRBuilder, count: ir.Value) -> Iterator[ir.Value]:
    """What is built inside runs `count` times; gives the number of the round, from 0."""
    number = variable(builder)
    head, body, behind = (builder.append_basic_block() for _ in range(3))
    builder.branch(head)
    builder.position_at_end(head)
    current = builder.load(number, typ=I64)
    builder.cbranch(builder.icmp_signed("<", current, count), body, behind)
    builder.position_at_end(body)
    yield current
    builder.store(builder.add(current, I64(1)), number)
    builder.branch(head)
    builder.position_at_end(behind)


def variable(builder: ir.IRBuilder) -> ir.Value:
    """An I64 that changes, 0 at first."""
    with builder.goto_entry_block():
        made = builder.alloca(I64)
    builder.store(I64(0), made)
    return made


def load(builder: ir.IRBuilder, kind: ir.Type, array: ir.Value, place: ir.Value) -> ir.Value:
    """Element `place` of an array of `kind`."""
    return builder.load(builder.gep(array, [place], source_etype=kind), typ=kind)


def store(builder: ir.IRBuilder, value: ir.Value, array: ir.Value, place: ir.Value) -> None:
    """Set element `place` of an array of the value's type."""
    builder.store(value, builder.gep(array, [place], source_etype=value.type))


def splat(kind: ir.Type, number: float) -> ir.Constant:
    """A number in all lanes."""
    return ir.Constant(ir.VectorType(kind, LANES), [number] * LANES)


def spread(builder: ir.IRBuilder, value: ir.Value) -> ir.Value:
    """A value in all lanes."""
    lanes = ir.Constant(ir.VectorType(value.type, LANES), ir.Undefined)
    lanes = builder.insert_element(lanes, value, I32(0))
    return builder.shuffle_vector(lanes, lanes, splat(I32, 0))


def call(builder: ir.IRBuilder, name: str, *values: ir.Value) -> ir.Value:
    """One of LLVM's own functions of numbers, in all lanes."""
    kind = values[0].type
    name = f"{name}.v{kind.count}{kind.element.intrinsic_name}"
    function = builder.module.globals.get(name)
    function = function or ir.Function(builder.module, ir.FunctionType(kind, [kind] * len(values)), name)
    return builder.call(function, values)


class Row(NamedTuple):
    """Elements side by side, `each` of them a lane."""

    array: ir.Value
    kind: ir.Type
    each: int = 1

    @property
    def lanes(self) -> ir.Type:
        """What is loaded or stored at a time."""
        return ir.VectorType(self.kind, self.each * LANES)

    @property
    def bytes(self) -> int:
        """Those of one lane."""
        return self.each * (4 if self.kind == F32 else self.kind.width // 8)


@contextmanager
def in_lanes(
    builder: ir.IRBuilder, count: ir.Value, *, read: Sequence[Row], written: Sequence[Row]
) -> Iterator[tuple[list[ir.Value], Callable[..., None]]]:
    """What is built inside runs for `LANES` of `count` elements at a time, and for those that are left.

    Gives what `read` holds there, zeros behind the last one; and what to call, once, with what goes into `written`.
    """
    with builder.goto_entry_block():
        copies = {row: builder.alloca(row.lanes) for row in (*read, *written)}
        for copy in copies.values():
            builder.store(ir.Constant(copy.allocated_type, None), copy)
    copying = builder.module.declare_intrinsic(
        "llvm.memcpy", [POINTER, POINTER, I64], ir.FunctionType(ir.VoidType(), [POINTER, POINTER, I64, I1])
    )
    turns = builder.udiv(builder.add(count, I64(LANES - 1)), I64(LANES))
    with loop(builder, turns) as turn:
        first = builder.mul(turn, I64(LANES))
        left = builder.sub(count, first)
        few = builder.icmp_signed("<", left, I64(LANES))
        here = {row: advance(builder, row.array, builder.mul(first, I64(row.bytes))) for row in copies}
        with builder.if_then(few):
            for row in read:
                builder.call(copying, [copies[row], here[row], builder.mul(left, I64(row.bytes)), I1(0)])
        places = {row: builder.select(few, copies[row], here[row]) for row in copies}

        def put(*values: ir.Value) -> None:
            for row, value in zip(written, values, strict=True):
                builder.store(value, places[row], align=1)

        yield [builder.load(places[row], typ=row.lanes, align=1) for row in read], put
        with builder.if_then(few):
            for row in written:
                builder.call(copying, [here[row], copies[row], builder.mul(left, I64(row.bytes)), I1(0)])


def advance(builder: ir.IRBuilder, array: ir.Value, size: ir.Value) -> ir.Value:
    """The array that begins so many bytes later."""
    return builder.gep(array, [size], source_etype=I8)


def compiled(module: ir.Module, name: str) -> Callable | None:
    """The module's function of that name, for this very processor; takes addresses and numbers.

    None where compiling fails: `REASON` says why from then on, and nothing is tried again.
    """
    global FAST, REASON
    source = str(module)
    with _lock:
        if source not in _compiled:
            try:
                made = _compile(source, name, [argument.type for argument in module.get_global(name).args])
            except MISFITS as error:
                FAST, REASON = False, f"llvmlite can't compile ({error})"
                return None
            _compiled[source] = made
        return _compiled[source][1]


def _compile(source: str, name: str, parameters: Sequence[ir.Type]) -> tuple[object, Callable]:
    binding.initialize_native_target()
    binding.initialize_native_asmprinter()
    # Not to be shared: the engine takes it over.
    machine = binding.Target.from_default_triple().create_target_machine(
        cpu=binding.get_host_cpu_name(), features=binding.get_host_cpu_features().flatten(), opt=0
    )
    parsed = binding.parse_assembly(source)
    parsed.verify()
    parsed.triple, parsed.data_layout = machine.triple, str(machine.target_data)
    engine = binding.create_mcjit_compiler(parsed, machine)
    engine.finalize_object()
    function = ctypes.CFUNCTYPE(None, *(_CTYPES[kind] for kind in parameters))(engine.get_function_address(name))
    return engine, function


def address(array: np.ndarray) -> int:
    """Where an array's first element is."""
    return array.ctypes.data
