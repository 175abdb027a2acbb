"""Draws docs/architecture.svg from the imports of n2n_tf: rooms on floors, an arrow to each room that one imports.

    python docs/architecture.py

A room lies one floor above the highest that it imports. An arrow is left out where others lead to the same room.
"""

import ast
import os
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
PICTURE = ROOT / "docs" / "architecture.svg"
WIDTH, FLOOR, HEIGHT, LETTER = 920, 62, 28, 7.8
STYLE = """
  svg { --paper: #fff; --ink: #263238; --box: #eceff1; --line: #78909c; font: 13px ui-monospace, monospace }
  @media (prefers-color-scheme: dark) { svg { --paper: #1e2129; --ink: #eceff1; --box: #37474f; --line: #90a4ae } }
  rect { fill: var(--box); stroke: var(--line) } .paper { fill: var(--paper); stroke: none }
  text { fill: var(--ink); text-anchor: middle }
  path { fill: none; stroke: var(--line); stroke-width: 1.2 } .head { fill: var(--line); stroke: none }
"""


def names(path: Path) -> Iterator[str]:
    """What a file imports of n2n_tf, with dots."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def read() -> dict[str, set[str]]:
    """Rooms, and which others each imports."""
    package = ROOT / "n2n_tf"
    homes = {path: path.relative_to(package).parts[0].removesuffix(".py") for path in package.rglob("*.py")}
    rooms = {home: set[str]() for home in sorted(homes.values()) if not home.startswith("__")}
    for path, home in homes.items():
        parts = (name.split(".") for name in names(path))
        reached = {part[1] for part in parts if part[0] == "n2n_tf" and len(part) > 1}
        if home in rooms:
            rooms[home] |= reached & rooms.keys() - {home}
    return rooms


def reach(rooms: dict[str, set[str]], room: str) -> set[str]:
    """All that a room imports, and what these import."""
    return rooms[room].union(*(reach(rooms, each) for each in rooms[room]))


def floors(rooms: dict[str, set[str]]) -> dict[str, int]:
    """0 for a room that imports none."""
    found: dict[str, int] = {}
    for room in sorted(rooms, key=lambda room: (len(reach(rooms, room)), room)):
        found[room] = 1 + max((found[each] for each in rooms[room]), default=-1)
    return found


def places(rooms: dict[str, set[str]], levels: dict[str, int]) -> dict[str, tuple[float, float]]:
    """Middles of the boxes: each near the middle of those that it imports."""
    found: dict[str, tuple[float, float]] = {}
    for level in range(max(levels.values()) + 1):
        here = [room for room in sorted(rooms) if levels[room] == level]
        near = {room: sum(found[each][0] for each in rooms[room]) / (len(rooms[room]) or 1) for room in here}
        for place, room in enumerate(sorted(here, key=lambda room: (near[room], room))):
            shift = WIDTH / 4 * (-1) ** level if len(here) == 1 and 0 < level < max(levels.values()) else 0
            y = (max(levels.values()) - level + 0.5) * FLOOR
            found[room] = ((place + 0.5) * WIDTH / len(here) + shift, y)
    return found


def draw() -> str:
    """The picture."""
    rooms = read()
    levels = floors(rooms)
    where = places(rooms, levels)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {(max(levels.values()) + 1) * FLOOR}">',
        f"<style>{STYLE}</style>",
        "<title>The rooms of n2n_tf, and which imports which</title>",
        '<marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path class="head" d="M0 0 8 4 0 8z"/></marker>',
        '<rect class="paper" width="100%" height="100%"/>',
    ]
    for room in sorted(rooms):
        for other in sorted(rooms[room] - set().union(*(reach(rooms, each) for each in rooms[room]))):
            (x0, y0), (x1, y1) = where[room], where[other]
            y0, y1 = y0 + HEIGHT / 2, y1 - HEIGHT / 2
            bend = max(20, (y1 - y0) / 2)
            curve = f"M{x0:g} {y0:g}C{x0:g} {y0 + bend:g} {x1:g} {y1 - bend:g} {x1:g} {y1:g}"
            lines.append(f'<path id="{room}-{other}" d="{curve}" marker-end="url(#head)"/>')
    for room, (x, y) in sorted(where.items()):
        width = len(room) * LETTER + 20
        box = f'x="{x - width / 2:g}" y="{y - HEIGHT / 2:g}" width="{width:g}" height="{HEIGHT}" rx="4"'
        lines.append(f'<rect {box}/><text x="{x:g}" y="{y + 4.5:g}">{room}</text>')
    return "\n".join([*lines, "</svg>", ""])


if __name__ == "__main__":
    temporary = PICTURE.with_suffix(".partial")
    temporary.write_text(draw(), encoding="utf-8")
    os.replace(temporary, PICTURE)
