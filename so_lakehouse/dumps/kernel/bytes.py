"""Thirty-two bytes at a time: the vector operations of the kernel, as LLVM instructions.

Belongs here: loads, compares and copies of raw bytes. Does not belong here: anything that knows XML.

A mask holds one bit per byte, the lowest for the first. Arrays that are read here end in at least `PADDING` bytes
that may be read (never used): that is what makes a load at the last byte safe. Under NUMBA_BOUNDSCHECK=1 every load
and store is checked.
"""

from __future__ import annotations

from typing import Any

import numba
from llvmlite import ir
from numba import types
from numba.extending import intrinsic as numba_intrinsic

from so_lakehouse.dumps.kernel.compiled import CHECKED, inlined

intrinsic: Any = numba_intrinsic  # its type hints do not know that the first argument is not the caller's

WIDTH = 32  # bytes of one vector: AVX2's; LLVM makes two of it on SSE and NEON
PADDING = 64

_BYTE = ir.IntType(8)
_VECTOR = ir.VectorType(_BYTE, WIDTH)
_MASK = ir.IntType(WIDTH)


def _pointer(context: Any, builder: Any, array_type: Any, array: Any, index: Any) -> Any:
    return builder.gep(context.make_array(array_type)(context, builder, array).data, [index])


def _vector_at(context: Any, builder: Any, array_type: Any, array: Any, index: Any) -> Any:
    pointer = _pointer(context, builder, array_type, array, index)
    return builder.load(builder.bitcast(pointer, _VECTOR.as_pointer()), align=1)


def _everywhere(builder: Any, byte: Any) -> Any:
    single = builder.insert_element(ir.Constant(_VECTOR, ir.Undefined), byte, ir.Constant(ir.IntType(32), 0))
    zeros = ir.Constant(ir.VectorType(ir.IntType(32), WIDTH), None)
    return builder.shuffle_vector(single, ir.Constant(_VECTOR, ir.Undefined), zeros)


@intrinsic
def _equal(typing: Any, data: Any, at: Any, byte: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        vector = _vector_at(context, builder, signature.args[0], arguments[0], arguments[1])
        found = builder.icmp_unsigned("==", vector, _everywhere(builder, arguments[2]))
        return builder.bitcast(found, _MASK)

    return types.uint32(data, types.int64, types.uint8), generate


@intrinsic
def _below(typing: Any, data: Any, at: Any, byte: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        vector = _vector_at(context, builder, signature.args[0], arguments[0], arguments[1])
        found = builder.icmp_unsigned("<", vector, _everywhere(builder, arguments[2]))
        return builder.bitcast(found, _MASK)

    return types.uint32(data, types.int64, types.uint8), generate


@intrinsic
def _same(typing: Any, data: Any, at: Any, other: Any, other_at: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        one = _vector_at(context, builder, signature.args[0], arguments[0], arguments[1])
        two = _vector_at(context, builder, signature.args[2], arguments[2], arguments[3])
        return builder.bitcast(builder.icmp_unsigned("==", one, two), _MASK)

    return types.uint32(data, types.int64, other, types.int64), generate


@intrinsic
def _copy(typing: Any, target: Any, to: Any, source: Any, at: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        vector = _vector_at(context, builder, signature.args[2], arguments[2], arguments[3])
        pointer = _pointer(context, builder, signature.args[0], arguments[0], arguments[1])
        builder.store(vector, builder.bitcast(pointer, _VECTOR.as_pointer()), align=1)
        return context.get_dummy_value()

    return types.void(target, types.int64, source, types.int64), generate


@intrinsic
def _word(typing: Any, data: Any, at: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointer = _pointer(context, builder, signature.args[0], arguments[0], arguments[1])
        return builder.load(builder.bitcast(pointer, ir.IntType(64).as_pointer()), align=1)

    return types.uint64(data, types.int64), generate


@intrinsic
def _byte(typing: Any, data: Any, at: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.load(_pointer(context, builder, signature.args[0], arguments[0], arguments[1]))

    return types.uint8(data, types.int64), generate


@intrinsic
def lowest(typing: Any, mask: Any) -> Any:
    """Index of the lowest bit that is set in a mask; 32 where none is."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        count = builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 0))
        return builder.zext(count, ir.IntType(64))

    return types.int64(types.uint32), generate


@intrinsic
def ones(typing: Any, mask: Any) -> Any:
    """How many bits of a mask are set."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.zext(builder.ctpop(arguments[0]), ir.IntType(64))

    return types.int64(types.uint32), generate


@inlined
def equal(data: Any, at: int, byte: int) -> int:
    """Mask of the bytes at `at` … `at + 31` that equal `byte`."""
    if CHECKED and (at < 0 or at + WIDTH > data.size):
        raise IndexError("vector load outside the array")
    return _equal(data, at, numba.uint8(byte))


@inlined
def below(data: Any, at: int, byte: int) -> int:
    """Mask of the bytes at `at` … `at + 31` that are less than `byte`, unsigned."""
    if CHECKED and (at < 0 or at + WIDTH > data.size):
        raise IndexError("vector load outside the array")
    return _below(data, at, numba.uint8(byte))


@inlined
def same(data: Any, at: int, other: Any, other_at: int) -> int:
    """Mask of the positions at which 32 bytes of the two arrays agree."""
    if CHECKED and (at < 0 or at + WIDTH > data.size or other_at < 0 or other_at + WIDTH > other.size):
        raise IndexError("vector load outside the array")
    return _same(data, at, other, other_at)


@inlined
def copy(target: Any, to: int, source: Any, at: int) -> None:
    """Copies 32 bytes."""
    if CHECKED and (at < 0 or at + WIDTH > source.size or to < 0 or to + WIDTH > target.size):
        raise IndexError("vector copy outside the array")
    _copy(target, to, source, at)


@inlined
def word(data: Any, at: int) -> int:
    """Eight bytes as one number, the first byte lowest."""
    if CHECKED and (at < 0 or at + 8 > data.size):
        raise IndexError("word load outside the array")
    return _word(data, at)


@inlined
def byte(data: Any, at: int) -> int:
    """One byte, without Python's meaning of negative positions (which costs a comparison each time)."""
    if CHECKED and (at < 0 or at >= data.size):
        raise IndexError("load outside the array")
    return _byte(data, at)
