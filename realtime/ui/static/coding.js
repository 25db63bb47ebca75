// A coder's edits of a session's expressions. Each edit waits until the one before is stored, because
// it changes the expression as that edit left it.

const LATER_MS = 400; // a note is stored after a pause in typing
const LOOKED = "fmanet-looked"; // sessions of which this browser has shown what the program found
const EMPTY = { expressions: [], blind: null, can_undo: false, can_redo: false, known: -1 };

export class Coding {
  coder = "";
  look = false; // without a code: at what the program found
  expressions = [];
  blind = null; // whether what the program found is hidden; null: not known yet
  canUndo = false;
  canRedo = false;
  #ask;
  #show;
  #session = "";
  #recording = ""; // the session and when it began: a name may be used again
  #known = -1; // how much of the coder's file is shown; another page may have added to it
  #last = Promise.resolve();
  #note = null;
  #typing = 0;

  /** `ask(path, body)`: the server's answer, null if it failed. `show()` draws the new state. */
  constructor(ask, show) {
    this.#ask = ask;
    this.#show = show;
  }

  /** Load the edits of `coder` in `session`. Without a code one can only look; who codes after that in
   * this browser has seen what the program found, so the session keeps that this coder's blind coding
   * has ended. */
  open(session, startedUtc, coder, look = false) {
    this.#take(EMPTY); // those of another session must not be edited
    return this.#then(async () => {
      [this.#session, this.coder, this.look] = [session, coder, look];
      this.#recording = `${session} ${startedUtc}`;
      let found = await this.#ask(`${session}/coding?${this.who}`);
      if (look && found) localStorage.setItem(LOOKED, JSON.stringify([...new Set([...looked(), this.#recording])]));
      if (coder && found?.blind && looked().includes(this.#recording)) found = await this.#ask(`${session}/done`, { coder });
      this.#take(found ?? EMPTY);
    });
  }

  /** Who asks, as a query: the server shows a blind coder less. */
  get who() {
    return new URLSearchParams({ coder: this.coder, look: this.look });
  }

  /** Change expression `number`. Resolves to whether it was stored. */
  change(number, changes) {
    return this.#then(() => this.#change(number, changes));
  }

  /** Add an expression, which the coder still has to label. Resolves to its number, null if it was
   * not stored. */
  add(expression) {
    return this.#then(() => this.#edit({ ...expression, number: null, verdict: "open", label: "" }));
  }

  /** "undo" or "redo" an edit, or end blind coding: "done". Resolves to the answer, null if it was
   * not stored. */
  step(name) {
    return this.#then(() => this.#send(name, { coder: this.coder }));
  }

  /** Take `text`, being typed as a note on expression `number`. */
  note(number, text) {
    if (this.#note?.number !== number) this.flush();
    this.#note = { number, text };
    clearTimeout(this.#typing);
    this.#typing = setTimeout(() => this.flush(), LATER_MS);
  }

  /** Store the note typed last. Resolves once every edit is stored. */
  flush() {
    const note = this.#note;
    this.#note = null;
    clearTimeout(this.#typing);
    if (note) this.change(note.number, { note: note.text });
    return this.#last;
  }

  #then(action) {
    this.flush();
    const done = this.#last.then(action);
    this.#last = done.catch(() => {}); // one that fails does not stop those after it
    return done;
  }

  async #change(number, changes) {
    const one = this.expressions.find((expression) => expression.number === number);
    if (!one) return false;
    const changed = { ...one, ...changes };
    // To move or rename an expression is to accept it, once it has a label.
    const judged = ["onset", "apex", "offset", "label"].some((name) => name in changes);
    if (judged && changed.label) changed.verdict = "accepted";
    return (await this.#edit(changed)) !== null;
  }

  async #edit({ number, verdict, onset, apex, offset, label, note = "", action_units = null }) {
    const edit = { coder: this.coder, number, verdict, onset, apex, offset, label, note, action_units };
    return (await this.#send("edit", edit))?.number ?? null;
  }

  async #send(path, body) {
    const found = await this.#ask(`${this.#session}/${path}`, { ...body, known: this.#known });
    if (found) this.#take({ ...found, expressions: found.expressions ?? this.#with(found) });
    return found;
  }

  /** The expressions after an edit of one of them, `changed`; null: it is there no longer. */
  #with({ number, changed }) {
    const others = this.expressions.filter((one) => one.number !== number);
    return changed ? [...others, changed].sort((a, b) => a.onset_s - b.onset_s) : others;
  }

  #take({ expressions, blind, can_undo, can_redo, known }) {
    this.#known = known;
    Object.assign(this, { expressions, blind, canUndo: can_undo, canRedo: can_redo });
    this.#show();
  }
}

function looked() {
  return JSON.parse(localStorage.getItem(LOOKED) ?? "[]");
}
