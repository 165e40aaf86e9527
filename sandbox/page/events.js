/** The stream of what happens: a websocket that comes back by itself. */

const FIRST_WAIT = 500; // milliseconds before the first new try; doubled after each that fails
const LONGEST_WAIT = 8000; // a sandbox that was started again is noticed within this time

export class Events {
  #socket;
  #timer;
  #wait = FIRST_WAIT;
  #closed = false;

  /**
   * `onEvent(type, data)` for each event, `onOpen()` each time the stream stands, `onLost()` each time it broke;
   * `mayReturn()` resolves with whether it is worth while to connect again.
   */
  constructor(user, { onEvent, onOpen, onLost, mayReturn }) {
    this.handlers = { onEvent, onOpen, onLost, mayReturn };
    this.address = new URL(`/sandbox/events?${new URLSearchParams({ user })}`, location.href);
    this.address.protocol = this.address.protocol.replace("http", "ws");
    this.#connect();
  }

  close() {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#socket.close();
  }

  #connect() {
    this.#socket = new WebSocket(this.address);
    this.#socket.addEventListener("open", () => {
      this.#wait = FIRST_WAIT;
      this.handlers.onOpen();
    });
    this.#socket.addEventListener("message", ({ data }) => {
      if (this.#closed) return;
      const event = JSON.parse(data);
      this.handlers.onEvent(event.t, event.d);
    });
    this.#socket.addEventListener("close", () => {
      if (this.#closed) return;
      this.handlers.onLost();
      this.#later();
    });
  }

  #later() {
    this.#timer = setTimeout(() => this.#again(), this.#wait);
    this.#wait = Math.min(this.#wait * 2, LONGEST_WAIT);
  }

  async #again() {
    const may = await this.handlers.mayReturn();
    if (this.#closed) return;
    if (may) this.#connect();
    else this.#later();
  }
}
