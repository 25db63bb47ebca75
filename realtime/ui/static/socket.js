// The view socket: frames and news in, acknowledgements and commands out.

const FIRST_RETRY_MS = 500;
const LAST_RETRY_MS = 5000;
export const PING_MS = 2000;
const DRIFT = 2e-4; // seconds per second by which a sample gets worse

const decoder = new TextDecoder();

/** The offset of the server's monotonic clock from this page's, by the best of the last pings: fast
 * ones, and not too old, since the two drift apart. */
export class Clock {
  #samples = [];

  /** Take the answer to a ping sent at `sentS` that carried the server's time `serverS`. */
  answered(sentS, serverS, nowS = performance.now() / 1000) {
    const trip = nowS - sentS;
    this.#samples.push({ doubt: trip / 2 - DRIFT * nowS, offset: serverS - (sentS + nowS) / 2 });
    if (this.#samples.length > 16) this.#samples.shift();
  }

  get ready() {
    return this.#samples.length > 0;
  }

  /** Seconds to add to `performance.now() / 1000`; exact to half the round trip. */
  get offsetS() {
    return this.#samples.reduce((a, b) => (b.doubt < a.doubt ? b : a)).offset;
  }
}

/** Header and named parts of a binary message. */
export function unpack(buffer) {
  const length = new DataView(buffer).getUint32(0, true);
  const header = JSON.parse(decoder.decode(new Uint8Array(buffer, 4, length)));
  const parts = {};
  let at = 4 + length;
  for (const [name, bytes] of header.parts) {
    parts[name] = buffer.slice(at, at + bytes);
    at += bytes;
  }
  return { header, parts };
}

/** Absolute address of a socket beside the page's own address. */
export function socketUrl(url) {
  const absolute = new URL(url);
  absolute.protocol = absolute.protocol.replace("http", "ws");
  return absolute;
}

export class ViewSocket {
  #url;
  #on;
  #socket = null;
  #retryMs = FIRST_RETRY_MS;
  #clock = new Clock();
  #pinging = 0;
  #retrying = 0;

  /** `on`: frame(frame) → promise of whether it was painted; hello, status, event,
   * forgotten, error, confirm, closed. */
  constructor(url, on) {
    this.#url = socketUrl(url);
    this.#on = on;
  }

  connect() {
    const socket = new WebSocket(this.#url);
    socket.binaryType = "arraybuffer";
    socket.onopen = () => {
      this.#retryMs = FIRST_RETRY_MS;
      this.#ping();
      this.#pinging = setInterval(() => this.#ping(), PING_MS);
    };
    socket.onmessage = ({ data }) => {
      if (typeof data === "string") this.#news(JSON.parse(data));
      else this.#frame(unpack(data));
    };
    socket.onclose = () => {
      clearInterval(this.#pinging);
      this.#on.closed();
      if (socket !== this.#socket) return; // closed on purpose
      this.#retrying = setTimeout(() => this.connect(), this.#retryMs);
      this.#retryMs = Math.min(2 * this.#retryMs, LAST_RETRY_MS);
    };
    this.#socket = socket;
  }

  /** Leave, until `connect` is called again. */
  close() {
    const socket = this.#socket;
    this.#socket = null;
    clearTimeout(this.#retrying);
    socket?.close();
  }

  /** This moment on the server's monotonic clock, in s; null before it is known. */
  nowS() {
    return this.#clock.ready ? performance.now() / 1000 + this.#clock.offsetS : null;
  }

  send(message) {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(message));
  }

  #ping() {
    this.send({ ping: performance.now() / 1000 });
  }

  #news(message) {
    if (message.type === "pong") this.#clock.answered(message.ping, message.server_s);
    else this.#on[message.type]?.(message);
  }

  async #frame(frame) {
    const painted = await this.#on.frame(frame);
    this.send({ ack: frame.header.message, painted_s: painted ? this.nowS() : null });
  }
}
