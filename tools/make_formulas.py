"""Write processing_scripts/spectral/formulas.json: the formulas of the package `spyndex`.

    .venv/bin/python tools/make_formulas.py            write it
    .venv/bin/python tools/make_formulas.py --check    exit 1 when it is out of step

The container has no `spyndex`, so the table travels with the script. Formulas, references and the
default constants are spyndex's (Awesome Spectral Indices, MIT); constants differ only where the
index's own reference gives another value (below). Reads spyndex's data files, not its code: importing
it takes seconds.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "processing_scripts" / "spectral" / "formulas.json"
sys.path.insert(0, str(ROOT / "processing_scripts"))

from spectral.bands import BANDS  # noqa: E402 (the path has to be set first)
from spectral.expression import Formula  # noqa: E402

# spyndex's default L = 1 is right for EVI. The references of these have 0.5:
CONSTANTS = {
    "SAVI": {"L": 0.5},  # Huete 1988, https://doi.org/10.1016/0034-4257(88)90106-X
    "GSAVI": {"L": 0.5},  # Sripada et al. 2006, after Huete
    "SARVI": {"L": 0.5},  # Kaufman and Tanré 1992, https://doi.org/10.1109/36.134076
    "MNLI": {"L": 0.5},  # Gong et al. 2003, https://doi.org/10.1109/TGRS.2003.812910
    "IBI": {"L": 0.5},  # Xu 2008, https://doi.org/10.1080/01431160802039957
}
# Kept as int16 although bright clouds can exceed it: everyone does, and clipped pixels are counted.
PACKED_BY_CUSTOM = {"EVI"}
_LARGEST_PACKED = 3.2767


def make() -> str:
    """The table as JSON text: the same for the same spyndex."""
    data = Path(importlib.util.find_spec("spyndex").submodule_search_locations[0]) / "data"
    indices = json.loads((data / "spectral-indices-dict.json").read_text())["SpectralIndices"]
    defaults = {
        name: constant["default"]
        for name, constant in json.loads((data / "constants.json").read_text()).items()
        if constant["default"] is not None
    }
    table = {name: _entry(name, index, defaults) for name, index in sorted(indices.items())}
    source = f"spyndex {importlib.metadata.version('spyndex')} (Awesome Spectral Indices, MIT licence)"
    lines = ",\n".join(f"  {json.dumps(name)}: {json.dumps(entry)}" for name, entry in table.items())
    return f'{{\n "source": {json.dumps(source)},\n "indices": {{\n{lines}\n }}\n}}\n'


def _entry(name: str, index: dict, defaults: dict[str, float]) -> dict:
    formula = Formula(index["formula"])
    known = {**defaults, **CONSTANTS.get(name, {})}
    constants = {symbol: float(known[symbol]) for symbol in formula.names if symbol in known and symbol not in BANDS}
    return {
        "title": index["long_name"],
        "formula": index["formula"],
        "constants": constants,
        "packed": name in PACKED_BY_CUSTOM or _stays_small(formula, constants),
        "domain": index["application_domain"],
        "reference": index["reference"],
    }


def _stays_small(formula: Formula, constants: dict[str, float]) -> bool:
    """Whether int16 × 0.0001 holds the index for all reflectances from 0.0001 to 1.2.

    Tried on random ones, and on all combinations of the extremes, rather than proved.
    """
    bands = [symbol for symbol in formula.names if symbol in BANDS]
    if not bands or any(symbol not in constants and symbol not in bands for symbol in formula.names):
        return False
    random = np.random.default_rng(20261122)
    spread = 10 ** random.uniform(-4, np.log10(1.2), (len(bands), 200_000))
    extremes = np.array(np.meshgrid(*[[1e-4, 1.2]] * len(bands))).reshape(len(bands), -1)
    values = formula({**constants, **dict(zip(bands, np.hstack([spread, extremes]), strict=True))})
    return bool(np.all(np.abs(values[np.isfinite(values)]) <= _LARGEST_PACKED))


def main() -> None:
    text = make()
    if "--check" in sys.argv[1:]:
        if not TARGET.exists() or TARGET.read_text() != text:
            sys.exit(f"{TARGET.relative_to(ROOT)} is out of step with spyndex: run tools/make_formulas.py")
        return
    TARGET.write_text(text)
    print(f"wrote {TARGET.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
