"""What an expression does when every field is a uniform state plus a small plane wave."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .factors import Factor, Monomial, product


@dataclass(frozen=True)
class Response:
    """First-order change of an expression: ``sum_m A_m [operators of m applied to the waves]``.

    Attributes:
        terms: per product of operators, ``(S, c, W)`` for S states, c components of the expression and W waves.
    """

    terms: dict[Monomial, Tensor]

    @classmethod
    def zero(cls) -> Response:
        """Of an expression that does not depend on the fields."""
        return cls({})

    def __bool__(self) -> bool:
        return bool(self.terms)

    def __add__(self, other: Response) -> Response:
        terms = dict(self.terms)
        for monomial, matrix in other.terms.items():
            terms[monomial] = terms[monomial] + matrix if monomial in terms else matrix
        return Response(terms)

    def scaled(self, coefficient: Tensor) -> Response:
        """Times a coefficient per state and component, ``(S, c)`` or ``(S, 1)``."""
        return Response({monomial: coefficient.unsqueeze(-1) * matrix for monomial, matrix in self.terms.items()})

    def under(self, factor: Factor) -> Response:
        """With one more operator applied."""
        return Response({product(monomial, factor): matrix for monomial, matrix in self.terms.items()})

    def component(self, index: int) -> Response:
        """Of one component."""
        return self.mapped(lambda matrix: matrix[:, index : index + 1] if matrix.shape[1] > 1 else matrix)

    def summed(self) -> Response:
        """Over the components."""
        return self.mapped(lambda matrix: matrix.sum(1, keepdim=True))

    def conjugate(self, mirror: Tensor) -> Response:
        """Of the complex conjugate; `mirror` says which wave is the conjugate of which.

        The operators are real: the conjugate of ``s(-k)`` is ``s(k)``.
        """
        return self.mapped(lambda matrix: matrix.conj().resolve_conj()[..., mirror])

    def spread(self, components: int) -> Response:
        """A scalar as that many equal components."""
        return self.mapped(lambda matrix: matrix.expand(-1, components, -1))

    def chosen(self, condition: Tensor, other: Response) -> Response:
        """This one where `condition` ``(S, c)`` holds, the other elsewhere."""
        yes = condition.to(torch.float64)
        return self.scaled(yes) + other.scaled(1 - yes)

    def mapped(self, change: object) -> Response:
        """With a linear function applied to every matrix."""
        return Response({monomial: change(matrix) for monomial, matrix in self.terms.items()})  # type: ignore[operator]  # a function


def joined(parts: list[tuple[Response, int]], states: int, waves: int, like: Tensor) -> Response:
    """Components put together: each part with its number of components."""
    monomials = {monomial: None for part, _ in parts for monomial in part.terms}
    terms = {}
    for monomial in monomials:
        rows = [
            part.terms[monomial].expand(states, size, waves)
            if monomial in part.terms
            else torch.zeros(states, size, waves, dtype=like.dtype)
            for part, size in parts
        ]
        terms[monomial] = torch.cat(rows, dim=1)
    return Response(terms)


def sized(response: Response, components: int) -> Response:
    """A scalar beside vectors counts in every component."""
    return response.mapped(lambda matrix: matrix.expand(-1, components, -1) if matrix.shape[1] == 1 else matrix)
