// What a coder says of a session's expressions: each word once the one before it is kept, since it
// is said of the expression as that left it.

const LATER_MS = 400; // a note is said when nothing more is typed

export class Coding {
  coder = "";
  expressions = [];
  #ask;
  #show;
  #session = "";
  #kept = Promise.resolve();
  #note = null;
  #typing = 0;

  /** `ask(path, body)` asks the server; null if it could not be done. `show()` draws what is new. */
  constructor(ask, show) {
    this.#ask = ask;
    this.#show = show;
  }

  /** From now on, `coder` speaks of `session`. Without a code one can look, as nobody. */
  open(session, coder) {
    return this.#then(async () => {
      [this.#session, this.coder] = [session, coder];
      const found = await this.#ask(`${session}/coding?coder=${encodeURIComponent(coder || "nobody")}`);
      this.#take(found ?? { expressions: [] });
    });
  }

  /** Change expression `number`; whether it is kept. */
  say(number, changes) {
    return this.#then(() => this.#change(number, changes));
  }

  /** Add an expression; its number, null if it was not kept. */
  add(expression) {
    return this.#then(() => this.#edit({ ...expression, number: null, verdict: "accepted", note: "" }));
  }

  /** `text` is being typed about expression `number`. */
  note(number, text) {
    if (this.#note?.number !== number) this.flush();
    this.#note = { number, text };
    clearTimeout(this.#typing);
    this.#typing = setTimeout(() => this.flush(), LATER_MS);
  }

  /** Say what was typed last. Resolves once everything that was said is kept. */
  flush() {
    const note = this.#note;
    this.#note = null;
    clearTimeout(this.#typing);
    if (note) this.say(note.number, { note: note.text });
    return this.#kept;
  }

  #then(word) {
    this.flush();
    const said = this.#kept.then(word);
    this.#kept = said;
    return said;
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
    const said = { coder: this.coder, number, verdict, onset, apex, offset, label, note };
    const found = await this.#ask(`${this.#session}/edit`, said);
    if (!found) return null;
    this.#take(found);
    return found.number;
  }

  #take({ expressions }) {
    this.expressions = expressions;
    this.#show();
  }
}
