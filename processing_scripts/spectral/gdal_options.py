"""How GDAL is configured for reading scenes near and far. Imports neither rasterio nor numpy."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

# https://gdal.org/en/stable/user/configoptions.html
_OPTIONS = {
    # One look at the file instead of a listing of its folder.
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
    "GDAL_CACHEMAX": "128",  # MB
    "GDAL_HTTP_MULTIPLEX": "YES",
    "GDAL_HTTP_MAX_RETRY": "4",
    "GDAL_HTTP_RETRY_DELAY": "1",
    "GDAL_HTTP_CONNECTTIMEOUT": "20",
    # Less than 1 kB/s for 60 s is a dead connection.
    "GDAL_HTTP_LOW_SPEED_TIME": "60",
    "GDAL_HTTP_LOW_SPEED_LIMIT": "1000",
    # What failed once would otherwise be remembered as missing, and a retry would fail unasked.
    "CPL_VSIL_CURL_NON_CACHED": "/vsicurl/:/vsis3/:/vsigs/:/vsiaz/:/vsiadls/",
    "GDAL_PAM_ENABLED": "NO",
}


def gdal_options(environment: Mapping[str, str]) -> dict[str, str]:
    """Environment variables that configure GDAL, where `environment` doesn't have them already.

    To be set before rasterio is imported: it picks its certificates then. Variables, because options that
    rasterio sets reach one thread only. AWS's own variables for another endpoint and its certificates
    (https://docs.aws.amazon.com/sdkref/) are passed on under GDAL's names.
    """
    options = dict(_OPTIONS)
    endpoint = environment.get("AWS_ENDPOINT_URL_S3") or environment.get("AWS_ENDPOINT_URL")
    if endpoint:
        parts = urlsplit(endpoint)
        options["AWS_S3_ENDPOINT"] = parts.netloc
        options["AWS_HTTPS"] = "YES" if parts.scheme == "https" else "NO"
        options["AWS_VIRTUAL_HOSTING"] = "FALSE"
    if certificates := environment.get("AWS_CA_BUNDLE"):
        # rasterio's wheels look at the first, other builds of GDAL at the second.
        options["GDAL_CURL_CA_BUNDLE"] = options["CURL_CA_BUNDLE"] = certificates
    return {name: value for name, value in options.items() if name not in environment}
