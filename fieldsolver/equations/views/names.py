"""Names as mathematicians write them: ``sigma_x`` is a sigma with the subscript x, ``Du`` is D with the subscript u."""

from __future__ import annotations

import re
from collections.abc import Collection

GREEK: dict[str, str] = {
    "alpha": "α", "beta": "β", "gamma": "γ", "delta": "δ", "epsilon": "ε", "zeta": "ζ", "eta": "η", "theta": "θ",
    "iota": "ι", "kappa": "κ", "lambda": "λ", "lam": "λ", "mu": "μ", "nu": "ν", "xi": "ξ", "pi": "π", "rho": "ρ",
    "sigma": "σ", "tau": "τ", "upsilon": "υ", "phi": "φ", "chi": "χ", "psi": "ψ", "omega": "ω",
    "Gamma": "Γ", "Delta": "Δ", "Theta": "Θ", "Lambda": "Λ", "Xi": "Ξ", "Pi": "Π", "Sigma": "Σ", "Phi": "Φ",
    "Psi": "Ψ", "Omega": "Ω",
}  # fmt: skip
"""Spelt names and their letters; ``lam`` stands for ``lambda``, which is a Python keyword."""

LATEX_GREEK: dict[str, str] = {letter: f"\\{name}" for name, letter in GREEK.items() if name != "lam"}
SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_SUBSCRIPTS = dict(zip("0123456789aehijklmnoprstuvxβγρφχ", "₀₁₂₃₄₅₆₇₈₉ₐₑₕᵢⱼₖₗₘₙₒₚᵣₛₜᵤᵥₓᵦᵧᵨᵩᵪ", strict=True))
_NUMBERED = re.compile(r"^(?P<head>[^\W\d_]+)(?P<below>[0-9]+)$")


def split_name(name: str, fields: Collection[str] = ()) -> tuple[str, str]:
    """A name as ``(head, subscript)``, either of them still spelt out; the subscript may be empty.

    An underscore separates them, so does a trailing number, and one letter (or a Greek one) before the name of a field:
    ``Du`` with a field ``u``.
    """
    bare = name.strip("_") or name
    head, _, below = bare.partition("_")
    if below:
        return head, below
    numbered = _NUMBERED.match(bare)
    if numbered:
        return numbered["head"], numbered["below"]
    for field in fields:
        head = bare.removesuffix(field)
        if bare not in GREEK and head != bare and (len(head) == 1 or head in GREEK):
            return head, field
    return bare, ""


def subscript(text: str) -> str | None:
    """`text` in Unicode subscripts, or None where a letter has none."""
    letters = GREEK.get(text, text)
    if not all(letter in _SUBSCRIPTS for letter in letters):
        return None
    return "".join(_SUBSCRIPTS[letter] for letter in letters)


def pretty_name(name: str, fields: Collection[str] = ()) -> str:
    """``sigma`` -> ``σ``, ``Du`` -> ``Dᵤ``, ``tau_w`` -> ``τ_w`` (there is no subscript w)."""
    head, below = split_name(name, fields)
    shown = GREEK.get(head, head)
    if not below:
        return shown
    lowered = subscript(below)
    return f"{shown}_{GREEK.get(below, below)}" if lowered is None else shown + lowered


def latex_name(name: str, fields: Collection[str] = ()) -> str:
    r"""``sigma`` -> ``\sigma``, ``Du`` -> ``D_{u}``, ``rate`` -> ``\mathrm{rate}``."""
    head, below = split_name(name, fields)
    return f"{_latex_part(head)}_{{{_latex_part(below)}}}" if below else _latex_part(head)


def _latex_part(text: str) -> str:
    letter = GREEK.get(text, text)
    if letter in LATEX_GREEK:
        return LATEX_GREEK[letter]
    if len(text) == 1 or text.isdigit():
        return text
    escaped = "".join(LATEX_GREEK.get(character, character) for character in text).replace("_", r"\_")
    return rf"\mathrm{{{escaped}}}"
