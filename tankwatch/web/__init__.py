"""HTTP: readings in, and how the server fares; the only importer of FastAPI."""
