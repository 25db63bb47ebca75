// Which source: the list shows the one that runs, and the cameras with what they offer; a film can be
// sent by chooser or drop.

import { request } from "./tab.js";

const UPLOAD = new URL("../upload", import.meta.url);
const CAMERAS = new URL("../cameras.json", import.meta.url);

export class SourceChoice {
  #ref;
  #send;
  #say;
  #spec = null; // of the source that runs
  #chip = "";

  /** `ref(name)`: the elements of live.html; `send(command)` to the server; `say(words)` to the
   * person. */
  constructor(ref, send, say) {
    this.#ref = ref;
    this.#send = send;
    this.#say = say;
    const [choice, address, film] = [ref("choice"), ref("address"), ref("upload")];
    choice.addEventListener("change", () => this.#chosen(choice.value));
    choice.addEventListener("pointerdown", () => this.list());
    film.addEventListener("change", () => this.#upload(film.files[0]));
    film.addEventListener("cancel", () => this.failed());
    ref("rotate").addEventListener("change", () =>
      send({ do: "rotate", rotate: Number(ref("rotate").value) }),
    );
    ref("controls").addEventListener("submit", (submitted) => {
      submitted.preventDefault();
      if (address.value.trim()) send({ do: "switch", source: address.value.trim() });
    });
    this.#takeDrops(ref("picture"));
  }

  /** Fill the list with the cameras of the machine. */
  async list() {
    const answer = await request(CAMERAS);
    const { cameras = [] } = answer.ok ? await answer.json() : {};
    const group = this.#ref("cameras");
    const words = cameras.map((camera) => camera.words).join();
    if (group.dataset.words === words) return; // an open list stays open
    group.dataset.words = words;
    for (const old of [...group.querySelectorAll("[data-camera]")]) old.remove();
    const options = cameras.map((camera) => new Option(camera.words, camera.spec));
    for (const option of options) option.dataset.camera = "";
    group.prepend(...options);
    this.#show();
  }

  status({ spec, chip, rotate }) {
    this.#ref("rotate").value = rotate;
    if (spec === this.#spec && chip === this.#chip) return;
    [this.#spec, this.#chip] = [spec, chip];
    this.#ref("address").hidden = true;
    this.#show();
  }

  /** What was asked for did not open: show again what runs. */
  failed() {
    if (this.#ref("address").hidden) this.#show();
  }

  #show() {
    const [choice, now] = [this.#ref("choice"), this.#ref("running")];
    const listed = [...choice.options].some(({ value }) => value === this.#spec);
    now.hidden = listed;
    if (!listed) now.textContent = this.#chip || this.#spec;
    choice.value = listed ? this.#spec : "running";
    choice.title = choice.selectedOptions[0]?.textContent ?? "";
  }

  #chosen(value) {
    this.#ref("address").hidden = value !== "other";
    if (value === "other") this.#ref("address").focus();
    else if (value === "file") this.#ref("upload").click();
    else if (value !== "running") this.#send({ do: "switch", source: value });
  }

  #takeDrops(box) {
    const may = () => !this.#ref("controls").hidden;
    box.addEventListener("dragover", (event) => {
      if (!may()) return;
      event.preventDefault();
      box.classList.add("fl-drop");
    });
    box.addEventListener("dragleave", () => box.classList.remove("fl-drop"));
    box.addEventListener("drop", (event) => {
      if (!may()) return;
      event.preventDefault();
      box.classList.remove("fl-drop");
      this.#upload(event.dataTransfer.files[0]);
    });
  }

  /** Send a film, and say how far it is; the server shows it, and deletes it afterwards. */
  #upload(film) {
    if (!film) return;
    const url = new URL(UPLOAD);
    url.searchParams.set("name", film.name);
    const sending = new XMLHttpRequest(); // fetch does not tell how far it is
    sending.upload.addEventListener("progress", ({ loaded, total }) =>
      this.#say(`Sending ${film.name}: ${Math.round((100 * loaded) / Math.max(1, total))} %`),
    );
    sending.addEventListener("loadend", () => {
      const answer = sending.status === 200 ? JSON.parse(sending.responseText) : null;
      this.#say(answer ? (answer.error ?? "") : `${film.name} did not arrive: send it again`);
      this.#ref("upload").value = "";
      this.failed();
    });
    sending.open("POST", url);
    sending.send(film);
  }
}
