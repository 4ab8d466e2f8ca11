"""Formulas become MathML when the site is built: browsers draw it themselves, without a script, a font or a network."""

import re
from xml.etree.ElementTree import Element

from latex2mathml.converter import convert
from markdown import Markdown
from markdown.extensions import Extension
from markdown.treeprocessors import Treeprocessor

# What the converter leaves as it is.
LEFT = {r"\{": "{", r"\}": "}", r"<mi>\arg</mi>": "<mi>arg</mi>"}
# What stands in kets and norms, which browsers would set apart and stretch; bars of \left and \right are to be.
_BARS = '<mo(?![^>]*stretchy="true")[^>]*>(&#x(?:0007C|02016|02191|02193);)</mo>'
# Names of functions stand apart from what they are of, and from what is multiplied by them.
_NAME = "<mi>(?:arg|cos|cosh|det|exp|ln|log|sin|sinh|tan|tanh)</mi>"
_SPACE = '<mspace width="0.17em"/>'
_APART = {
    rf"({_NAME})(?=<(?:mi|mn|mfrac|msqrt|msub|msup|msubsup)>)": rf"\1{_SPACE}",
    rf"(?<!&#x027E8;)(</(?:mi|mn|msub|msup)>)(?={_NAME})": rf"\1{_SPACE}",
}


def mathml(formula: str, display: str) -> str:
    """A formula of LaTeX as MathML.

    >>> "<mo>max</mo>" in mathml(r"\\arg\\max", "inline")
    True
    >>> "<mi>&#x0007C;</mi><mi>k</mi>" in mathml(r"\\lvert k\\rangle", "inline")
    True
    """
    markup = convert(formula, display=display)
    for left, right in LEFT.items():
        markup = markup.replace(left, right)
    markup = re.sub(_BARS, r"<mi>\1</mi>", markup)
    for pattern, apart in _APART.items():
        markup = re.sub(pattern, apart, markup)
    if "\\" in markup:
        raise ValueError(f"formula: expected commands that latex2mathml knows; got {formula!r}.")
    return markup


class Formulas(Treeprocessor):
    """Replaces the elements of class arithmatex, which hold a formula between its marks."""

    def run(self, root: Element) -> None:
        for element in root.iter():
            if element.get("class") == "arithmatex":
                text = "".join(element.itertext()).strip()
                shown = "block" if text.startswith("\\[") else "inline"
                markup = mathml(text[2:-2], shown)
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
