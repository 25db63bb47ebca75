// Sockets to the server. The view: frames and news in, acknowledgements and commands out.

const FIRST_RETRY_MS = 500;
const LAST_RETRY_MS = 5000;
const PING_MS = 2000;
const PINGS = 8; // one after the other, until the clock is known well
const DRIFT = 2e-4; // seconds per second by which a sample gets worse

const decoder = new TextDecoder();

/** The offset of the server's monotonic clock from this page's, from the best of the last pings: a
 * fast one that is not too old, because the clocks drift apart. */
class Clock {
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
function unpack(buffer) {
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

/** Resolves once the page is not in the background (another tab of the browser, a minimised window). */
async function inFront() {
  while (document.hidden) {
    await new Promise((shown) => document.addEventListener("visibilitychange", shown, { once: true }));
  }
}

/** A socket that connects again when it is lost, and knows the server's clock. */
export class Connection {
  #url;
  #on;
  #socket = null;
  #retryMs = FIRST_RETRY_MS;
  #retrying = 0;
  #clock = new Clock();

  /** `on`: message(object), bytes(buffer); after each loss closed(), and after each connection
   * ready(), once the clock is known well. */
  constructor(url, on) {
    this.#url = new URL(url);
    this.#url.protocol = this.#url.protocol.replace("http", "ws");
    this.#on = on;
  }

  connect() {
    const socket = (this.#socket = new WebSocket(this.#url));
    const clock = (this.#clock = new Clock()); // the server may be another one now
    const ping = () => this.send({ ping: performance.now() / 1000 });
    let [pinging, pongs] = [0, 0];
    socket.binaryType = "arraybuffer";
    socket.onopen = () => {
      this.#retryMs = FIRST_RETRY_MS;
      pinging = setInterval(ping, PING_MS); // the clocks drift
      ping();
    };
    socket.onmessage = ({ data }) => {
      if (socket !== this.#socket) return; // of a connection that was left
      if (typeof data !== "string") {
        this.#on.bytes(data);
        return;
      }
      const message = JSON.parse(data);
      if (message.type !== "pong") {
        this.#on.message(message);
        return;
      }
      clock.answered(message.ping, message.server_s);
      if (++pongs < PINGS) ping();
      else if (pongs === PINGS) this.#on.ready?.();
    };
    socket.onclose = () => {
      clearInterval(pinging);
      if (socket !== this.#socket) return; // closed on purpose
      this.#on.closed?.();
      this.#retrying = setTimeout(() => this.connect(), this.#retryMs);
      this.#retryMs = Math.min(2 * this.#retryMs, LAST_RETRY_MS);
    };
  }

  /** Leave, until `connect` is called again. */
  close() {
    const socket = this.#socket;
    this.#socket = null;
    clearTimeout(this.#retrying);
    // Browsers warn of a socket that is closed while it connects.
    if (socket?.readyState === WebSocket.CONNECTING) socket.onopen = () => socket.close();
    else socket?.close();
  }

  /** Seconds to add to `performance.now() / 1000` for the server's monotonic clock. */
  get offsetS() {
    return this.#clock.offsetS;
  }

  /** This moment on the server's monotonic clock, in s; null before it is known. */
  nowS() {
    return this.#clock.ready ? performance.now() / 1000 + this.offsetS : null;
  }

  /** Send an object as JSON, or bytes as they are. */
  send(message) {
    if (this.#socket?.readyState !== WebSocket.OPEN) return;
    this.#socket.send(ArrayBuffer.isView(message) ? message : JSON.stringify(message));
  }
}

export class ViewSocket extends Connection {
  /** `on`: frame(frame) → promise of whether it was painted; hello, status, event,
   * forgotten, error, confirm, closed. */
  constructor(url, on) {
    super(url, {
      message: (message) => on[message.type]?.(message),
      bytes: async (buffer) => {
        const frame = unpack(buffer);
        const paintedS = (await on.frame(frame)) ? this.nowS() : null;
        await inFront(); // without an acknowledgement no more frames are sent; news are
        this.send({ ack: frame.header.message, painted_s: paintedS });
      },
      closed: on.closed,
    });
  }
}
