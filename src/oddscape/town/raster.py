"""From faces in space to what each pixel sees: a depth buffer over filled polygons."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain, compress

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from oddscape.town.geometry import Camera, Face, Material, Samples, Thing
from oddscape.town.light import Light
from oddscape.town.noise import Floats

_NEAR = 0.6  # metres; whatever is nearer to the camera is cut off
_TINY = 2.5  # pixels; whatever is smaller both ways is left out
_GROUND = -1
_SHADOWED = 60.0  # metres; beyond, shadows are too thin to be seen

Polygon = NDArray[np.float64]
_NOTHING: Polygon = np.empty((0, 2))

Corners = tuple[NDArray[np.float64], NDArray[np.intp]]
"""Points [P, 3] of many polygons in one array, and where each polygon's points start, [F + 1]."""


@dataclass(frozen=True, eq=False)
class Seen:
    """What each pixel sees.

    Args:
        face: int32 [H, W], index of the face, −1 where there is none.
        nearness: float32 [H, W], 1 / depth in 1 / metres; 0 for the sky.
        planes: float32 [F, 3, 3], takes (column, row, 1) to (u, v, 1) / depth on each face.
    """

    face: NDArray[np.int32]
    nearness: Floats
    planes: Floats


def corners_of(faces: list[Face]) -> Corners:
    """Corners [P, 3] of all faces in one array, and where each face's corners start, [F + 1]."""
    counts = [len(face.outline) for face in faces]
    uv = _numbers(point for face in faces for point in face.outline).reshape(-1, 2)
    frames = _frames(faces)[np.repeat(np.arange(len(faces)), counts)]
    points = frames[:, 0] + uv[:, :1] * frames[:, 1] + uv[:, 1:] * frames[:, 2]
    return points, np.concatenate([[0], np.cumsum(counts)])


def _frames(faces: list[Face]) -> NDArray[np.float64]:
    """Origin, right and up of each face, [F, 3, 3]."""
    vectors = _numbers(vector for face in faces for vector in (face.origin, face.right, face.up))
    return vectors.reshape(-1, 3, 3)


def _numbers(tuples: Iterable[tuple[float, ...]]) -> NDArray[np.float64]:
    """The numbers of all ``tuples`` in a row; much faster than ``np.array`` of many small ones."""
    return np.fromiter(chain.from_iterable(tuples), np.float64)


def _cut_near(points: Polygon) -> Polygon:
    """The part of a polygon that lies beyond the near plane (Sutherland–Hodgman)."""
    kept: list[list[float]] = []
    corners = points.tolist()
    for p, q in zip(corners, corners[1:] + corners[:1], strict=True):
        if p[2] >= _NEAR:
            kept.append(p)
        if (p[2] >= _NEAR) != (q[2] >= _NEAR):
            part = (_NEAR - p[2]) / (q[2] - p[2])
            kept.append([start + part * (end - start) for start, end in zip(p, q, strict=True)])
    return np.array(kept).reshape(-1, 3)


def _projected(corners: Corners, camera: Camera) -> list[Polygon]:
    """Columns and rows of each polygon's corners; none where nothing of it can be seen."""
    points, starts = corners
    ahead = np.maximum(points[:, 2], _NEAR)
    pixels = camera.project(np.concatenate([points[:, :2], ahead[:, None]], axis=1))
    nearest, farthest = (f.reduceat(points[:, 2], starts[:-1]) for f in (np.minimum, np.maximum))
    low, high = np.minimum.reduceat(pixels, starts[:-1]), np.maximum.reduceat(pixels, starts[:-1])
    height, width = camera.size
    outside = (low[:, 0] >= width) | (low[:, 1] >= height) | (high[:, 0] <= 0) | (high[:, 1] <= 0)
    tiny = (high - low).max(axis=1) < _TINY
    whole = nearest >= _NEAR
    gone = (whole & (outside | tiny)) | (farthest < _NEAR)
    limits = starts.tolist()
    polygons = [
        _NOTHING if hidden else pixels[start:end]
        for hidden, start, end in zip(gone.tolist(), limits[:-1], limits[1:], strict=True)
    ]
    for index in np.flatnonzero(~(whole | gone)).tolist():
        cut = _cut_near(points[limits[index] : limits[index + 1]])
        polygons[index] = camera.project(cut) if len(cut) >= 3 else _NOTHING
    return polygons


def _planes(faces: list[Face], camera: Camera) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    frames = _frames(faces)[:, [1, 2, 0]].transpose(0, 2, 1)
    frames[:, 1, 2] -= camera.height
    volume = np.linalg.det(frames)
    both = np.array([face.both_sides for face in faces])
    shown = np.where(both, np.abs(volume), volume) > 1e-3
    frames[~shown] = np.eye(3)
    return np.linalg.inv(frames) @ camera.rays(), shown


def _fill(shape: tuple[int, int], polygon: Polygon) -> NDArray[np.bool_]:
    mask = Image.new("L", (shape[1], shape[0]))
    ImageDraw.Draw(mask).polygon(polygon.ravel().tolist(), fill=1)
    return np.frombuffer(mask.tobytes(), np.bool_).reshape(shape)


def _windows(polygons: list[Polygon], size: tuple[int, int]) -> list[tuple[slice, slice]]:
    """Rows and columns that each polygon covers."""
    points = np.concatenate([_NOTHING, *polygons])[:, ::-1]
    starts = np.cumsum([0, *(len(polygon) for polygon in polygons)])[:-1]
    first = np.maximum(np.minimum.reduceat(points, starts).astype(int), 0)
    after = np.clip(np.maximum.reduceat(points, starts).astype(int) + 2, 0, size)
    return [
        (slice(top, bottom), slice(left, right))
        for (top, left), (bottom, right) in zip(first.tolist(), after.tolist(), strict=True)
    ]


def rasterise(faces: list[Face], corners: Corners, camera: Camera) -> Seen:
    """Find the nearest face behind every pixel; the ground hides what lies below it."""
    height, width = camera.size
    below = (np.arange(height) + 0.5 - camera.horizon) / (camera.focal * camera.height)
    nearness = np.repeat(np.maximum(below * 0.999, 0).astype(np.float32)[:, None], width, axis=1)
    planes, shown = _planes(faces, camera)
    seen = Seen(np.full((height, width), _GROUND, np.int32), nearness, planes.astype(np.float32))
    pixels = _Pixels(
        np.arange(width, dtype=np.float32) + 0.5, np.arange(height, dtype=np.float32)[:, None] + 0.5
    )
    polygons = _projected(corners, camera)
    drawn = [index for index in np.flatnonzero(shown).tolist() if len(polygons[index])]
    windows = _windows([polygons[index] for index in drawn], camera.size)
    for index, window in zip(drawn, windows, strict=True):
        _draw(index, faces[index], polygons[index], window, seen, pixels)
    return seen


@dataclass(frozen=True, eq=False)
class _Pixels:
    """Centres of the picture's columns [W] and rows [H, 1]."""

    x: Floats
    y: Floats


def _draw(
    index: int, face: Face, polygon: Polygon, window: tuple[slice, slice], seen: Seen, pixels: _Pixels
) -> None:
    rows, columns = window
    x, y = pixels.x[columns], pixels.y[rows]
    to_u, to_v, to_near = seen.planes[index]
    near = (to_near[0] * x) + (to_near[1] * y + to_near[2])
    lifted, nearest = near * np.float32(face.lift), seen.nearness[window]
    ahead = lifted > nearest
    if not ahead.any():
        return
    ahead &= _fill(ahead.shape, polygon - [columns.start + 0.5, rows.start + 0.5])
    if face.cutout is not None:
        depth = 1 / np.maximum(near, 1e-6)
        u, v = (
            (to_u[0] * x + (to_u[1] * y + to_u[2])) * depth,
            (to_v[0] * x + (to_v[1] * y + to_v[2])) * depth,
        )
        ahead &= face.cutout(u, v, face.width, face.height, face.paint.seed)
    np.copyto(seen.face[window], index, where=ahead)
    np.copyto(nearest, lifted, where=ahead)


def shade(
    wanted: NDArray[np.bool_], seen: Seen, faces: list[Face], light: Light, focal: float, picture: Floats
) -> None:
    """Paint the light that leaves the seen faces into ``picture``, [H, W, 3], where it is ``wanted``."""
    spots = np.flatnonzero(wanted)
    owner = seen.face.take(spots)
    materials: dict[Material, int] = {}
    kinds = [materials.setdefault(face.paint.material, len(materials)) for face in faces]
    table = _FaceTable(faces, seen, light)
    kind = np.array(kinds, np.uint8).take(owner)
    by_material = np.split(np.argsort(kind, kind="stable"), np.cumsum(np.bincount(kind))[:-1])
    for material, chosen in zip(materials, by_material, strict=False):
        if len(chosen):
            there = spots[chosen]
            put(picture, there, material(table.samples(there, owner[chosen], focal)))


def put(picture: Floats, spots: NDArray[np.intp], colours: Floats) -> None:
    """Set ``spots`` [n] of ``picture`` [H, W, 3] or [N, 3], counted row by row, to ``colours`` [n, 3]."""
    for plane, values in zip(np.moveaxis(picture, -1, 0), colours.T, strict=True):
        plane.put(spots, values)


class _FaceTable:
    """Attributes of all faces, one in each row, to be picked by pixel."""

    def __init__(self, faces: list[Face], seen: Seen, light: Light) -> None:
        paints = ((f.width, f.height, f.paint.seed, *f.paint.colour, *f.paint.accent) for f in faces)
        frames = _frames(faces).astype(np.float32)
        lit = light.on(np.cross(frames[:, 2], frames[:, 1]))
        columns = [seen.planes.reshape(-1, 9), _numbers(paints).reshape(-1, 9).astype(np.float32), lit]
        self._rows = np.ascontiguousarray(np.concatenate(columns, axis=1).T)
        self._width, self._light = seen.face.shape[1], light

    def samples(self, spots: NDArray[np.intp], owner: NDArray[np.int32], focal: float) -> Samples:
        y, x = (part.astype(np.float32) + 0.5 for part in np.divmod(spots, self._width))
        rows = self._rows.take(owner, axis=1)
        u, v, near = (a * x + b * y + c for a, b, c in rows[:9].reshape(3, 3, -1))
        depth = 1 / np.maximum(near, 1e-6)
        width, height, seed = rows[9:12]
        return Samples(
            np.clip(u * depth, 0, width),
            np.clip(v * depth, 0, height),
            width,
            height,
            depth / np.float32(focal),
            seed,
            colour=rows[12:15].T,
            accent=rows[15:18].T,
            lit=rows[18:21].T,
            light=self._light,
        )


@dataclass(frozen=True, eq=False)
class Shadows:
    """What keeps light from the ground, uint8 [H, W], 255 for all of it, soft at the edges.

    Args:
        thrown: keeps the sun away.
        stood: keeps all light away, close to where things stand.
    """

    thrown: NDArray[np.uint8]
    stood: NDArray[np.uint8]


def cast_shadows(content: Thing, corners: Corners, camera: Camera, light: Light) -> Shadows:
    """Throw the outlines of all faces along the sun's rays, and darken the ground beneath things."""
    (points, starts), away = corners, np.array(light.towards_sun)
    thrown = _projected((points - points[:, 1:2] / away[1] * away, starts), camera)
    casting = [face.casts and face.origin[2] < _SHADOWED for face in content.faces]
    stood = _numbers(point for contact in content.contacts for point in contact).reshape(-1, 3)
    stood_starts = np.cumsum([0, *(len(contact) for contact in content.contacts)])
    pixel = camera.size[0] / 360
    return Shadows(
        _ground_mask(compress(thrown, casting), camera, 1.2 * pixel),
        _ground_mask(_projected((stood, stood_starts), camera), camera, 4 * pixel),
    )


def _ground_mask(polygons: Iterable[Polygon], camera: Camera, blur: float) -> NDArray[np.uint8]:
    mask = Image.new("L", (camera.size[1], camera.size[0]))
    draw = ImageDraw.Draw(mask)
    for polygon in polygons:
        if len(polygon):
            draw.polygon(polygon.ravel().tolist(), fill=255)
    return np.asarray(mask.filter(ImageFilter.BoxBlur(blur)))
