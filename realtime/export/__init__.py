"""Sessions for the tools that researchers use.

Every export takes its times from `realtime.export.rows`: seconds from the first recorded frame,
which is 0 s of `video.mkv`, and UTC beside them. The participant is named by code only, and so are
the files. To add one: a module here with a function `(session, folder) -> files written`, and a
line in `EXPORTS`.
"""

EXPORTS: dict[str, str] = {
    "csv": "realtime.export.plain:write_csv",
    "parquet": "realtime.export.plain:write_parquet",
    "elan": "realtime.export.elan:write_elan",
    "bids": "realtime.export.bids:write_bids",
    "boris": "realtime.export.boris:write_boris",
}
"""Name to what writes it."""
