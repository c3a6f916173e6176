"""SQL: the only importer of sqlalchemy.  A file holds a table's columns and its queries."""
