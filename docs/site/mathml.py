"""Formulas become MathML when the site is built: browsers draw it themselves, without a script, a font or a network."""

from xml.etree.ElementTree import Element

from latex2mathml.converter import convert
from markdown import Markdown
from markdown.extensions import Extension
from markdown.treeprocessors import Treeprocessor


class Formulas(Treeprocessor):
    """Replaces the elements of class arithmatex, which hold a formula between its marks."""

    def run(self, root: Element) -> None:
        for element in root.iter():
            if element.get("class") == "arithmatex":
                text = "".join(element.itertext()).strip()
                shown = "block" if text.startswith("\\[") else "inline"
                markup = convert(text[2:-2], display=shown)
                for child in list(element):
                    element.remove(child)
                element.text = self.md.htmlStash.store(markup)


class MathML(Extension):
    """Formulas, after everything else of a line has been read."""

    def extendMarkdown(self, md: Markdown) -> None:
        md.treeprocessors.register(Formulas(md), "mathml", 1)


def makeExtension() -> MathML:
    """What Python-Markdown asks an extension's module for."""
    return MathML()
