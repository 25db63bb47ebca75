// The report and the exports of a session, as the coder left it.

import { downloadLinks, saveLink } from "./downloads.js";

export class Outputs {
  #coding;
  #parts;
  #base = null;

  /** `ref(name)`: the elements `report` and `export`. `ask(path, body)`: the server's answer about the
   * open session, null if it failed. `tell(words, ...links)`, `warn(words)`: to the coder. */
  constructor(ref, coding, parts) {
    [this.#coding, this.#parts] = [coding, parts];
    ref("report").addEventListener("click", () => this.#report());
    ref("export").addEventListener("change", ({ target }) => this.#export(target));
  }

  /** Take another session: the address of its routes. */
  open(base) {
    this.#base = base;
  }

  async #report() {
    if (!(await this.#ready())) return;
    const address = new URL("report.html", this.#base);
    address.searchParams.set("coder", this.#coding.coder);
    window.open(address, "_blank", "noopener");
    const saved = new URL(address);
    saved.searchParams.set("save", "yes");
    this.#parts.tell("The report is open in another tab. ", saveLink(saved, "Download it"));
  }

  async #export(choice) {
    const [to, words] = [choice.value, choice.selectedOptions[0].text];
    choice.value = "";
    if (!(await this.#ready())) return;
    this.#parts.tell(`Writing ${words}…`);
    const written = await this.#parts.ask("export", { to, coder: this.#coding.coder });
    if (!written) return;
    this.#parts.tell(`Written to ${written.folder}. Download: `, ...downloadLinks(this.#base, written.files));
  }

  /** Whether every edit is stored, and the coder may see what the program found. */
  async #ready() {
    await this.#coding.flush();
    const { coder, blind } = this.#coding;
    const waits = coder && blind;
    if (waits) this.#parts.warn(`${coder} codes blind, and this would show what the program found: first press Done coding blind.`);
    return this.#base !== null && !waits;
  }
}
