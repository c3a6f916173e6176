"""A gateway's side of the HTTP interface: readings wait on disk until the server has them."""
