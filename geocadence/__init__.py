"""The domain of Geocadence: definitions, plans, catalogues, reports and the command line.

Knows neither CDK nor rasters. What runs where is `stacks`' business, the work itself
`processing_scripts`'.
"""

__version__ = "0.1.0"
