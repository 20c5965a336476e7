"""Write processing_scripts/spectral/formulas.json: the formulas of the package `spyndex`.

    .venv/bin/python tools/make_formulas.py            write it
    .venv/bin/python tools/make_formulas.py --check    exit 1 when it is out of step

The container has no `spyndex`, so the table travels with the script. Formulas, references and the
default constants are spyndex's (Awesome Spectral Indices, MIT), except where the index's own reference
says otherwise (below). Reads spyndex's data files, not its code: importing
it takes seconds.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "processing_scripts" / "spectral" / "formulas.json"
sys.path.insert(0, str(ROOT / "processing_scripts"))

from spectral.expression import Formula  # noqa: E402
from spectral.indices import stays_small  # noqa: E402
from spectral.symbols import BANDS  # noqa: E402 (the path has to be set first)

# spyndex has one default for a constant's name, whatever the index; L = 1 is right for EVI only. Version 1 of Awesome
# Spectral Indices, a draft of August 2026 (output/v1 of its repository), gives each index the value of its own
# reference. Where the two differ, ours is the latter:
CONSTANTS = {
    "SAVI": {"L": 0.5},  # Huete 1988, https://doi.org/10.1016/0034-4257(88)90106-X
    "GSAVI": {"L": 0.5},  # Sripada et al. 2006, after Huete
    "SARVI": {"L": 0.5},  # Kaufman and Tanré 1992, https://doi.org/10.1109/36.134076
    "MNLI": {"L": 0.5},  # Gong et al. 2003, https://doi.org/10.1109/TGRS.2003.812910
    "IBI": {"L": 0.5},  # Xu 2008, https://doi.org/10.1080/01431160802039957
    "NBUI": {"L": 0.5},  # Sinha et al. 2016, https://hdl.handle.net/1959.11/29500
    "SAVIT": {"L": 0.5},  # Smith et al. 2007, https://doi.org/10.1080/01431160600954704
    "SNDTI": {"L": 0.6},  # https://doi.org/10.1080/22797254.2017.1418186
    "NDPI": {"alpha": 0.74},  # Wang et al. 2017, https://doi.org/10.1016/j.rse.2017.04.031
    "sNIRvNDPI": {"alpha": 0.74},
    "NDWIns": {"alpha": 2.0},
    "NDVI4RE": {"alpha": 0.2, "beta": 0.2},
    "SAVI4RE": {"alpha": 0.2, "beta": 0.2},
    "RVI4RE": {"alpha": 0.3, "beta": 0.3},
    "NDTI4RE": {"gamma": 0.4},
    "SNDTI4RE": {"gamma": 0.4},
    "STI4RE": {"gamma": 0.4},
    "WCI1": {"epsilon": 1e-10},  # so says spyndex's own description of epsilon
    "WCI2": {"epsilon": 1e-10},
}
# Kaufman and Tanré 1992 take R - gamma * (B - R); spyndex 0.12.0 has the sign the other way round, and no gamma in
# SARVI. Corrected upstream after it: awesome-spectral-indices/awesome-spectral-indices#132.
FORMULAS = {
    "ARVI": "(N - (R - gamma * (B - R))) / (N + (R - gamma * (B - R)))",
    "SARVI": "(1 + L) * (N - (R - gamma * (B - R))) / (N + (R - gamma * (B - R)) + L)",
}
# spyndex leaves the kernels of kNDVI and its like (kNR, kGB, …) to its callers. Here they are the RBF kernel
# exp(-(a - b)² / (2 sigma²)) with sigma = (a + b) / 2, as Camps-Valls et al. 2021 advise
# (https://doi.org/10.1126/sciadv.abc7447): kNDVI becomes tanh(NDVI²).
_KERNEL = re.compile(r"\bk([A-Z])([A-Z])\b")
_RBF = "2.718281828459045 ** (-2.0 * (({0} - {1}) / ({0} + {1})) ** 2.0)"
# Kept as int16 although bright clouds can exceed it: everyone does, and clipped pixels are counted.
PACKED_BY_CUSTOM = {"EVI"}


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
    text = FORMULAS.get(name, _KERNEL.sub(_kernel, index["formula"]))
    formula = Formula(text)
    known = {**defaults, **CONSTANTS.get(name, {})}
    constants = {symbol: float(known[symbol]) for symbol in formula.names if symbol in known and symbol not in BANDS}
    return {
        "title": index["long_name"],
        "formula": text,
        "constants": constants,
        "packed": name in PACKED_BY_CUSTOM or stays_small(formula, constants),
        "domain": index["application_domain"],
        "reference": index["reference"],
    }


def _kernel(symbol: re.Match) -> str:
    return "1.0" if symbol[1] == symbol[2] else f"({_RBF.format(symbol[1], symbol[2])})"


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
