// The protocol editor: a form in a dialog. The server checks it and saves it as a new file; what is
// wrong stands at its field.

import { make } from "./colours.js";
import { showDialog } from "./dialog.js";

const KEY = { name: "key", label: "Key", size: 2, maxlength: 1 };
const ROWS = {
  keys: [KEY, { name: "name", label: "Marks", size: 30, maxlength: 100 }],
  questions: [
    { name: "name", label: "Name", size: 6, maxlength: 100 },
    { name: "text", label: "Question", size: 40, maxlength: 500 },
    KEY,
  ],
};

export class ProtocolEditor {
  #dialog;
  #save;
  #form = null;
  #before = ""; // the entries as they were opened

  /** `save(entries)`: sends them, and resolves to the answer, null without one. */
  constructor(dialog, save) {
    this.#dialog = dialog;
    this.#save = save;
    dialog.addEventListener("cancel", (leaving) => {
      const changed = JSON.stringify(this.#entries()) !== this.#before;
      if (changed && !confirm("Close without saving? What you have typed is lost.")) leaving.preventDefault();
    });
  }

  /** Edit a copy of `protocol`. */
  open(protocol) {
    const keys = Object.entries(protocol.keys).map(([key, name]) => ({ key, name }));
    this.#form = make(
      "form",
      { class: "fl-protocol", novalidate: "" },
      this.#field("name", { label: "Name", maxlength: 100 }, protocol.name),
      this.#field("authors", { label: "Authors, separated by ;", maxlength: 500 }, protocol.authors.join("; ")),
      this.#table("keys", "Keys", "Add a key", keys),
      this.#table("questions", "Questions, in their order", "Add a question", protocol.questions),
      make(
        "footer",
        {},
        make("button", { type: "submit", class: "fl-save" }, "Save as a new file"),
        make("p", { role: "status", "data-outcome": "" }),
      ),
    );
    this.#form.addEventListener("submit", (submitted) => {
      submitted.preventDefault();
      this.#submit();
    });
    this.#form.addEventListener("keydown", (pressed) => {
      // Who ends an entry with Enter has not finished the protocol.
      if (pressed.key === "Enter" && pressed.target.matches("input")) pressed.preventDefault();
    });
    showDialog(this.#dialog, { class: "fl-sheet" }, [make("h2", {}, "Protocol")], [this.#form]);
    this.#form.querySelector("input").focus();
    this.#before = JSON.stringify(this.#entries());
  }

  async #submit() {
    const outcome = this.#form.querySelector("[data-outcome]");
    outcome.textContent = "Saving…";
    const answer = await this.#save(this.#entries());
    const wrong = answer?.wrong ?? {};
    for (const input of this.#form.querySelectorAll("input")) tell(input, wrong[place(input)] ?? "");
    outcome.textContent = answer ? (answer.error ?? "") : "Not saved: no answer";
    this.#form.querySelector("[aria-invalid=true]")?.focus();
    if (answer && !answer.error) this.#dialog.close();
  }

  #entries() {
    const value = (name) => this.#form.querySelector(`[data-field=${name}]`).value;
    const rows = (part) =>
      [...this.#form.querySelectorAll(`[data-rows=${part}] > li`)].map((row) =>
        Object.fromEntries([...row.querySelectorAll("input")].map((input) => [input.dataset.field, input.value])),
      );
    return { name: value("name"), authors: value("authors"), keys: rows("keys"), questions: rows("questions") };
  }

  #table(part, heading, more, rows) {
    const list = make("ol", { "data-rows": part }, ...rows.map((row) => this.#row(part, row)));
    const add = make("button", { type: "button" }, more);
    add.addEventListener("click", () => {
      list.append(this.#row(part, {}));
      list.lastElementChild.querySelector("input").focus();
    });
    return make("fieldset", {}, make("legend", {}, heading), list, add);
  }

  #row(part, values) {
    const fields = ROWS[part].map((field) => this.#field(field.name, field, values[field.name] ?? ""));
    const remove = make("button", { type: "button", class: "fl-close", "aria-label": "Remove", title: "Remove" }, "×");
    const row = make("li", {}, ...fields, remove);
    remove.addEventListener("click", () => row.remove());
    return row;
  }

  #field(name, { label, size, maxlength }, value) {
    const input = make("input", { type: "text", "data-field": name, autocomplete: "off", size, maxlength });
    input.value = value;
    input.addEventListener("input", () => tell(input, "")); // mended, as far as one can know here
    return make("label", {}, label, input, make("small", { role: "alert", hidden: "" }));
  }
}

/** Where a field is, as the server names it: `name`, or `questions.0.key`. */
function place(input) {
  const row = input.closest("li");
  if (!row) return input.dataset.field;
  return `${row.parentElement.dataset.rows}.${[...row.parentElement.children].indexOf(row)}.${input.dataset.field}`;
}

/** Show at `input`, in the `small` of its label, what is wrong; empty: nothing is. */
export function tell(input, words) {
  const line = input.closest("label").querySelector("small");
  if (line.textContent === words && line.hidden === !words) return; // a screen reader would read it again
  input.setAttribute("aria-invalid", String(Boolean(words)));
  Object.assign(line, { textContent: words, hidden: !words });
}
