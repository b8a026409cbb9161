/**
 * Places in the bucket, asked for ahead of their turn: enough to keep the lanes busy for half a
 * minute or so, never so many that they would be too old (docs/api.md: they are good for five minutes).
 *
 * @typedef {{place: import("../api.js").Place, id: string, until: number}} Kept `until`: ms since 1970
 * @typedef {import("./uploads.js").Upload} Upload
 */
import { ApiError } from "../api.js";
import { texts } from "../texts.js";

/** Files in one request (docs/api.md, POST /uploads). */
const MOST = 100;
const FIRST = 8;
/** Used up sooner than `QUICK_MS`, the next request asks for more; later than `SLOW_MS`, for fewer. */
const QUICK_MS = 10_000;
const SLOW_MS = 40_000;
const FRESH_MS = 120_000;
const LEAST_FRESH_MS = 5000;
/** Answers about a file that will be the same however often it is asked for. */
const FILE_REFUSED = new Set([400, 413, 415, 422]);

export class Places {
  /** In line and with a place. @type {Upload[]} */
  #ready = [];
  #ahead = FIRST;
  #asking = false;
  #askedAt = 0;
  #freshMs = FRESH_MS;
  /** What the API has refused once needs no asking again: types and a size. */
  #types = new Map();
  /** @type {{bytes: number, reason: string}|null} */
  #tooLarge = null;

  /** @param {import("../api.js").Api} api @param {import("./uploads.js").Uploads} uploads */
  constructor(api, uploads) {
    this.api = api;
    this.uploads = uploads;
  }

  /** The next upload whose place is fresh. */
  next() {
    for (let upload = this.#ready.shift(); upload; upload = this.#ready.shift()) {
      if (fresh(upload)) return upload;
      upload.place = null; // asked for anew: it is still in line, or was called off
    }
    return null;
  }

  /** @param {Upload} upload that is in line again */
  giveBack(upload) {
    if (fresh(upload)) this.#ready.unshift(upload);
    else upload.place = null;
  }

  /** S3 found a place too old: this clock or the waits are not as thought. */
  tooOld() {
    this.#ahead = FIRST;
    this.#freshMs = Math.max(LEAST_FRESH_MS, this.#freshMs / 4);
    for (const upload of this.#ready.splice(0)) upload.place = null;
  }

  /** @param {number} least so many are to be ready */
  async askAhead(least) {
    if (this.#asking || this.#ready.length >= least) return;
    const batch = this.#batch();
    if (!batch.length) return;
    this.#asking = true;
    const since = Date.now() - this.#askedAt;
    if (this.#askedAt && since < QUICK_MS) this.#ahead = Math.min(MOST, this.#ahead * 2);
    else if (since > SLOW_MS) this.#ahead = Math.max(FIRST, Math.ceil(this.#ahead / 2));
    this.#askedAt = Date.now();
    try {
      const places = await this.api.places(batch[0].collection, batch.map(({ file }) => file));
      const until = Date.now() + Math.min(this.#freshMs, lifetime(places[0]) / 2);
      batch.forEach((upload, i) => {
        upload.place = { place: places[i], id: places[i].id, until };
        if (upload.state === "queued") this.#ready.push(upload);
      });
      this.uploads.pause.answered();
    } catch (error) {
      this.#failed(batch, error instanceof ApiError ? error : new ApiError({ status: 500, code: "", message: String(error) }));
    }
    this.#asking = false;
    this.uploads.fill();
  }

  /** The next in line without a place, all for one collection. */
  #batch() {
    /** @type {Upload[]} */
    const batch = [];
    /** @type {[Upload, string][]} */
    const refused = [];
    for (const upload of this.uploads.of.queued) {
      if (upload.place) continue;
      const reason = this.#known(upload.file);
      if (reason) refused.push([upload, reason]);
      else if (!batch.length || upload.collection === batch[0].collection) batch.push(upload);
      if (batch.length >= this.#ahead) break;
    }
    for (const [upload, reason] of refused) this.uploads.set(upload, "rejected", reason);
    return batch;
  }

  /** @param {File} file */
  #known(file) {
    return this.#tooLarge && file.size >= this.#tooLarge.bytes ? this.#tooLarge.reason : this.#types.get(kindOf(file));
  }

  /** @param {Upload[]} batch @param {ApiError} error */
  #failed(batch, error) {
    const { pause } = this.uploads;
    if (error.status === 0) return pause.lost();
    if (error.code === "quota_exceeded") {
      if (batch.length === 1) return pause.stop("quota", error.message);
      this.#ahead = Math.floor(batch.length / 2); // all or nothing: fewer may still fit
      this.#askedAt = 0;
      return;
    }
    if (error.passing) return pause.busy(error.message, { until: error.retryAt, throttled: error.status === 429 });
    const at = /^files\.(\d+)/.exec(error.field);
    const one = at ? batch[Number(at[1])] : batch.length === 1 && error.field !== "collection" ? batch[0] : undefined;
    if (!one || !FILE_REFUSED.has(error.status)) return pause.stop("refused", error.message);
    this.#refused(one, error);
  }

  /** One file that is refused does not take the others with it. @param {Upload} upload @param {ApiError} error */
  #refused(upload, { code, message }) {
    const { file } = upload;
    const reason = code === "unsupported_type" ? texts.notAnImage : message;
    if (code === "unsupported_type") this.#types.set(kindOf(file), reason);
    if (code === "too_large" && file.size < (this.#tooLarge?.bytes ?? Infinity)) this.#tooLarge = { bytes: file.size, reason };
    if (upload.state === "queued") this.uploads.set(upload, "rejected", reason);
  }
}

/** What the API judges a file's type by. @param {File} file */
const kindOf = ({ name, type }) => `${type} ${name.slice(name.lastIndexOf(".")).toLowerCase()}`;

/** @param {Upload} upload */
const fresh = ({ state, place }) => state === "queued" && place !== null && Date.now() < place.until;

/** How long a place is good for, in ms; by this device's clock, so it is believed only where it can be true. @param {import("../api.js").Place} place */
function lifetime({ expires_at }) {
  const ms = Date.parse(expires_at) - Date.now();
  return ms > 0 && ms < 3_600_000 ? ms : 2 * FRESH_MS;
}
