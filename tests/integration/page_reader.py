"""What a page says, read as a browser without scripts reads it."""

from html.parser import HTMLParser

_EMPTY = {"meta", "link", "br", "img", "input"}


class Page(HTMLParser):
    """The elements, links, table rows and text of a page."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.rows: list[list[str]] = []
        self.words: list[str] = []
        self._open: list[str] = []
        self.feed(html)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in _EMPTY:
            self._open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in {"th", "td"}:
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)
        if {"th", "td"} & set(self._open):
            self.rows[-1][-1] = f"{self.rows[-1][-1]} {data.strip()}".strip()

    @property
    def text(self) -> str:
        """Return all of its text, in one line."""
        return " ".join(" ".join(self.words).split())

    def all(self, tag: str) -> list[dict[str, str | None]]:
        """Return the attributes of every element of one kind."""
        return [attributes for name, attributes in self.elements if name == tag]

    @property
    def links(self) -> list[str]:
        """Return where its links go."""
        return [str(attributes["href"]) for attributes in self.all("a")]

    @property
    def ids(self) -> list[str]:
        """Return what its links can go to."""
        return [str(found["id"]) for _, found in self.elements if "id" in found]


def check(html: str) -> Page:
    """Return the page, which must work without scripts, for keyboards and for readers aloud."""
    page = Page(html)
    for tag, attributes in page.elements:
        assert tag not in {"style", "iframe"}
        assert not [name for name in attributes if name == "style" or name.startswith("on")]
    for script in page.all("script"):
        assert str(script["src"]).startswith("/static/")
        assert "defer" in script
    for form in page.all("form"):
        assert str(form["action"]).startswith("/")
    labelled = {label["for"] for label in page.all("label")}
    for field in page.all("input") + page.all("select") + page.all("textarea"):
        assert field.get("type") == "hidden" or field["id"] in labelled
    assert page.all("html") == [{"lang": "en"}]
    assert len(page.all("h1")) == len(page.all("main")) == len(page.all("title")) == 1
    assert len(page.ids) == len(set(page.ids))
    assert {link[1:] for link in page.links if link.startswith("#")} <= set(page.ids)
    assert all(link.startswith(("/", "#")) for link in page.links)
    assert all(head["scope"] in {"col", "row"} for head in page.all("th"))
    assert len(page.all("caption")) == len(page.all("table"))
    for region in page.all("div"):
        if region.get("role", "status") == "status":
            continue
        assert (region["role"], region["tabindex"]) == ("region", "0")
        assert region["aria-labelledby"] in page.ids
    return page
