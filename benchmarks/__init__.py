"""Side-by-side measurements of `spectral_index` and its peers: `make bench`, explained in README.md here."""
