"""Pages made from the code are what the repository holds."""

from pathlib import Path

from mmtwin.view.pages import invariants_page

DOCS = Path(__file__).parent.parent.parent / "docs"


def test_the_page_of_invariants_is_the_registrys() -> None:
    """To make it anew: mmtwin.view.pages.invariants_page()."""
    assert (DOCS / "invariants.md").read_text("utf-8") == invariants_page()


def test_the_readme_names_only_pages_and_commands_that_exist() -> None:
    readme = (DOCS.parent / "README.md").read_text("utf-8")
    pages = {part.split(")")[0] for part in readme.split("](")[1:]}
    assert pages
    assert all((DOCS.parent / page).exists() for page in pages if not page.startswith("http"))
