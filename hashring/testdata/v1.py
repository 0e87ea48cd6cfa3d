#!/usr/bin/env python3
"""The placement hashring/v1 once more, independently and slowly.

    python3 v1.py > v1.golden

It shares nothing with the Go code, so that the two can be wrong together only
if the description is. It is also what to port to another language.
"""
import bisect
import math

M = (1 << 64) - 1
P1, P2, P3, P4, P5 = (0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9,
                      0x85EBCA77C2B2AE63, 0x27D4EB2F165667C5)


def rotl(x, r):
    return (x << r | x >> (64 - r)) & M


def rnd(acc, lane):
    return rotl((acc + lane * P2) & M, 31) * P1 & M


def xxh64(b):
    at = 0
    if len(b) >= 32:
        acc = [(P1 + P2) & M, P2, 0, -P1 & M]
        while at + 32 <= len(b):
            for i in range(4):
                acc[i] = rnd(acc[i], int.from_bytes(b[at:at + 8], "little"))
                at += 8
        h = sum(rotl(a, r) for a, r in zip(acc, (1, 7, 12, 18))) & M
        for a in acc:
            h = ((h ^ rnd(0, a)) * P1 + P4) & M
    else:
        h = P5
    h = (h + len(b)) & M
    while at + 8 <= len(b):
        h = (rotl(h ^ rnd(0, int.from_bytes(b[at:at + 8], "little")), 27) * P1 + P4) & M
        at += 8
    if at + 4 <= len(b):
        h = (rotl(h ^ int.from_bytes(b[at:at + 4], "little") * P1 & M, 23) * P2 + P3) & M
        at += 4
    while at < len(b):
        h = rotl(h ^ b[at] * P5 & M, 11) * P1 & M
        at += 1
    h = (h ^ h >> 33) * P2 & M
    h = (h ^ h >> 29) * P3 & M
    return h ^ h >> 32


def mix64(z):
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 & M
    z = (z ^ z >> 27) * 0x94D049BB133111EB & M
    return z ^ z >> 31


def ring(vnodes, nodes):
    points = []
    for node, weight, drained in nodes:
        n = 0 if drained else max(1, math.floor((weight or 1.0) * vnodes + 0.5))
        h = xxh64(node)
        points += [(mix64((h + (i + 1) * 0x9E3779B97F4A7C15) & M), node) for i in range(n)]
    return sorted(points)


def owner(points, h):
    return points[bisect.bisect_left(points, (h, b"")) % len(points)][1]


def quote(b):
    return '"' + "".join("\\x%02x" % c if c < 33 or c > 126 or c in b'"\\' else chr(c) for c in b) + '"'


RINGS = [
    (256, [(b"node-" + c, 0.0, False) for c in (b"a", b"b", b"c", b"d", b"e")]),
    (100, [(b"10.0.%d.%d:6379" % (i % 3, i), (0.0, 0.5, 1.0, 2.25, 0.004, 0.125)[i % 6], i % 11 == 7) for i in range(40)]),
    (1, [(bytes([255 - i, 0, i]) * (1 + i % 3), float(i % 4), i == 13) for i in range(60)]),
]


def keys():
    for i in range(700):
        yield b"user:%d" % i
    seed = 1
    for n in range(300):  # every byte value and every length up to 99, each three times
        b = bytearray()
        for _ in range(n // 3):
            seed = (seed * 6364136223846793005 + 1442695040888963407) & M
            b.append(seed >> 56)
        yield bytes(b)


for vnodes, nodes in RINGS:
    print("ring", vnodes)
    for node, weight, drained in nodes:
        print("node", quote(node), weight, str(drained).lower())
placed = [ring(*r) for r in RINGS]
for key in keys():
    h = xxh64(key)
    print("key", quote(key), "%016x" % h, *(quote(owner(p, h)) for p in placed))
