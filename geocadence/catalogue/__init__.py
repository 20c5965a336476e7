"""Where scenes and objects come from: STAC APIs, ItemCollections, S3 prefixes and manifests."""
