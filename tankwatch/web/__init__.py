"""HTTP: readings in, pages out, and how the server fares; the only importer of FastAPI."""
