"""How do lines become rows that queries see: validation, table buffers, Parquet files."""
