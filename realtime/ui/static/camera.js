// This device's camera as the source: one JPEG per frame through its own socket, the next one only
// when the server has taken the last. Needs https or localhost, as browsers demand.

import { Clock, PING_MS, socketUrl } from "./socket.js";

const QUALITY = 0.95;
const PINGS = 8; // before the first frame
const HEADER_BYTES = 20;

export class Camera {
  #url;
  #button;
  #say;
  #wanted = false;
  #stream = null;
  #socket = null;
  #video = null;
  #canvas = document.createElement("canvas");
  #credit = 0;
  #clock = new Clock();
  #pinging = 0;
  #presented = 0; // frames that the browser has had
  #skipped = 0; // of them, since the last one sent

  constructor(url, button, say) {
    this.#url = socketUrl(url);
    this.#button = button;
    this.#say = say;
    button.addEventListener("click", () => this.#start());
  }

  /** Whether the source is a browser's camera: offer this one, or let go of it. */
  sourceIs(browser) {
    if (this.#wanted && !browser) this.#stop();
    this.#wanted = browser;
    this.#button.hidden = !browser || this.#stream !== null;
  }

  async #start() {
    if (!navigator.mediaDevices) {
      this.#say("This browser gives its camera to https pages and localhost only.");
      return;
    }
    this.#button.hidden = true;
    try {
      this.#stream = await navigator.mediaDevices.getUserMedia({
        audio: false,
        video: { width: { ideal: 640 }, height: { ideal: 480 }, frameRate: { ideal: 60 } },
      });
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
    this.#connect();
  }

  #connect() {
    const clock = (this.#clock = new Clock());
    let pings = 0;
    const ping = () => this.#socket?.send(JSON.stringify({ ping: performance.now() / 1000 }));
    this.#socket = new WebSocket(this.#url);
    this.#socket.onopen = ping;
    this.#socket.onclose = () => this.#stop();
    this.#socket.onmessage = ({ data }) => {
      const message = JSON.parse(data);
      if (message.error) this.#say(message.error);
      else if (message.credit) this.#credit += message.credit;
      else {
        clock.answered(message.ping, message.server_s);
        if (++pings < PINGS) ping();
        else if (pings === PINGS) {
          this.#pinging = setInterval(ping, PING_MS); // the clocks drift: the server follows
          this.#credit = 1;
          this.#next();
        }
      }
    };
  }

  #next() {
    if (!this.#stream) return;
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
    clearInterval(this.#pinging);
    this.#presented = this.#skipped = 0;
    const socket = this.#socket;
    this.#socket = null;
    socket?.close();
    this.#button.hidden = !this.#wanted;
  }
}
