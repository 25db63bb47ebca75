// This device's camera as the source: one JPEG per frame through its own socket, the next one only
// when the server has taken the last. Needs https or localhost, as browsers demand.

import { Clock, PING_MS, socketUrl } from "./socket.js";

const QUALITY = 0.95;
const PINGS = 8; // before the first frame
const HEADER_BYTES = 20;
const USUAL_FPS = 60;
const FIRST_RETRY_MS = 500;
const LAST_RETRY_MS = 5000;

export class Camera {
  #url;
  #button;
  #devices;
  #say;
  #wanted = false;
  #asked = {};
  #retryMs = FIRST_RETRY_MS;
  #retrying = 0;
  #following = false;
  #stream = null;
  #socket = null;
  #video = null;
  #canvas = document.createElement("canvas");
  #credit = 0;
  #clock = new Clock();
  #pinging = 0;
  #presented = 0; // frames that the browser has had
  #skipped = 0; // of them, since the last one sent

  /** `button` starts it; `devices`, a list, shows which of several cameras it is. */
  constructor(url, button, devices, say) {
    this.#url = socketUrl(url);
    // By it the server knows this page again after its connection was lost.
    this.#url.searchParams.set("page", Math.random().toString(36).slice(2));
    this.#button = button;
    this.#devices = devices;
    this.#say = say;
    button.addEventListener("click", () => this.#start());
    devices.addEventListener("change", () => this.#choose(devices.value));
  }

  /** Whether the source is a browser's camera, and what it is `asked` for (width and height in px,
   * fps): offer this one, or let go of it. */
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
    try {
      this.#stream = await this.#open();
    } catch (error) {
      this.#say(`The camera cannot be used: ${error.message}`);
      this.#stop();
      return;
    }
    this.#video = Object.assign(document.createElement("video"), {
      srcObject: this.#stream,
      muted: true,
      playsInline: true,
    });
    await this.#video.play();
    this.#list();
    this.#connect();
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

  /** Show which camera it is, if there are several: browsers tell their names once one is open. */
  async #list() {
    const all = await navigator.mediaDevices.enumerateDevices();
    const cameras = all.filter(({ kind }) => kind === "videoinput");
    const options = cameras.map(({ label, deviceId }) => new Option(label, deviceId));
    this.#devices.replaceChildren(...options);
    this.#devices.value = this.#stream?.getVideoTracks()[0]?.getSettings().deviceId ?? "";
    this.#devices.hidden = cameras.length < 2 || !this.#stream;
  }

  /** Go on with another camera. Some devices open one at a time only: the first is let go before. */
  async #choose(device) {
    if (!this.#stream) return;
    for (const track of this.#stream.getTracks()) track.stop();
    try {
      this.#stream = await this.#open(device);
    } catch (error) {
      this.#say(`The camera cannot be used: ${error.message}`);
      this.#stop();
      return;
    }
    this.#presented = 0;
    this.#video.srcObject = this.#stream;
    await this.#video.play();
    this.#list();
  }

  #connect() {
    const clock = (this.#clock = new Clock());
    let pings = 0;
    const ping = () => this.#socket?.send(JSON.stringify({ ping: performance.now() / 1000 }));
    const socket = (this.#socket = new WebSocket(this.#url));
    socket.onopen = () => {
      this.#retryMs = FIRST_RETRY_MS;
      ping();
    };
    socket.onclose = () => {
      if (socket === this.#socket) this.#disconnected(); // else it was closed on purpose
    };
    socket.onmessage = ({ data }) => {
      const message = JSON.parse(data);
      if (message.error) {
        this.#say(message.error);
        this.#stop();
      } else if (message.credit) this.#credit += message.credit;
      else {
        clock.answered(message.ping, message.server_s);
        if (++pings < PINGS) ping();
        else if (pings === PINGS) {
          this.#pinging = setInterval(ping, PING_MS); // the clocks drift: the server follows
          this.#credit = 1;
          if (!this.#following) this.#next();
          this.#following = true;
        }
      }
    };
  }

  /** The connection is lost: the camera stays on, what it shows meanwhile is skipped. */
  #disconnected() {
    clearInterval(this.#pinging);
    this.#credit = 0;
    if (!this.#stream) return;
    this.#retrying = setTimeout(() => this.#connect(), this.#retryMs);
    this.#retryMs = Math.min(2 * this.#retryMs, LAST_RETRY_MS);
  }

  #next() {
    if (!this.#stream) {
      this.#following = false;
      return;
    }
    if (this.#video.requestVideoFrameCallback) {
      this.#video.requestVideoFrameCallback((now, facts) => {
        this.#count(facts.presentedFrames);
        this.#send(facts.captureTime ?? now);
        this.#next();
      });
    } else {
      requestAnimationFrame((now) => {
        this.#count(this.#video.getVideoPlaybackQuality().totalVideoFrames);
        this.#send(now);
        this.#next();
      });
    }
  }

  /** Another frame is there: `presented` of them in all. Those that were never seen here are
   * skipped, as is this one unless it is sent. */
  #count(presented) {
    if (this.#presented) this.#skipped += Math.max(0, presented - this.#presented);
    else this.#skipped = 1;
    this.#presented = presented;
  }

  #send(capturedMs) {
    if (this.#credit < 1 || this.#socket.readyState !== WebSocket.OPEN) return;
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
        header.setFloat64(8, this.#clock.offsetS, true);
        header.setUint32(16, skipped, true);
        message.set(new Uint8Array(jpeg), HEADER_BYTES);
        if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(message);
      },
      "image/jpeg",
      QUALITY,
    );
  }

  #stop() {
    for (const track of this.#stream?.getTracks() ?? []) track.stop();
    this.#stream = null;
    this.#following = false;
    this.#devices.hidden = true;
    clearTimeout(this.#retrying);
    clearInterval(this.#pinging);
    this.#presented = this.#skipped = 0;
    const socket = this.#socket;
    this.#socket = null;
    socket?.close();
    this.#button.hidden = !this.#wanted;
  }
}
