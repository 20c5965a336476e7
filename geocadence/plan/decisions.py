"""The decision on each candidate: by what is there, by what it was made, and by who else is at work."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from geocadence.committed import Committed
from geocadence.instants import format_instant
from geocadence.plan.decision import Decision, Verdict, named, shown
from geocadence.plan.identity import NEVER, version
from geocadence.plan.left_behind import Attempt, Attempts, maker
from geocadence.plan.recipe import what_changed
from geocadence.products import Product

_ADOPTED = "its product is in place (and not in the catalogue yet)"
_ADOPTED_ANEW = "its product is in place (and newer than what the catalogue says of it)"


def decide(
    candidates: Iterable[Decision],
    *,
    products: Mapping[str, Product],
    committed: Mapping[str, Committed],
    held: Mapping[str, str],
    left: Attempts,
    forgot: datetime | None,
    recipe: str,
    is_outdated: bool = False,
    recompute: bool | datetime,
) -> list[Decision]:
    """`new`, `skip` or `recompute`: by what is there, by what, and by who else is at work (`held`: scene → run).

    Since `forgot` there may have been runs that ended without a close and of which nothing is known any more.
    `recompute` asks for all, or for what was made before a time: what is newer and of the same recipe is what was asked
    for. `is_outdated` says that the recipe is that of an earlier deployment: nothing is made anew for its sake, as the
    next run would make it anew once more, and what is of another may be of the recipe of now.
    """
    decisions = []
    for candidate in candidates:
        product, known = products.get(candidate.scene), committed.get(candidate.scene)
        attempt = _left_by(product, known, left.get(candidate.scene, ()))
        made_by = attempt.recipe if attempt is not None else known.recipe if known is not None else ""
        is_anybodys = attempt is None and forgot is not None and _is_written_since(product, known, forgot)
        holder = held.get(candidate.scene) or held.get(candidate.acquisition)
        verdict, reason = _verdict(
            candidate,
            product,
            known,
            holder,
            made_by=made_by,
            is_anybodys=is_anybodys,
            recipe=recipe,
            is_outdated=is_outdated,
            recompute=recompute,
        )
        adopted = product if reason in (_ADOPTED, _ADOPTED_ANEW) else None
        decisions.append(
            replace(
                candidate,
                verdict=verdict,
                reason=reason,
                adopted=adopted,
                recipe=made_by,
                left_by="" if attempt is None or _is_as_known(product, known, made_by) else attempt.run_id,
                held_by=holder or "",
            )
        )
    return decisions


def _left_by(product: Product | None, known: Committed | None, tried: Sequence[Attempt]) -> Attempt | None:
    """Whose product is in place, where it is none that the catalogue has. An Item may be what it was, written anew."""
    if product is None or not tried or (known is not None and _is_what_was_committed(product, known)):
        return None
    return maker(tried, product)


def _is_what_was_committed(product: Product, known: Committed) -> bool:
    return known.etag == product.etag and known.modified in ("", format_instant(product.modified))


def _is_written_since(product: Product | None, known: Committed | None, since: datetime) -> bool:
    """Whether a committed product was written over, and not before then."""
    if product is None or known is None or _is_what_was_committed(product, known):
        return False
    return product.modified >= since


def _verdict(
    candidate: Decision,
    product: Product | None,
    known: Committed | None,
    holder: str | None,
    *,
    made_by: str,
    is_anybodys: bool,
    recipe: str,
    is_outdated: bool,
    recompute: bool | datetime,
) -> tuple[Verdict, str]:
    if holder is not None:
        return Verdict.SKIP, f"run {holder} is working on it"
    if product is None:
        if candidate.replaces:
            return Verdict.NEW, f"replaces {', '.join(candidate.replaces)}, made from an older processing baseline"
        return Verdict.NEW, "no product yet" if known is None else "its product is gone"
    if not product.is_complete:
        return Verdict.NEW, f"its product is incomplete: {product.faults[0]}"
    is_ours = made_by == recipe or (is_outdated and bool(made_by))
    is_made_since = isinstance(recompute, datetime) and is_ours and product.modified >= recompute
    if recompute and not is_made_since:
        return Verdict.RECOMPUTE, "recompute was asked for"
    if made_by and not is_ours:
        changed = what_changed(made_by, recipe)
        return Verdict.RECOMPUTE, f"the recipe changed since its product was made: another {changed}"
    if known is None:
        doubt = _doubt(candidate, product)
        return (Verdict.RECOMPUTE, doubt) if doubt else (Verdict.SKIP, _ADOPTED)
    if reason := _outdated(candidate, product.baseline or known.baseline):
        return Verdict.RECOMPUTE, reason
    if is_anybodys:
        return Verdict.RECOMPUTE, "its product was written over since it was committed, by a run that is forgotten"
    if not _is_as_known(product, known, made_by):
        return Verdict.SKIP, _ADOPTED_ANEW
    return Verdict.SKIP, "its product is in place" + (", made since recompute was asked for" if is_made_since else "")


def _is_as_known(product: Product | None, known: Committed | None, made_by: str) -> bool:
    return known is not None and product is not None and known.etag == product.etag and known.recipe == made_by


def _doubt(candidate: Decision, product: Product) -> str | None:
    """Why a product that no run has committed may be of another version of its scene than the catalogue lists now.

    An aborted run leaves such products, and so does one that was replaced, whose files stay in the bucket.
    """
    if reason := _outdated(candidate, product.baseline):
        return reason
    if candidate.changed is not None and candidate.changed > product.modified:
        return "the catalogue changed the scene since its product was made, which no run has committed"
    if candidate.replaces and not product.baseline and candidate.changed in (None, NEVER):
        return f"replaces {', '.join(candidate.replaces)}, and nothing says what its product was made from"
    return None


def _outdated(candidate: Decision, made_from: str) -> str | None:
    if made_from and version(made_from) < candidate.version:
        return f"{named(candidate.baseline)} is there, its product was made from {shown(made_from)}"
    return None
