// The player: the recorded pictures in time, and at full speed their sound.

import { clockTime } from "./colours.js";
import { Film, nearest } from "./film.js";

const GAP_S = 0.5; // a pause, or a camera that was away

export class Player {
  #parts;
  #shown;
  #warn;
  #film = null;
  #times = [];
  #place = 0;
  #playing = false;
  #atS = 0;
  #lastMs = 0;
  #request = 0;
  #on = false; // whether sound is wanted…
  #once = null; // …or for this stretch alone: { toS, back }

  /** `ref(name)`: the elements `film`, `voice`, `play`, `speed`, `sound`, `now`, `place`. `shown(s)`:
   * another frame is on show. `warn(words)`: something cannot be done. */
  constructor(ref, shown, warn) {
    const names = ["film", "voice", "play", "speed", "sound", "now", "place"];
    const parts = (this.#parts = Object.fromEntries(names.map((name) => [name, ref(name)])));
    this.#shown = shown;
    this.#warn = warn;
    parts.play.addEventListener("click", () => this.toggle());
    parts.sound.addEventListener("click", () => this.toggleSound());
    parts.speed.addEventListener("change", () => this.#updateSound());
    parts.voice.addEventListener("error", () => this.#audible && this.#failed(parts.voice.error));
  }

  /** Open another session: the address of its routes, and its description. */
  open(base, { times_s: times, sound }) {
    this.play(false);
    this.#film?.close();
    this.#times = times;
    this.#film = new Film(this.#parts.film, base, times.length);
    this.#on = false;
    this.#parts.sound.hidden = !sound;
    if (sound) this.#parts.voice.src = new URL("sound.wav", base);
    else this.#parts.voice.removeAttribute("src");
    this.#updateSound();
  }

  get place() {
    return this.#place;
  }

  get nowS() {
    return this.#times[this.#place];
  }

  placeAt(seconds) {
    return nearest(this.#times, seconds);
  }

  step(frames) {
    this.play(false);
    this.go(this.#place + frames, frames);
  }

  /** Show the frame at `place`. */
  go(place, direction = 1) {
    this.#at(place);
    this.#film.show(this.#place, Math.sign(direction));
  }

  toggle() {
    this.play(!this.#playing);
  }

  play(playing) {
    if (!this.#film || playing === this.#playing) return;
    this.#playing = playing;
    this.#parts.play.textContent = playing ? "Pause" : "Play";
    if (!playing) {
      this.#once = null;
      cancelAnimationFrame(this.#request);
    } else {
      if (this.#place === this.#times.length - 1) this.#place = 0;
      this.#atS = this.nowS;
      this.#lastMs = performance.now();
      this.#request = requestAnimationFrame((now) => this.#tick(now));
    }
    this.#updateSound();
  }

  /** Whether sound is heard at full speed. */
  toggleSound() {
    if (this.#parts.sound.hidden) return;
    this.#on = !this.#on;
    if (this.#on) this.#parts.speed.value = "1";
    this.#updateSound();
  }

  /** Play from `fromS` to `toS` with sound, and come back to the frame `back`. */
  listen(fromS, toS, back) {
    if (this.#parts.sound.hidden) return;
    this.play(false);
    this.go(this.placeAt(fromS));
    this.#once = { toS, back };
    this.play(true);
  }

  #at(place) {
    this.#place = Math.min(Math.max(place, 0), this.#times.length - 1);
    this.#parts.now.textContent = clockTime(this.nowS);
    this.#parts.place.textContent = `frame ${this.#place} of ${this.#times.length}`;
    this.#shown(this.nowS);
  }

  get #speed() {
    return this.#once ? 1 : Number(this.#parts.speed.value);
  }

  get #audible() {
    return this.#playing && this.#speed === 1 && (this.#on || this.#once !== null);
  }

  /** Start or pause the sound, whichever is due. */
  #updateSound() {
    const { voice, sound } = this.#parts;
    sound.setAttribute("aria-pressed", String(this.#on));
    sound.textContent = !this.#on ? "Sound off" : this.#speed === 1 ? "Sound on" : "Sound on at full speed";
    if (!this.#audible) voice.pause();
    else if (voice.paused) {
      voice.currentTime = this.#atS;
      voice.play().catch((error) => this.#failed(error));
    }
  }

  #failed({ name, message }) {
    if (name === "AbortError") return; // paused before it began
    this.play(false);
    this.#on = false;
    this.#updateSound();
    this.#warn(`The sound cannot be played: ${message}`);
  }

  #tick(now) {
    if (this.#audible) this.#follow();
    else this.#advance(((now - this.#lastMs) / 1000) * this.#speed);
    this.#lastMs = now;
    const endS = Math.min(this.#once?.toS ?? Infinity, this.#times.at(-1));
    const over = this.#atS >= endS || (this.#audible && this.#parts.voice.ended);
    if (!over) {
      this.#request = requestAnimationFrame((then) => this.#tick(then));
      return;
    }
    const back = this.#once?.back ?? this.placeAt(endS);
    this.play(false);
    this.go(back);
  }

  /** In step with the sound: pictures that come too late are left out. */
  #follow() {
    this.#atS = this.#parts.voice.currentTime;
    let due = this.placeAt(this.#atS);
    if (this.#times[due] > this.#atS) due--;
    const place = this.#film.follow(this.#place, Math.max(due, this.#place));
    if (place !== this.#place) this.#at(place);
  }

  /** The clock waits for a frame that is not here yet: in slow motion none is left out. Where the
   * video has none, it does not wait. */
  #advance(passedS) {
    const [times, next] = [this.#times, this.#place + 1];
    if (times[next] - this.nowS > GAP_S) this.#atS = Math.max(this.#atS, times[next] - passedS);
    if (next < times.length && (this.#film.has(next) || this.#atS + passedS < times[next])) this.#atS += passedS;
    let place = this.#place;
    while (place + 1 < times.length && times[place + 1] <= this.#atS && this.#film.has(place + 1)) place++;
    if (place !== this.#place) this.go(place);
    else this.#film.show(place);
  }
}
