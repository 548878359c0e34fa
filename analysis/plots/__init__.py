"""The pictures of results: one file a schema, in colours that all readers can tell apart."""
