/** Interactions in flight: each is sent with a nonce and settled by the event that carries it back. */

export const COMMAND = 2;
export const COMPONENT = 3;
export const AUTOCOMPLETE = 4;
export const MODAL_SUBMIT = 5;

const OUTCOMES = {
  INTERACTION_SUCCESS: () => ({ kind: "success" }),
  INTERACTION_FAILURE: (data) => ({ kind: "failure", message: data.message }),
  INTERACTION_MODAL_CREATE: (data) => ({ kind: "modal", modal: data }),
  INTERACTION_AUTOCOMPLETE: (data) => ({ kind: "choices", choices: data.choices }),
};

export class Interactions {
  #waiting = new Map(); // nonce -> the function that settles its promise

  constructor(api) {
    this.api = api;
  }

  /**
   * Send an interaction; `interaction` is `{channel, type, data, message?}`.
   * Resolves with its outcome: `{kind: "success" | "failure" | "modal" | "choices" | "unknown", …}`; a failure and an
   * unknown one say in `message` what went wrong.
   * Throws ApiError when the sandbox refuses it.
   */
  async start(interaction, files = []) {
    const nonce = crypto.getRandomValues(new Uint32Array(4)).join("-"); // unique among one person's tabs
    const outcome = new Promise((resolve) => this.#waiting.set(nonce, resolve));
    try {
      await this.api.interact({ ...interaction, nonce }, files);
    } catch (error) {
      this.#waiting.delete(nonce);
      throw error;
    }
    return outcome;
  }

  /** Take an event; says whether it was about an interaction. */
  receive(type, data) {
    if (!type.startsWith("INTERACTION_")) return false;
    const settle = this.#waiting.get(data.nonce);
    if (settle && type in OUTCOMES) {
      this.#waiting.delete(data.nonce);
      settle(OUTCOMES[type](data));
    }
    return true;
  }

  /** The stream was broken, so outcomes may have been missed: let go of everything that waits. */
  abandon() {
    const message = "The connection was lost meanwhile, so this may not have arrived.";
    for (const settle of this.#waiting.values()) settle({ kind: "unknown", message });
    this.#waiting.clear();
  }
}
