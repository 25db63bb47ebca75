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
    for (const [name, value] of this.#coding.who) address.searchParams.set(name, value);
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
    const written = await this.#parts.ask("export", { to, coder: this.#coding.coder, look: this.#coding.look });
    if (!written) return;
    this.#parts.tell(`Written to ${written.folder}. Download: `, ...downloadLinks(this.#base, written.files, this.#coding.coder));
  }

  /** Whether every edit is stored, and who looks may see what the program found. */
  async #ready() {
    await this.#coding.flush();
    const { coder, blind } = this.#coding;
    if (blind) {
      const [who, button] = coder ? [`${coder} codes blind, and this`, "Done coding blind"] : ["This", "Show them without coding"];
      this.#parts.warn(`${who} would show what the program found: first press ${button}.`);
    }
    return this.#base !== null && blind === false;
  }
}
