"""What a sweep keeps on disk: a journal of records, and arrays."""
