/**
 * The line of uploads: a place is asked for when a file's turn comes, the bytes go straight to the
 * bucket, and the file counts as ready only when the index says so.
 *
 * @typedef {"queued"|"uploading"|"waiting"|"ready"|"rejected"|"failed"|"cancelled"} UploadState
 * @typedef {object} Upload
 * @property {number} number
 * @property {File} file
 * @property {string} collection
 * @property {UploadState} state
 * @property {number} progress 0 to 1, of the bytes
 * @property {string} id of the image, once there is a place for it
 * @property {string} reason
 * @property {import("../api.js").Image|null} image
 * @property {XMLHttpRequest|null} request
 */
import { ApiError } from "../api.js";
import { texts } from "../texts.js";

const PARALLEL = 4;
const POLL_MS = { first: 500, last: 3000, grow: 1.5 };
const IDS_A_REQUEST = 100;
/** Answers that will be the same however often this file is sent. */
const FILE_REFUSED = new Set([400, 413, 415, 422]);

/** Types that need no asking; of the others the API says whether it reads them. */
const NO_IMAGE = /^(?!image\/|application\/octet-stream)./;

export class Uploads {
  /** @type {Upload[]} */
  list = [];
  #number = 0;
  #asking = false;
  #pollMs = POLL_MS.first;
  #pollTimer = 0;

  /**
   * @param {import("../api.js").Api} api
   * @param {{changed: (upload?: Upload) => void, ready: (images: import("../api.js").Image[]) => void}} listener
   */
  constructor(api, listener) {
    this.api = api;
    this.listener = listener;
  }

  /** @param {File[]} files @param {string} collection */
  add(files, collection) {
    for (const file of files) {
      this.#number += 1;
      const no = NO_IMAGE.test(file.type);
      this.list.push({ number: this.#number, file, collection, state: no ? "rejected" : "queued", progress: 0, id: "", reason: no ? texts.notAnImage : "", image: null, request: null });
    }
    this.listener.changed();
    this.#pump();
  }

  /** @param {...UploadState} states */
  in(...states) {
    return this.list.filter(({ state }) => states.includes(state));
  }

  get busy() {
    return this.in("queued", "uploading", "waiting").length > 0;
  }

  /** @param {Upload} upload */
  cancel(upload) {
    if (upload.state !== "queued" && upload.state !== "uploading") return;
    const { request } = upload;
    this.#set(upload, "cancelled");
    request?.abort();
    this.#pump();
  }

  cancelAll() {
    for (const upload of this.in("queued", "uploading")) this.cancel(upload);
  }

  /** @param {Upload} upload */
  retry(upload) {
    if (upload.state !== "failed" && upload.state !== "cancelled") return;
    Object.assign(upload, { progress: 0, id: "" });
    this.#set(upload, "queued");
    this.#pump();
  }

  retryAll() {
    for (const upload of this.in("failed")) this.retry(upload);
  }

  /** Forgets what has ended. */
  clear() {
    this.list = this.in("queued", "uploading", "waiting");
    this.listener.changed();
  }

  /** @param {Upload} upload @param {UploadState} state @param {string} [reason] */
  #set(upload, state, reason = "") {
    upload.state = state;
    upload.reason = reason;
    this.listener.changed(upload);
  }

  /** Fills the free lanes: one request for places, then each file on its own. */
  async #pump() {
    if (this.#asking) return;
    this.#asking = true;
    await Promise.resolve(); // several files that end or are cancelled together make one request
    const free = PARALLEL - this.in("uploading").length;
    const [first] = this.in("queued");
    const batch = this.in("queued").filter(({ collection }) => collection === first.collection).slice(0, Math.max(0, free));
    for (const upload of batch) this.#set(upload, "uploading");
    await this.#place(batch);
    this.#asking = false;
    if (batch.length && this.in("queued").length && this.in("uploading").length < PARALLEL) this.#pump();
  }

  /** @param {Upload[]} batch */
  async #place(batch) {
    if (!batch.length) return;
    try {
      const places = await this.api.places(batch[0].collection, batch.map(({ file }) => file));
      batch.forEach((upload, i) => this.#send(upload, places[i]));
    } catch (error) {
      const refused = error instanceof ApiError && !error.passing;
      if (refused && batch.length > 1) {
        // One file that is refused must not take the others with it.
        for (const upload of batch) await this.#place([upload]);
        return;
      }
      const kind = error instanceof ApiError && error.code === "unsupported_type";
      const reason = kind ? texts.notAnImage : error instanceof Error ? error.message : String(error);
      const state = refused && FILE_REFUSED.has(error.status) ? "rejected" : "failed";
      for (const upload of batch) if (upload.state === "uploading") this.#set(upload, state, reason);
    }
  }

  /** @param {Upload} upload @param {import("../api.js").Place} place */
  #send(upload, place) {
    if (upload.state !== "uploading") return; // cancelled meanwhile
    const form = new FormData();
    for (const [name, value] of Object.entries(place.post.fields)) form.append(name, value);
    form.append("file", upload.file);
    const request = new XMLHttpRequest();
    upload.id = place.id;
    upload.request = request;
    const end = (/** @type {UploadState} */ state, reason = "") => {
      upload.request = null;
      if (upload.state === "uploading") this.#set(upload, state, reason);
      if (state === "waiting") this.#poll(POLL_MS.first);
      this.#pump();
    };
    request.upload.addEventListener("progress", ({ loaded, total }) => {
      upload.progress = total ? loaded / total : 0;
      this.listener.changed(upload);
    });
    request.addEventListener("load", () => {
      if (request.status >= 200 && request.status < 300) end("waiting");
      else end("failed", storageReason(request));
    });
    request.addEventListener("error", () => end("failed", texts.networkFailed));
    request.open("POST", place.post.url);
    request.send(form);
  }

  /** Asks soon, then less and less often while nothing changes. @param {number} [wait] */
  #poll(wait) {
    if (wait) this.#pollMs = wait;
    clearTimeout(this.#pollTimer);
    this.#pollTimer = setTimeout(() => this.#look(), this.#pollMs);
    this.#pollMs = Math.min(POLL_MS.last, this.#pollMs * POLL_MS.grow);
  }

  async #look() {
    const waiting = this.in("waiting");
    if (!waiting.length) return;
    /** @type {import("../api.js").Image[]} */
    let images = [];
    try {
      for (let i = 0; i < waiting.length; i += IDS_A_REQUEST) images.push(...(await this.api.images(waiting.slice(i, i + IDS_A_REQUEST).map(({ id }) => id))));
    } catch {
      images = []; // the status line says that the API does not answer; ask again
    }
    const known = new Map(images.map((image) => [image.id, image]));
    const ready = [];
    let changed = false;
    for (const upload of waiting) {
      const image = known.get(upload.id);
      if (!image || upload.state !== "waiting") continue;
      changed = true;
      upload.image = image;
      if (image.state === "rejected") this.#set(upload, "rejected", image.reason);
      else if (image.state === "deleted") this.#set(upload, "cancelled");
      else {
        this.#set(upload, "ready");
        ready.push(image);
      }
    }
    if (ready.length) this.listener.ready(ready);
    if (this.in("waiting").length) this.#poll(changed ? POLL_MS.first : undefined);
  }
}

/** What S3 says in its XML answer, or the status. @param {XMLHttpRequest} request */
function storageReason({ status, responseText }) {
  return /<Message>([^<]{1,200})<\/Message>/.exec(responseText)?.[1] ?? texts.storageFailed(status);
}
