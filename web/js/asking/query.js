/**
 * What is asked for, as it stands in the page's address: the names are the API's.
 * `copies` is "all" where a search shall show each copy as an image of its own.
 * @typedef {{q: string, like: string, collection: string, date_from: string, date_to: string, format: string, copies: string}} Query
 */

export const FILTERS = /** @type {const} */ (["collection", "date_from", "date_to", "format"]);
const PARTS = /** @type {const} */ (["q", "like", "copies", ...FILTERS]);

/** @param {string} search `location.search` @returns {{query: Query, image: string}} */
export function readQuery(search) {
  const params = new URLSearchParams(search);
  const query = /** @type {Query} */ (Object.fromEntries(PARTS.map((part) => [part, (params.get(part) ?? "").slice(0, 1000)])));
  return { query, image: params.get("image") ?? "" };
}

/** The address of a query, and of one image opened over it. @param {Query} query @param {string} [image] */
export function queryAddress(query, image = "") {
  const params = new URLSearchParams();
  for (const part of PARTS) if (query[part].trim()) params.set(part, query[part].trim());
  if (image) params.set("image", image);
  const search = params.toString();
  return search ? `?${search}` : location.pathname;
}

/** @param {Query} query */
export const isLibrary = (query) => !query.q.trim() && !query.like;

/** The filters that are set, as the API takes them. @param {Query} query @returns {Record<string, string>} */
export function filtersOf(query) {
  return Object.fromEntries(FILTERS.filter((name) => query[name]).map((name) => [name, query[name]]));
}

/** @param {Query} query */
export const hasFilters = (query) => FILTERS.some((name) => query[name]);

/** @param {Query} a @param {Query} b */
export const sameQuery = (a, b) => PARTS.every((part) => a[part].trim() === b[part].trim());
