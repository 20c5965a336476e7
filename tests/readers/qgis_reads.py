"""What QGIS makes of a product, as JSON: `qgis_reads.py COG ITEM PICTURE X Y SIZE…`, by the Python that QGIS has.

PICTURE is the COG as QGIS paints it by itself, on magenta, SIZE pixels wide, for each SIZE (the last one stays); X and
Y are a place in it.
"""

import collections
import json
import sys

from qgis.core import (
    Qgis,
    QgsApplication,
    QgsMapRendererParallelJob,
    QgsMapSettings,
    QgsPointXY,
    QgsRasterLayer,
    QgsVectorLayer,
)
from qgis.PyQt.QtCore import QSize
from qgis.PyQt.QtGui import QColor, QImage

NOTHING = QColor(255, 0, 255)


def look(cog, item, picture, x, y, sizes):
    layer, footprint = QgsRasterLayer(cog, "product"), QgsVectorLayer(item, "item", "ogr")
    provider = layer.dataProvider()
    value, is_value = provider.sample(QgsPointXY(x, y), 1)
    statistics = provider.bandStatistics(1)
    bounds = footprint.extent()
    return {
        "version": Qgis.QGIS_VERSION,
        "valid": layer.isValid(),
        "crs": layer.crs().authid(),
        "size": [layer.width(), layer.height()],
        "extent": [getattr(layer.extent(), name)() for name in ("xMinimum", "yMinimum", "xMaximum", "yMaximum")],
        "nodata": provider.sourceNoDataValue(1),
        "scale": provider.bandScale(1),
        "offset": provider.bandOffset(1),
        "band": layer.bandName(1),
        "value": value if is_value else None,
        "range": [statistics.minimumValue, statistics.maximumValue],
        "item": {
            "valid": footprint.isValid(),
            "count": footprint.featureCount(),
            "crs": footprint.crs().authid(),
            "extent": [bounds.xMinimum(), bounds.yMinimum(), bounds.xMaximum(), bounds.yMaximum()],
            "fields": footprint.fields().names(),
        },
        "painted": {size: paint(layer, size, picture) for size in sizes},
    }


def paint(layer, size, picture):
    """The share of the picture that shows nothing, and how many colours the rest has."""
    settings = QgsMapSettings()
    settings.setLayers([layer])
    settings.setDestinationCrs(layer.crs())
    settings.setExtent(layer.extent())
    settings.setOutputSize(QSize(size, size))
    settings.setBackgroundColor(NOTHING)
    job = QgsMapRendererParallelJob(settings)
    job.start()
    job.waitForFinished()
    image = job.renderedImage().convertToFormat(QImage.Format_RGB32)
    image.save(picture)
    colours = collections.Counter(memoryview(image.constBits().asstring(4 * size * size)).cast("I"))
    return {"empty": colours.pop(NOTHING.rgb(), 0) / size**2, "colours": len(colours)}


if __name__ == "__main__":
    cog, item, picture, x, y, *sizes = sys.argv[1:]
    application = QgsApplication([], False)
    application.initQgis()
    found = look(cog, item, picture, float(x), float(y), [int(size) for size in sizes])
    sys.stdout.write(json.dumps(found))
    application.exitQgis()
