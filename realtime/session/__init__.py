"""Study sessions: a run recorded in a folder of its own, kept whole whatever happens.

    session.json    who, what, when: participant's code, consent, configuration, camera, software,
                    clocks; `realtime.session.folder`
    video.mkv       every recorded frame; `video-2.mkv` … every five minutes, and where the
                    size changed or a part was redacted; `realtime.session.video`
    frames.csv      the ledger: what became of every frame; `realtime.session.ledger`
    motion.csv      a row per analysed frame; `realtime.results.tables.MOTION_COLUMNS`
    sound.csv       of a session with sound: what is missing of it; `realtime.session.sound`
    events.jsonl    what was found, each time something became known; `realtime.results.event_lines`
    markers.jsonl   keys, questions, notes, pauses, redactions; `realtime.session.markers`
    audit.jsonl     who did what, from which page; `realtime.session.audit`
    copies.jsonl    what was exported, and where to; `realtime.session.copies`
    edits-….jsonl   what a coder says of the events; `realtime.session.edits`

Tables are append-only text: what was written stays readable however the program ends. Times are
seconds of the source's clock throughout; `session.json` ties that clock to UTC.

python -m realtime.session --help says what can be done with a folder afterwards.
"""
