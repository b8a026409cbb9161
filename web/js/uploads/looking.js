/** Asks what became of the files that are sent: one request at a time, for up to a hundred of them. */
import { readQuery } from "../asking/query.js";

/** @typedef {import("./uploads.js").Upload} Upload */

const FIRST_MS = 500;
const LAST_MS = 10_000;
const GROW = 1.5;
/** Ids in one request (docs/api.md, GET /images). */
const MOST = 100;
/** Images in one answer of the library, and so many fresh ones are looked for in it. */
const LISTED = 200;
const FRESH = 100;

export class Looking {
  #ms = FIRST_MS;
  #timer = 0;
  #asking = false;
  /** Where in the line of those that wait the next request begins. */
  #from = 0;
  /** Ready, and not yet asked whether the same file was there before. @type {Map<string, Upload>} */
  #fresh = new Map();

  /** @param {import("../api.js").Api} api @param {import("./uploads.js").Uploads} uploads */
  constructor(api, uploads) {
    this.api = api;
    this.uploads = uploads;
    document.addEventListener("visibilitychange", () => !document.hidden && this.soon());
    addEventListener("online", () => this.soon());
  }

  /** Soon; less and less often while nothing changes. */
  soon() {
    this.#ms = FIRST_MS;
    if (!this.#asking) this.#wait();
  }

  #wait() {
    clearTimeout(this.#timer);
    if (this.uploads.of.waiting.size) this.#timer = setTimeout(() => this.#look(), this.#ms);
  }

  async #look() {
    const waiting = [...this.uploads.of.waiting];
    if (this.#from >= waiting.length) this.#from = 0;
    const asked = waiting.slice(this.#from, this.#from + MOST);
    if (!asked.length) return;
    this.#asking = true;
    const before = this.#ms;
    let changed = false;
    try {
      changed = this.#take(asked, await this.api.images(asked.map(({ id }) => id)));
    } catch {
      // The status line says that the API does not answer.
    }
    if (this.#fresh.size >= FRESH || !this.uploads.of.waiting.size) await this.#lookForCopies();
    this.#asking = false;
    // The first of the line are ready first; where they are not, others may be.
    this.#from = changed ? 0 : this.#from + MOST;
    if (changed) this.#ms = FIRST_MS;
    else if (this.#ms === before && this.#from >= waiting.length) this.#ms = Math.min(LAST_MS, this.#ms * GROW);
    this.#wait();
  }

  /** @param {Upload[]} asked @param {import("../api.js").Image[]} images @returns {boolean} whether any of them has ended */
  #take(asked, images) {
    const known = new Map(images.map((image) => [image.id, image]));
    /** @type {import("../api.js").Image[]} */
    const ready = [];
    let changed = false;
    for (const upload of asked) {
      const image = known.get(upload.id);
      if (!image || upload.state !== "waiting") continue;
      changed = true;
      upload.image = image;
      if (image.state === "rejected") this.uploads.set(upload, "rejected", image.reason);
      else if (image.state === "deleted") this.uploads.set(upload, "cancelled");
      else {
        this.uploads.set(upload, "ready");
        this.#fresh.set(image.id, upload);
        ready.push(image);
      }
    }
    if (ready.length) this.uploads.listener.ready(ready);
    return changed;
  }

  /** Whether the same files were there before: the library, newest first, counts the copies of each. */
  async #lookForCopies() {
    const fresh = this.#fresh;
    this.#fresh = new Map();
    if (!fresh.size) return;
    try {
      const { items } = await this.api.page(readQuery("").query, { limit: LISTED });
      for (const { id, copies } of items) {
        const upload = fresh.get(id);
        if (upload && copies?.exact) this.uploads.known(upload);
      }
    } catch {
      // A hint only: the larger view tells of copies too.
    }
  }
}
