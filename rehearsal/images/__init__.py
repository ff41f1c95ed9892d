"""Images of the platform's software, built from package registries where no image registry can be reached.

``images.yaml`` is the table: which image, from which parts, and how near it is to upstream's. Layers are built once and
kept in the cache; `archive` puts them together as an OCI layout, which `ctr images import` takes.
"""
