"""One module per version of the schema, oldest first; never edited once released."""
