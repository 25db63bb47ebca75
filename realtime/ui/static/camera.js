// This device's camera as the source: one JPEG per frame through its own socket, the next one only
// when the server has taken the last. Browsers allow a camera on https and localhost only.

import { Connection } from "./socket.js";

const QUALITY = 0.95;
const HEADER_BYTES = 20;
const USUAL_FPS = 60;

export class Camera {
  #connection;
  #button;
  #devices;
  #say;
  #wanted = false;
  #asked = {};
  #following = false;
  #stream = null;
  #video = Object.assign(document.createElement("video"), { muted: true, playsInline: true });
  #canvas = document.createElement("canvas");
  #credit = 0;
  #presented = 0; // frames that the browser has had
  #skipped = 0; // of them, since the last one sent

  /** `button` starts it; `devices`, a list, shows which of several cameras it is. */
  constructor(url, button, devices, say) {
    // The server recognises this page by its key when it reconnects.
    url.searchParams.set("page", Math.random().toString(36).slice(2));
    this.#connection = new Connection(url, {
      message: ({ error, credit }) => {
        this.#credit += credit ?? 0;
        if (!error) return;
        this.#say(error);
        this.#stop();
      },
      ready: () => {
        this.#credit = 1;
        if (!this.#following) this.#next();
        this.#following = true;
      },
      closed: () => (this.#credit = 0), // the camera stays on; what it shows meanwhile is skipped
    });
    this.#button = button;
    this.#devices = devices;
    this.#say = say;
    button.addEventListener("click", () => this.#start());
    devices.addEventListener("change", () => this.#use(devices.value));
  }

  /** `browser`: the source is a browser's camera. Offer this one, or release it. `asked`: width and
   * height in px, and fps, to request. */
  sourceIs(browser, asked) {
    if (this.#wanted && !browser) this.#stop();
    this.#wanted = browser;
    this.#asked = asked;
    this.#button.hidden = !browser || this.#stream !== null;
  }

  async #start() {
    if (!navigator.mediaDevices) {
      this.#say("This browser gives its camera to https pages and localhost only.");
      return;
    }
    this.#button.hidden = true;
    this.#credit = 0;
    if (await this.#use()) this.#connection.connect();
  }

  /** Open the camera `device`, or any camera. Returns whether it can be used. Some devices open only
   * one at a time, so the last one is released first. */
  async #use(device) {
    for (const track of this.#stream?.getTracks() ?? []) track.stop();
    try {
      this.#stream = await this.#open(device);
    } catch (error) {
      this.#say(`The camera cannot be used: ${error.message}`);
      this.#stop();
      return false;
    }
    this.#presented = 0;
    this.#video.srcObject = this.#stream;
    await this.#video.play();
    this.#list();
    return true;
  }

  /** A stream of the camera, one of several if `device` names it. */
  #open(device) {
    const { width, height, fps } = this.#asked;
    return navigator.mediaDevices.getUserMedia({
      audio: false,
      video: {
        width: { ideal: width },
        height: { ideal: height },
        frameRate: { ideal: fps ?? USUAL_FPS },
        ...(device && { deviceId: { exact: device } }),
      },
    });
  }

  /** Show which of several cameras it is. Browsers give their names once one is open. */
  async #list() {
    const all = await navigator.mediaDevices.enumerateDevices();
    const cameras = all.filter(({ kind }) => kind === "videoinput");
    const options = cameras.map(({ label, deviceId }) => new Option(label, deviceId));
    this.#devices.replaceChildren(...options);
    this.#devices.value = this.#stream?.getVideoTracks()[0]?.getSettings().deviceId ?? "";
    this.#devices.hidden = cameras.length < 2 || !this.#stream;
  }

  #next() {
    if (!this.#stream) {
      this.#following = false;
      return;
    }
    this.#video.requestVideoFrameCallback((now, facts) => {
      this.#count(facts.presentedFrames);
      this.#send(facts.captureTime ?? now);
      this.#next();
    });
  }

  /** Count a new frame, the `presented`-th. The frames between it and the last one are skipped; so
   * is this one unless it is sent. */
  #count(presented) {
    if (this.#presented) this.#skipped += Math.max(0, presented - this.#presented);
    else this.#skipped = 1;
    this.#presented = presented;
  }

  #send(capturedMs) {
    if (this.#credit < 1) return;
    const { videoWidth: width, videoHeight: height } = this.#video;
    if (!width) return;
    this.#credit -= 1;
    const skipped = Math.max(0, this.#skipped - 1);
    this.#skipped = 0;
    if (this.#canvas.width !== width || this.#canvas.height !== height) {
      this.#canvas.width = width;
      this.#canvas.height = height;
    }
    this.#canvas.getContext("2d").drawImage(this.#video, 0, 0);
    this.#canvas.toBlob(
      async (blob) => {
        const jpeg = await blob.arrayBuffer();
        const message = new Uint8Array(HEADER_BYTES + jpeg.byteLength);
        const header = new DataView(message.buffer);
        header.setFloat64(0, capturedMs / 1000, true);
        header.setFloat64(8, this.#connection.offsetS, true);
        header.setUint32(16, skipped, true);
        message.set(new Uint8Array(jpeg), HEADER_BYTES);
        this.#connection.send(message);
      },
      "image/jpeg",
      QUALITY,
    );
  }

  #stop() {
    for (const track of this.#stream?.getTracks() ?? []) track.stop();
    this.#stream = this.#video.srcObject = null;
    this.#following = false;
    this.#devices.hidden = true;
    this.#presented = this.#skipped = 0;
    this.#connection.close();
    this.#button.hidden = !this.#wanted;
  }
}
