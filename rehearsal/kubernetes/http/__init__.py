"""The wire: paths, media types, discovery, OpenAPI, tables and watches."""
