"""What a run or a backfill is estimated to take, in words."""

from __future__ import annotations


def amounts(*, bytes_: int | None, instance_hours: float, cost_usd: float | None) -> str:
    """Bytes of assets where they are known, and money, of which `cost_usd` None says that no price is."""
    size = f"{bytes_ / 1e9:.1f} GB of assets, " if bytes_ else ""
    money = f"about {cost_usd:.2f} USD" if cost_usd is not None else "no price known"
    return f"{size}about {instance_hours:.1f} instance-hours, {money}"
