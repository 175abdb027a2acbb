"""MkDocs: two pages from outside docs/, and links to files that the site does not have."""

import os
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[1]
OUTSIDE = {"serving/README.md": "serving.md", "n2n_tf/weights/README.md": "weights.md", "CHANGELOG.md": "changes.md"}
LINK = re.compile(r"(?<!!)\[([^\]\[]*)\]\(([^)\s:#]+)(#[^)\s]*)?\)")  # no address with a scheme, no picture
INLINE = re.compile(r"<code>[^<]*</code>")
FLAG = re.compile(r"(?<![\w-])--?[a-zA-Z][\w-]*")


def on_files(files: Files, config: Any) -> Files:
    """Add the pages from outside."""
    for source, page in OUTSIDE.items():
        files.append(File.generated(config, page, abs_src_path=str(ROOT / source)))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Make links work here that work beside the file: the repository has no address, so its other files are named."""
    here = Path(page.file.abs_src_path).parent
    on_site = {ROOT / source: name for source, name in OUTSIDE.items()}

    def link(match: re.Match[str]) -> str:
        text, path, anchor = match[1], Path(os.path.normpath(here / match[2])), match[3] or ""
        if path in on_site:
            target = on_site[path]
        elif path.is_relative_to(ROOT / "docs"):
            target = str(path.relative_to(ROOT / "docs"))
        else:
            name = f"`{path.relative_to(ROOT)}`"
            return name if text.strip("`") in name or name.strip("`").endswith(text.strip("`")) else f"{text} ({name})"
        return f"[{text}]({os.path.relpath(target, Path(page.file.src_uri).parent)}{anchor})"

    return LINK.sub(link, markdown)


def on_page_content(html: str, **_: Any) -> str:
    """Flags in a line of text, marked for site.css."""
    return INLINE.sub(lambda code: FLAG.sub(r'<span class="flag">\g<0></span>', code[0]), html)
