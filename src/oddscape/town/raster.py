"""From faces in space to what each pixel sees: a depth buffer over filled polygons."""

from __future__ import annotations

from dataclasses import dataclass

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


def _corners(faces: list[Face]) -> tuple[Polygon, NDArray[np.intp]]:
    """Corners [P, 3] of all faces in one array, and where each face's corners start, [F + 1]."""
    counts = [len(face.outline) for face in faces]
    uv = np.array([point for face in faces for point in face.outline])
    owner = np.repeat(np.arange(len(faces)), counts)
    frames = np.array([(face.origin, face.right, face.up) for face in faces])[owner]
    points = frames[:, 0] + uv[:, :1] * frames[:, 1] + uv[:, 1:] * frames[:, 2]
    return points, np.concatenate([[0], np.cumsum(counts)])


def _cut_near(points: Polygon) -> Polygon:
    """The part of a polygon that lies beyond the near plane (Sutherland–Hodgman)."""
    kept: list[Polygon] = []
    for p, q in zip(points, np.roll(points, -1, axis=0), strict=True):
        if p[2] >= _NEAR:
            kept.append(p)
        if (p[2] >= _NEAR) != (q[2] >= _NEAR):
            kept.append(p + (_NEAR - p[2]) / (q[2] - p[2]) * (q - p))
    return np.array(kept).reshape(-1, 3)


def _projected(points: Polygon, starts: NDArray[np.intp], camera: Camera) -> list[Polygon]:
    """Columns and rows of each polygon's corners; none where nothing of it can be seen."""
    ahead = np.maximum(points[:, 2], _NEAR)
    pixels = camera.project(np.concatenate([points[:, :2], ahead[:, None]], axis=1))
    nearest = np.minimum.reduceat(points[:, 2], starts[:-1])
    low, high = np.minimum.reduceat(pixels, starts[:-1]), np.maximum.reduceat(pixels, starts[:-1])
    height, width = camera.size
    outside = (low[:, 0] >= width) | (low[:, 1] >= height) | (high[:, 0] <= 0) | (high[:, 1] <= 0)
    tiny = (high - low).max(axis=1) < _TINY
    whole, gone = nearest >= _NEAR, (nearest >= _NEAR) & (outside | tiny)
    polygons = np.split(pixels, starts[1:-1])
    for index in np.flatnonzero(gone):
        polygons[index] = _NOTHING
    for index in np.flatnonzero(~whole):
        cut = _cut_near(points[starts[index] : starts[index + 1]])
        polygons[index] = camera.project(cut) if len(cut) >= 3 else _NOTHING
    return polygons


def _planes(faces: list[Face], camera: Camera) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    frames = np.array([(face.right, face.up, face.origin) for face in faces]).transpose(0, 2, 1)
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


def _window(polygon: Polygon, size: tuple[int, int]) -> tuple[slice, slice] | None:
    columns_, rows_ = polygon.T.tolist()
    rows = slice(max(int(min(rows_)), 0), min(int(max(rows_)) + 2, size[0]))
    columns = slice(max(int(min(columns_)), 0), min(int(max(columns_)) + 2, size[1]))
    return None if rows.start >= rows.stop or columns.start >= columns.stop else (rows, columns)


def rasterise(faces: list[Face], camera: Camera) -> Seen:
    """Find the nearest face behind every pixel; the ground hides what lies below it."""
    height, width = camera.size
    below = (np.arange(height) + 0.5 - camera.horizon) / (camera.focal * camera.height)
    nearness = np.repeat(np.maximum(below * 0.999, 0).astype(np.float32)[:, None], width, axis=1)
    planes, shown = _planes(faces, camera)
    seen = Seen(np.full((height, width), _GROUND, np.int32), nearness, planes.astype(np.float32))
    pixels = _Pixels(
        np.arange(width, dtype=np.float32) + 0.5, np.arange(height, dtype=np.float32)[:, None] + 0.5
    )
    for index, polygon in enumerate(_projected(*_corners(faces), camera)):
        if shown[index] and len(polygon):
            _draw(index, faces[index], polygon, seen, pixels)
    return seen


@dataclass(frozen=True, eq=False)
class _Pixels:
    """Centres of the picture's columns [W] and rows [H, 1]."""

    x: Floats
    y: Floats


def _draw(index: int, face: Face, polygon: Polygon, seen: Seen, pixels: _Pixels) -> None:
    window = _window(polygon, (len(pixels.y), len(pixels.x)))
    if window is None:
        return
    rows, columns = window
    mask = _fill(
        (rows.stop - rows.start, columns.stop - columns.start),
        polygon - [columns.start + 0.5, rows.start + 0.5],
    )
    x, y = pixels.x[columns], pixels.y[rows]
    to_u, to_v, to_near = seen.planes[index]
    near = (to_near[0] * x) + (to_near[1] * y + to_near[2])
    ahead = mask & (near * np.float32(face.lift) > seen.nearness[window])
    if face.cutout is not None:
        depth = 1 / np.maximum(near, 1e-6)
        u, v = (
            (to_u[0] * x + (to_u[1] * y + to_u[2])) * depth,
            (to_v[0] * x + (to_v[1] * y + to_v[2])) * depth,
        )
        ahead &= face.cutout(u, v, face.width, face.height, face.paint.seed)
    np.copyto(seen.face[window], index, where=ahead)
    np.copyto(seen.nearness[window], near * np.float32(face.lift), where=ahead)


def shade(
    wanted: NDArray[np.bool_], seen: Seen, faces: list[Face], light: Light, focal: float, picture: Floats
) -> None:
    """Paint the light that leaves the seen faces into ``picture``, [H, W, 3], where it is ``wanted``."""
    rows, columns = np.nonzero(wanted)
    owner = seen.face[rows, columns]
    materials: dict[Material, int] = {}
    kinds = np.array([materials.setdefault(face.paint.material, len(materials)) for face in faces])
    table = _FaceTable(faces, light)
    kind = kinds[owner]
    for material, number in materials.items():
        chosen = np.flatnonzero(kind == number)
        if len(chosen):
            y, x = rows[chosen], columns[chosen]
            picture[y, x] = material(table.samples(owner[chosen], x, y, seen, focal))


class _FaceTable:
    """Attributes of all faces as arrays, to be picked by pixel."""

    def __init__(self, faces: list[Face], light: Light) -> None:
        self._numbers = np.array([(f.width, f.height, f.paint.seed) for f in faces], np.float32)
        self._colours = np.array([(f.paint.colour, f.paint.accent) for f in faces], np.float32)
        rights = np.array([f.right for f in faces], np.float32)
        ups = np.array([f.up for f in faces], np.float32)
        self._lit = light.on(np.cross(ups, rights).astype(np.float32)).astype(np.float32)
        self._light = light

    def samples(
        self, owner: NDArray[np.int32], x: NDArray[np.intp], y: NDArray[np.intp], seen: Seen, focal: float
    ) -> Samples:
        planes = seen.planes[owner]
        px, py = x.astype(np.float32) + 0.5, y.astype(np.float32) + 0.5
        u, v, near = (planes[:, k, 0] * px + planes[:, k, 1] * py + planes[:, k, 2] for k in range(3))
        depth = 1 / np.maximum(near, 1e-6)
        width, height, seed = self._numbers[owner].T
        colours = self._colours[owner]
        return Samples(
            np.clip(u * depth, 0, width),
            np.clip(v * depth, 0, height),
            width,
            height,
            depth / np.float32(focal),
            seed,
            colours[:, 0],
            colours[:, 1],
            self._lit[owner],
            self._light,
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


def cast_shadows(content: Thing, camera: Camera, light: Light) -> Shadows:
    """Throw the outlines of all faces along the sun's rays, and darken the ground beneath things."""
    points, starts = _corners([face for face in content.faces if face.casts and face.origin[2] < _SHADOWED])
    away = np.array(light.towards_sun)
    thrown = points - points[:, 1:2] / away[1] * away
    stood = np.array([point for contact in content.contacts for point in contact])
    stood_starts = np.concatenate([[0], np.cumsum([len(contact) for contact in content.contacts])])
    pixel = camera.size[0] / 360
    return Shadows(
        _ground_mask(thrown, starts, camera, 1.2 * pixel),
        _ground_mask(stood, stood_starts, camera, 4 * pixel),
    )


def _ground_mask(points: Polygon, starts: NDArray[np.intp], camera: Camera, blur: float) -> NDArray[np.uint8]:
    mask = Image.new("L", (camera.size[1], camera.size[0]))
    draw = ImageDraw.Draw(mask)
    for polygon in _projected(points, starts, camera):
        if len(polygon):
            draw.polygon(polygon.ravel().tolist(), fill=255)
    return np.asarray(mask.filter(ImageFilter.BoxBlur(blur)))
