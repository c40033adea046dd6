"""Check a built site: ``python docs/extensions/links.py docs/_build``; one line for each fault."""

import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit


class Page(HTMLParser):
    """Links, anchors and pictures of one page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.fetched: list[str] = []
        self.anchors: set[str] = set()
        self.faults: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Collect what the tag refers to, and what refers to it."""
        found = dict(attrs)
        self.anchors |= {str(found[name]) for name in ("id", "name") if found.get(name)}
        if tag == "a" and found.get("href"):
            self.links.append(str(found["href"]))
        source = found.get("href") if tag == "link" else found.get("src")
        if tag in ("img", "script", "link", "source") and source and found.get("rel") != "canonical":
            self.fetched.append(source)
        # An empty text says that a picture adds nothing to the words beside it.
        if tag == "img" and "alt" not in found:
            self.faults.append(f"no alternative text: {found.get('src')}")


def faults(root: Path) -> list[str]:
    """Every fault of every page, as "page: fault"."""
    paths = [path for path in sorted(root.rglob("*.html")) if "_static" not in path.parts]
    pages = {path: Page(path.read_text(encoding="utf-8")) for path in paths}
    found = []
    for path, page in pages.items():
        name = path.relative_to(root)
        found += [f"{name}: {fault}" for fault in page.faults]
        found += [f"{name}: fetches {source}" for source in page.fetched if urlsplit(source).netloc]
        for link in (*page.links, *page.fetched):
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path.resolve()
            if not target.exists():
                found.append(f"{name}: nothing at {link}")
            elif parts.fragment and target.suffix == ".html":
                known = next((p.anchors for q, p in pages.items() if q.resolve() == target), set())
                if unquote(parts.fragment) not in known:
                    found.append(f"{name}: no anchor {link}")
    return found


def main() -> None:
    """Print the faults; exit code 1 if there are any."""
    root = Path(sys.argv[1])
    found = faults(root)
    print("\n".join([*found, f"{len(list(root.rglob('*.html')))} pages, {len(found)} faults"]))
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
