/**
 * Why nothing new is sent for the moment. Transfers under way go on.
 *
 * @typedef {"lost"|"busy"|"quota"|"refused"} PauseKind `lost` and `busy` end by themselves, the others when someone says so
 */
import { texts } from "../texts.js";

const FIRST_MS = 1000;
const LAST_MS = 30_000;
/** Faults one after another until the page no longer tries by itself. */
const FAULTS = 6;

export class Pause {
  /** @type {PauseKind|""} */
  kind = "";
  reason = "";
  /** One after another, of the connection and of what answers. */
  #faults = { lost: 0, busy: 0 };
  #timer = 0;

  /** @param {import("../api.js").Api} api @param {{changed: () => void, ended: () => void}} listener */
  constructor(api, listener) {
    this.api = api;
    this.listener = listener;
    addEventListener("online", () => this.kind === "lost" && this.#probe());
  }

  get on() {
    return this.kind !== "";
  }

  /** The connection broke. @param {boolean} [gaveUp] a file was tried to the last: while nothing else gets through, there is no sense in going on */
  lost(gaveUp = false) {
    if (gaveUp && this.#faults.lost) return this.stop("refused", texts.storageAway);
    if (this.on) return;
    this.#begin("lost", texts.connectionLost, () => this.#probe(), 0);
  }

  /**
   * API or bucket say that they cannot, for now.
   * @param {string} reason
   * @param {{until?: number, throttled?: boolean}} [how] `until`: ms since 1970, where they say it; a throttle is waited for however often it comes
   */
  busy(reason, { until = 0, throttled = false } = {}) {
    if (this.on) return;
    if (!throttled && this.#faults.busy >= FAULTS) return this.stop("refused", reason);
    this.#begin("busy", texts.pausedFor(reason), () => this.end(), until);
  }

  /** Until someone presses. @param {PauseKind} kind @param {string} reason */
  stop(kind, reason) {
    clearTimeout(this.#timer);
    this.sent();
    this.kind = kind;
    this.reason = reason;
    this.listener.changed();
  }

  /** The API has answered. */
  answered() {
    this.#faults.busy = 0;
  }

  /** A file got through. */
  sent() {
    this.#faults = { lost: 0, busy: 0 };
  }

  end() {
    if (!this.on) return;
    clearTimeout(this.#timer);
    this.kind = "";
    this.reason = "";
    this.listener.changed();
    this.listener.ended();
  }

  /** @param {"lost"|"busy"} kind @param {string} reason @param {() => void} then @param {number} until */
  #begin(kind, reason, then, until) {
    this.kind = kind;
    this.reason = reason;
    this.#later(kind, then, until);
    this.listener.changed();
  }

  /** @param {"lost"|"busy"} kind @param {() => void} then @param {number} [until] */
  #later(kind, then, until) {
    const wait = Math.max((until ?? 0) - Date.now(), Math.min(LAST_MS, FIRST_MS * 2 ** this.#faults[kind]));
    this.#faults[kind] += 1;
    this.#timer = setTimeout(then, wait);
  }

  /** Whether the API can be reached again: any answer will do. */
  async #probe() {
    clearTimeout(this.#timer);
    const error = await this.api.stats().then(() => null, (/** @type {any} */ failed) => failed);
    if (this.kind !== "lost") return;
    if (!error || error.status > 0) return this.end();
    this.#later("lost", () => this.#probe());
  }
}
