"""The import order of the packages, as in the README's map: each may import only what stands before it."""

import ast
import re
from pathlib import Path

from docs import architecture

PACKAGE = Path(__file__).parents[1] / "n2n_tf"
ORDER = [
    {"config"},
    {"compat", "files", "intensities", "ownership", "progress", "value_range"},
    {"html"},
    {"sampling"},
    {"noise"},
    {"methods"},
    {"networks"},
    {"inference"},
    {"weights"},
    {"formats"},
    {"data"},
    {"meter"},
    {"baselines"},
    {"evaluation"},
    {"inspection"},
    {"training"},
    {"exporting"},
    {"serving"},
    {"tasks"},
    {"napari"},
    {"cli"},
]
LEVEL = {name: level for level, names in enumerate(ORDER) for name in names}
NEVER = {("methods", "networks"), ("networks", "noise"), ("networks", "methods"), ("data", "methods"),
         ("inference", "methods"), ("inference", "networks"),
         *(("formats", room) for room in ("sampling", "noise", "methods", "networks", "inference"))}  # fmt: skip


def imports(source):
    """(line, room) of every import of n2n_tf in a file, inside functions too."""
    for node in ast.walk(ast.parse(source)):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"line {node.lineno}: a relative import hides where it leads"
            names = [f"{node.module}.{alias.name}" if node.module == "n2n_tf" else node.module for alias in node.names]
        for name in names:
            parts = name.split(".")
            if parts[0] == "n2n_tf" and len(parts) > 1 and parts[1] != "__version__":
                yield node.lineno, parts[1]


def violations(room, source):
    return [
        (line, other)
        for line, other in imports(source)
        if other != room and (LEVEL[other] >= LEVEL[room] or (room, other) in NEVER)
    ]


def test_imports_go_one_way():
    found = []
    for path in PACKAGE.rglob("*.py"):
        room = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        if room not in ("__init__", "__main__"):
            found += [f"{path}:{line}: {room} imports {other}" for line, other in violations(room, path.read_text())]
    assert not found, "\n".join(found)


def test_every_room_has_a_place():
    rooms = {path.stem for path in PACKAGE.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
    assert rooms - {"__init__", "__main__"} == set(LEVEL)


def test_the_picture_shows_the_imports():
    """Each arrow is an import, and along arrows lies all that is imported."""
    picture = architecture.PICTURE.read_text(encoding="utf-8")
    assert picture == architecture.draw(), "python docs/architecture.py draws it again"
    drawn, imported = {}, {room: set() for room in LEVEL}
    for room, other in re.findall(r'<path id="(\w+)-(\w+)"', picture):
        drawn.setdefault(room, set()).add(other)
    for path in PACKAGE.rglob("*.py"):
        room = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        imported.setdefault(room, set()).update(other for _, other in imports(path.read_text()) if other in LEVEL)
    for room in LEVEL:
        assert drawn.get(room, set()) <= imported[room], room
        assert imported[room] - {room} <= reached(drawn, room), room
    assert set(re.findall(r"<text[^>]*>(\w+)<", picture)) == set(LEVEL)


def reached(arrows, room):
    return arrows.get(room, set()).union(*(reached(arrows, other) for other in arrows.get(room, ())))


def test_the_check_can_fail():
    assert violations("data", "def f():\n    from n2n_tf.training.run import train") == [(2, "training")]
    assert violations("methods", "import n2n_tf.networks") == [(1, "networks")]
    assert violations("config", "from n2n_tf import noise") == [(1, "noise")]
    assert violations("training", "from n2n_tf.methods import METHODS") == []


def test_only_the_command_line_names_flags():
    """A text of the library names a field, `like_this`; the command line makes it a flag. Commands may be quoted."""
    found = []
    for path in PACKAGE.rglob("*.py"):
        room = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        if room not in ("cli", "config", "serving", "html"):  # whose style has variables
            for node in ast.walk(ast.parse(path.read_text())):
                text = node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""
                if re.search(r"(?<![\w-])--[a-z]", text) and "n2n-tf" not in text and not text.startswith(" --output"):
                    found.append(f"{path}:{node.lineno}: {text}")
    assert not found, "\n".join(found)
