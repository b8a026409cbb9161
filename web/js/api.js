/**
 * The HTTP API (docs/api.md): one method a route, one kind of error.
 *
 * @typedef {object} Image
 * @property {string} id
 * @property {string} key
 * @property {string} name
 * @property {string} collection
 * @property {"ready"|"rejected"|"archived"|"deleted"} state
 * @property {string} reason
 * @property {string} format
 * @property {number} bytes
 * @property {number} width
 * @property {number} height
 * @property {string|null} taken_at
 * @property {string} uploaded_at
 * @property {string} owner
 * @property {string} camera
 * @property {string} lens
 * @property {Exposure|null} exposure
 * @property {{lat: number, lon: number}|null} location
 * @property {string} url
 * @property {string|null} thumbnail_url
 * @property {string} [placeholder] base64 of twelve pixels
 * @property {string} [text] what is written in the picture: all of it, in a search the part with the words
 * @property {number} [score] of a search
 * @property {number|null} [confidence] from 0 to 1 that it is what was asked for; null where the model has no calibration
 * @property {Why[]} [why] what it was found by
 * @property {Partial<Record<Field, string[]>>} [words] those of the query, as they stand in it
 * @property {boolean} [within] the cut-off
 * @property {{exact: number, near: number}} [copies] in a search behind it, in the library all there are
 * @property {"exact"|"near"} [copy] what it is of the image whose copies were asked for
 *
 * @typedef {"name"|"collection"|"camera"|"text"} Field
 * @typedef {"meaning"|Field} Why
 * @typedef {Record<"collection"|"year"|"camera"|"format", Record<string, number>>} Facets
 * @typedef {{seconds: number|null, f_number: number|null, iso: number|null, focal_mm: number|null}} Exposure
 * @typedef {{items: Image[], next_cursor: string|null, total?: number|null, matched?: boolean|null, rest?: number, facets?: Facets, vectors?: (string|null)[]}} Page
 * @typedef {{images: Record<string, number>, queue: {waiting: number, in_flight: number}, dead_letters?: {waiting: number}}} Stats
 * @typedef {{id: string, came_at: string, receives: number|null, keys: string[], more_keys: number, code: string, error: string}} Letter
 * @typedef {{id: string, key: string, name: string, url: string, expires_at: string, post: {url: string, fields: Record<string, string>}}} Place
 */
import { filtersOf, isLibrary, piecesOf, sent } from "./asking/query.js";
import { Unreachable } from "./people/gate.js";
import { texts } from "./texts.js";

/** @typedef {import("./asking/query.js").Query} Query */

const TIMEOUT_MS = 30_000;
/** How often the page waits by itself where the API says "later", and how long at most. */
const WAITS = 3;
const LONGEST_WAIT_MS = 20_000;
export const PAGE_SIZE = 60;

export class ApiError extends Error {
  /** Not to be asked again before then, ms since 1970; 0: not told. */
  retryAt = 0;

  /** @param {{status: number, code: string, message: string, field?: string, request_id?: string}} error */
  constructor({ status, code, message, field = "", request_id = "" }) {
    super(message);
    this.status = status;
    this.code = code;
    this.field = field;
    this.requestId = request_id;
  }

  /** Worth asking again without a change. */
  get passing() {
    return this.status === 0 || this.status === 429 || this.status >= 500;
  }
}

/** @param {unknown} error */
export const isAbort = (error) => error instanceof DOMException && error.name === "AbortError";

export class Api {
  /** @param {string} base address of the API, relative to the page or absolute */
  constructor(base) {
    this.base = new URL(base.endsWith("/") ? base : `${base}/`, document.baseURI);
    /** Where people sign in; null where nobody need. @type {import("./people/session.js").Session|null} */
    this.session = null;
    /** Told that requests go on at that time, and 0 when they have. @type {(at: number) => void} */
    this.onWait = () => {};
  }

  /** Whether whoever is here may do that: what is not allowed need not be offered. @param {import("./people/session.js").Right} right */
  may(right) {
    return this.session?.may(right) ?? true;
  }

  /** @param {Image} image */
  mayDelete(image) {
    return this.may("admin") || (this.may("upload") && image.owner === this.session?.subject);
  }

  /** One page of the library or of a search. @param {Query} query @param {{cursor?: string|null, limit?: number, signal?: AbortSignal}} [options] @returns {Promise<Page>} */
  page(query, { cursor = null, limit = PAGE_SIZE, signal } = {}) {
    const filters = filtersOf(query);
    if (isLibrary(query)) return this.#ask("GET", "images", { signal, params: { ...filters, limit, cursor, copies: true } });
    const { order, closest } = query;
    const how = { collapse: query.copies ? "none" : "near", facets: !cursor, limit, cursor, ...(order && { order }), ...(closest && { closest: true }) };
    const parts = piecesOf(query).map(partOf);
    const [only] = parts.length === 1 && !parts[0].weight ? parts : [];
    if (only?.text) return this.#ask("GET", "search", { signal, params: { q: only.text, ...filters, ...how } });
    return this.#ask("POST", "search", { signal, body: { ...(only ?? { parts }), filters: inBody(filters), ...how } });
  }

  /** @param {string[]} ids at most 100 @returns {Promise<Image[]>} */
  async images(ids) {
    return (await this.#ask("GET", "images", { params: { ids: ids.join(",") } })).items;
  }

  /** @param {string|null} cursor @returns {Promise<Page>} */
  rejected(cursor = null) {
    return this.#ask("GET", "images", { params: { state: "rejected", limit: 100, cursor } });
  }

  /** @param {string} id @param {AbortSignal} [signal] @returns {Promise<Image>} */
  image(id, signal) {
    return this.#ask("GET", `images/${encodeURIComponent(id)}`, { signal });
  }

  /** The copies of an image, the exact ones first. @param {string} id @param {AbortSignal} [signal] @returns {Promise<Image[]>} */
  async copies(id, signal) {
    return (await this.#ask("GET", `images/${encodeURIComponent(id)}/copies`, { signal })).items;
  }

  /** @param {string} id */
  remove(id) {
    return this.#ask("DELETE", `images/${encodeURIComponent(id)}`);
  }

  /** @returns {Promise<Stats>} */
  stats() {
    return this.#ask("GET", "stats");
  }

  /** What could not be processed. @returns {Promise<{items: Letter[], total: number}>} */
  deadLetters() {
    return this.#ask("GET", "dead-letters");
  }

  /** @param {string} id */
  redrive(id) {
    return this.#ask("POST", "dead-letters/redrive", { body: { id } });
  }

  /** @param {string} id @param {string} reason */
  discard(id, reason) {
    return this.#ask("POST", "dead-letters/discard", { body: { id, reason } });
  }

  /** Places to upload to. @param {string} collection @param {File[]} files @returns {Promise<Place[]>} */
  async places(collection, files) {
    const body = { files: files.map(({ name, type, size }) => ({ name, type, size })), ...(collection && { collection }) };
    return (await this.#ask("POST", "uploads", { body })).uploads;
  }

  /**
   * Waits and asks again, a few times, where the API is asked too often and nothing is changed by
   * asking twice.
   * @param {string} method
   * @param {string} path
   * @param {{params?: Record<string, any>, body?: object, signal?: AbortSignal}} [options]
   * @returns {Promise<any>}
   */
  async #ask(method, path, options = {}) {
    const patient = (method === "GET" && path !== "stats") || path === "search";
    let waits = 0;
    try {
      for (;; waits += 1) {
        try {
          return await this.#once(method, path, options);
        } catch (error) {
          if (!patient || waits === WAITS || !(error instanceof ApiError) || error.status !== 429) throw error;
          error.retryAt ||= Date.now() + 1000 * 2 ** waits * (1 + Math.random() / 2); // not all pages at once
          if (error.retryAt - Date.now() > LONGEST_WAIT_MS) throw error;
          this.onWait(error.retryAt);
          await pause(error.retryAt - Date.now(), options.signal);
        }
      }
    } finally {
      if (waits) this.onWait(0);
    }
  }

  /**
   * @param {string} method
   * @param {string} path
   * @param {{params?: Record<string, any>, body?: object, signal?: AbortSignal}} options
   */
  async #once(method, path, { params = {}, body, signal }) {
    const url = new URL(path, this.base);
    for (const [name, value] of Object.entries(params)) if (value !== null && value !== "") url.searchParams.set(name, String(value));
    const headers = { accept: "application/json", ...(body && { "content-type": "application/json" }) };
    const init = { method, headers, body: body && JSON.stringify(body) };
    try {
      return await this.#signed(url, init, signal);
    } catch (error) {
      if (signal?.aborted || error instanceof ApiError) throw error;
      const message = error instanceof Unreachable ? error.message : texts.offlineTitle;
      throw new ApiError({ status: 0, code: "offline", message });
    }
  }

  /** With the token of whoever is signed in; once more with a new one when that is not taken. @param {URL} url @param {RequestInit} init @param {AbortSignal} [signal] */
  async #signed(url, init, signal) {
    const { session } = this;
    if (!session) return send(url, init, signal);
    const bearing = (/** @type {string} */ token) => ({ ...init, headers: { ...init.headers, authorization: `Bearer ${token}` } });
    const token = await session.token();
    const answer = await send(url, bearing(token), signal).catch(async (error) => {
      if (error.status !== 401) throw error;
      return send(url, bearing(await session.renewed(token)), signal);
    });
    await session.admitted; // pictures need their cookies
    return answer;
  }
}

/** A piece as the API takes it. @param {import("./asking/query.js").Piece} piece */
function partOf({ text, id = "", region, weight }) {
  const image = sent.get(id)?.image;
  const what = text ? { text } : image ? { image } : id.startsWith("v1") ? { vector: id } : { id };
  return { ...what, ...(region && { region }), ...(weight !== 1 && { weight }) };
}

/** @param {URL} url @param {RequestInit} init @param {AbortSignal} [signal] */
async function send(url, init, signal) {
  const controller = new AbortController();
  const stop = () => controller.abort();
  signal?.addEventListener("abort", stop);
  if (signal?.aborted) stop();
  const timer = setTimeout(stop, TIMEOUT_MS);
  try {
    return await answerOf(await fetch(url, { ...init, signal: controller.signal }));
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", stop);
  }
}

/** @param {number} ms @param {AbortSignal} [signal] ends it early @returns {Promise<void>} */
const pause = (ms, signal) =>
  new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal?.addEventListener("abort", () => resolve(clearTimeout(timer)));
  });

/** @param {Response} response */
async function answerOf(response) {
  const { headers, ok } = response;
  const text = await response.text();
  let answer;
  try {
    answer = JSON.parse(text);
  } catch {
    answer = null; // a page of a server on the way, or half an answer
  }
  if (ok && answer) return answer;
  const { code, message, field, request_id } = answer?.error ?? { message: answer?.message };
  const error = new ApiError({
    status: ok ? 500 : response.status,
    code: code ?? `http_${response.status}`,
    message: message ?? wrongOf(response),
    field,
    request_id: request_id || headers.get("x-amzn-requestid") || "",
  });
  error.retryAt = laterOf(headers.get("retry-after"));
  throw error;
}

/** Why there is no answer in it. @param {Response} response */
function wrongOf({ ok, status, headers }) {
  if (!ok) return texts.onTheWay(status);
  return headers.get("content-type")?.includes("json") ? texts.cutAnswer : texts.badAnswer;
}

/** Seconds, or a date (https://www.rfc-editor.org/rfc/rfc9110#name-retry-after), as ms since 1970; 0 where it is neither. @param {string|null} later */
function laterOf(later) {
  if (!later) return 0;
  return (/^\d+$/.test(later) ? Date.now() + Number(later) * 1000 : Date.parse(later)) || 0;
}

/** In a body a place has its parts by name. @param {Record<string, string>} filters */
function inBody({ near, ...filters }) {
  if (!near) return filters;
  const [lat, lon, km] = near.split(",").map(Number);
  return { ...filters, near: { lat, lon, km } };
}
