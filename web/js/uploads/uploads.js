/**
 * The line of uploads: places are asked for a little ahead of their turn, the bytes go straight to
 * the bucket, and a file counts as ready only when the index says so.
 *
 * @typedef {"queued"|"uploading"|"waiting"|"ready"|"rejected"|"failed"|"cancelled"} UploadState
 * @typedef {object} Upload
 * @property {number} number
 * @property {File} file
 * @property {string} collection
 * @property {UploadState} state
 * @property {number} progress 0 to 1, of the bytes
 * @property {number} tries how often it was sent in vain
 * @property {string} id of the image, once there is a place for it
 * @property {string} reason
 * @property {import("../api.js").Image|null} image
 * @property {boolean} known the same file was in the library before
 * @property {import("./places.js").Kept|null} place
 * @property {(() => void)|null} stop ends its transfer
 */
import { texts } from "../texts.js";
import { Looking } from "./looking.js";
import { Pause } from "./pause.js";
import { Places } from "./places.js";
import { send } from "./sending.js";
import { readable, storageFault } from "./storage.js";

/** @typedef {import("./sending.js").Outcome} Outcome */

const LANES = 4;
const TRIES = 5;
const ENDED = /** @type {const} */ (["ready", "rejected", "failed", "cancelled"]);

export class Uploads {
  /** In each state, in the order of coming into it. @type {Record<UploadState, Set<Upload>>} */
  of = { queued: new Set(), uploading: new Set(), waiting: new Set(), ready: new Set(), rejected: new Set(), failed: new Set(), cancelled: new Set() };
  /** Bytes of all that is not cancelled, and of these those that need no sending any more. */
  bytes = { all: 0, past: 0 };
  #number = 0;
  #filling = false;

  /**
   * @param {import("../api.js").Api} api
   * @param {{changed: (upload?: Upload) => void, ready: (images: import("../api.js").Image[]) => void}} listener
   */
  constructor(api, listener) {
    this.api = api;
    this.listener = listener;
    this.pause = new Pause(api, { changed: () => listener.changed(), ended: () => this.fill() });
    this.places = new Places(api, this);
    this.looking = new Looking(api, this);
  }

  /** @param {File[]} files @param {string} collection @param {(file: File) => string} [fault] why a file is not even tried */
  add(files, collection, fault = () => "") {
    for (const file of files) {
      this.#number += 1;
      const reason = fault(file);
      const state = reason ? "rejected" : "queued";
      /** @type {Upload} */
      const upload = { number: this.#number, file, collection, state, progress: 0, tries: 0, id: "", reason, image: null, known: false, place: null, stop: null };
      this.of[state].add(upload);
      this.bytes.all += weight(upload);
      if (reason) this.bytes.past += weight(upload);
    }
    this.listener.changed();
    this.fill();
  }

  /** @param {...UploadState} states */
  in(...states) {
    return states.flatMap((state) => [...this.of[state]]);
  }

  /** @param {...UploadState} states */
  count(...states) {
    return states.reduce((sum, state) => sum + this.of[state].size, 0);
  }

  get all() {
    return Object.values(this.of).reduce((sum, { size }) => sum + size, 0);
  }

  get busy() {
    return this.count("queued", "uploading", "waiting") > 0;
  }

  /** Bytes that are sent, or need not be. */
  get sent() {
    return [...this.of.uploading].reduce((sum, upload) => sum + weight(upload) * upload.progress, this.bytes.past);
  }

  /** @param {Upload} upload */
  cancel(upload) {
    if (upload.state !== "queued" && upload.state !== "uploading") return;
    const { stop } = upload;
    this.set(upload, "cancelled");
    stop?.();
    this.fill();
  }

  cancelAll() {
    for (const upload of this.in("queued", "uploading")) this.cancel(upload);
  }

  /** @param {Upload} upload */
  retry(upload) {
    if (upload.state !== "failed" && upload.state !== "cancelled") return;
    Object.assign(upload, { tries: 0, place: null });
    this.set(upload, "queued");
    this.pause.end();
    this.fill();
  }

  retryAll() {
    for (const upload of this.in("failed")) this.retry(upload);
  }

  /** Forgets what has ended. @param {readonly UploadState[]} [states] */
  clear(states = ENDED) {
    for (const upload of this.in(...states)) {
      this.#count(upload, -1);
      this.of[upload.state].delete(upload);
    }
    if (!this.all) this.bytes = { all: 0, past: 0 };
    this.listener.changed();
  }

  /** @param {Upload} upload @param {UploadState} state @param {string} [reason] @param {boolean} [first] before all others there */
  set(upload, state, reason = "", first = false) {
    this.#count(upload, -1);
    this.of[upload.state].delete(upload);
    upload.state = state;
    upload.reason = reason;
    upload.progress = 0;
    this.#count(upload, 1);
    if (first) this.of[state] = new Set([upload, ...this.of[state]]);
    else this.of[state].add(upload);
    this.listener.changed(upload);
  }

  /** The same file was there before. @param {Upload} upload */
  known(upload) {
    upload.known = true;
    this.listener.changed(upload);
  }

  /** @param {Upload} upload @param {1|-1} sign */
  #count(upload, sign) {
    const { state } = upload;
    if (state === "cancelled") return;
    this.bytes.all += sign * weight(upload);
    if (state !== "queued" && state !== "uploading") this.bytes.past += sign * weight(upload);
  }

  /** Fills the free lanes, once for all changes that come together. */
  fill() {
    if (this.#filling) return;
    this.#filling = true;
    queueMicrotask(() => {
      this.#filling = false;
      if (!this.of.queued.size) this.pause.end();
      while (!this.pause.on && this.of.uploading.size < LANES) {
        const upload = this.places.next();
        if (!upload) break;
        this.#send(upload);
      }
      if (!this.pause.on) this.places.askAhead(LANES);
    });
  }

  /** @param {Upload} upload with a place */
  async #send(upload) {
    const { place, id } = /** @type {import("./places.js").Kept} */ (upload.place);
    this.set(upload, "uploading");
    const arrived = upload.id !== "" && upload.id !== id && (await this.#arrived(upload));
    if (upload.state !== "uploading") return this.fill(); // cancelled meanwhile
    if (arrived) return this.#sent(upload);
    upload.id = id;
    const transfer = send(place, upload.file, (progress) => {
      upload.progress = progress;
      this.listener.changed(upload);
    });
    upload.stop = transfer.stop;
    const outcome = await transfer.done;
    upload.stop = null;
    if (upload.state === "uploading") await this.#ended(upload, outcome);
    this.fill();
  }

  /** @param {Upload} upload */
  #sent(upload) {
    this.pause.sent();
    this.set(upload, "waiting");
    this.looking.soon();
    this.fill();
  }

  /** Whether it is there already, under the place it had before: only the answer was lost. @param {Upload} upload */
  async #arrived({ id }) {
    return (await this.api.images([id]).catch(() => [])).length > 0;
  }

  /** @param {Upload} upload @param {Outcome} outcome */
  async #ended(upload, outcome) {
    if (outcome.kind === "stopped") return;
    if (outcome.kind === "sent") return this.#sent(upload);
    upload.tries += 1;
    const last = upload.tries >= TRIES;
    if (outcome.kind === "broken") {
      if (!(await readable(upload.file))) return this.set(upload, "failed", texts.fileGone);
      if (upload.state !== "uploading") return; // cancelled meanwhile
      if (last) this.set(upload, "failed", texts.networkFailed);
      else this.#again(upload);
      return this.pause.lost(last);
    }
    const { reason, expired, passing } = storageFault(outcome);
    if (expired) upload.place = null;
    if (last || !(expired || passing)) return this.set(upload, "failed", reason);
    this.#again(upload);
    if (expired) this.places.tooOld();
    else this.pause.busy(reason);
  }

  /** Next in the line, once more. @param {Upload} upload */
  #again(upload) {
    this.set(upload, "queued", "", true);
    this.places.giveBack(upload);
  }
}

/** What a file counts in the whole: its bytes, and something for the way there and back. @param {Upload} upload */
const weight = ({ file }) => file.size + 2000;
