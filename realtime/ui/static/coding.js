// A coder's edits of a session's expressions. Each edit waits until the one before is stored, because
// it changes the expression as that edit left it.

const LATER_MS = 400; // a note is stored after a pause in typing

export class Coding {
  coder = "";
  expressions = [];
  #ask;
  #show;
  #session = "";
  #last = Promise.resolve();
  #note = null;
  #typing = 0;

  /** `ask(path, body)`: the server's answer, null if it failed. `show()` draws the new state. */
  constructor(ask, show) {
    this.#ask = ask;
    this.#show = show;
  }

  /** Load the edits of `coder` in `session`. Without a code one can only look. */
  open(session, coder) {
    this.#take({ expressions: [] }); // those of another session must not be edited
    return this.#then(async () => {
      [this.#session, this.coder] = [session, coder];
      const found = await this.#ask(`${session}/coding?coder=${encodeURIComponent(coder || "nobody")}`);
      this.#take(found ?? { expressions: [] });
    });
  }

  /** Change expression `number`. Resolves to whether it was stored. */
  change(number, changes) {
    return this.#then(() => this.#change(number, changes));
  }

  /** Add an expression, which the coder still has to label. Resolves to its number, null if it was
   * not stored. */
  add(expression) {
    return this.#then(() => this.#edit({ ...expression, number: null, verdict: "open", note: "" }));
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
    // To move or rename an expression is to accept it.
    if (!changes.verdict && changes.note === undefined) changed.verdict = "accepted";
    return (await this.#edit(changed)) !== null;
  }

  async #edit({ number, verdict, onset, apex, offset, label, note }) {
    const edit = { coder: this.coder, number, verdict, onset, apex, offset, label, note };
    const found = await this.#ask(`${this.#session}/edit`, edit);
    if (!found) return null;
    this.#take(found);
    return found.number;
  }

  #take({ expressions }) {
    this.expressions = expressions;
    this.#show();
  }
}
