/**
 * What is asked for, as it stands in the page's address: the names are the API's where it has one.
 *
 * `q` what the box holds, `not` words to keep away from, `like` pictures (see `picturesOf`),
 * `copies` "all" where a search shall show each copy as an image of its own, `closest` "true"
 * where it shall show what is beyond the cut-off too, `order` "newest" or "oldest".
 * @typedef {Record<typeof PARTS[number], string>} Query
 *
 * @typedef {[number, number, number, number]} Region left, top, width, height: shares of the upright picture
 * @typedef {{id: string, without: boolean, region: Region|null}} Picture one to be like, or unlike
 */

export const FILTERS = /** @type {const} */ (["collection", "date_from", "date_to", "camera", "format"]);
const PARTS = /** @type {const} */ (["q", "not", "like", "order", "closest", "copies", ...FILTERS]);
const MOST_PICTURES = 4;

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
export const isLibrary = (query) => !query.q.trim() && !query.not.trim() && !picturesOf(query).length;

/** The filters that are set, as the API takes them. @param {Query} query @returns {Record<string, string>} */
export function filtersOf(query) {
  return Object.fromEntries(FILTERS.filter((name) => query[name]).map((name) => [name, query[name]]));
}

/** @param {Query} query */
export const hasFilters = (query) => FILTERS.some((name) => query[name]);

/** @param {Query} a @param {Query} b */
export const sameQuery = (a, b) => PARTS.every((part) => a[part].trim() === b[part].trim());

/** Asks anew: what was chosen for the answer to the last question falls away, filters stay. @param {Query} query @param {Partial<Query>} change @returns {Query} */
export const anew = (query, change) => ({ ...query, closest: "", ...change });

/**
 * Pictures stand in the address joined by ".": an id, "-" before it where it is one to be unlike,
 * and behind it, where it is a part of the picture only, "_" and four thousandths.
 * @param {Query} query @returns {Picture[]}
 */
export function picturesOf({ like }) {
  return like.split(".").filter(Boolean).slice(0, MOST_PICTURES).map((text) => {
    const [id, ...at] = text.replace(/^-/, "").split("_");
    return { id, without: text.startsWith("-"), region: at.length === 4 ? regionOf(at.map(Number)) : null };
  });
}

/** Thousandths as shares; none where they are no part of a picture. @param {number[]} thousandths @returns {Region|null} */
function regionOf([x, y, width, height]) {
  // Rounded each by itself, two may come to more than the whole.
  const region = [x, y, Math.min(width, 1000 - x), Math.min(height, 1000 - y)].map((n) => n / 1000);
  return region.every((n) => n >= 0 && n <= 1) && region[2] && region[3] ? /** @type {Region} */ (region) : null;
}

/** @param {Picture[]} pictures @returns {string} */
export function likeOf(pictures) {
  return pictures.map(({ id, without, region }) => (without ? "-" : "") + [id, ...(region ?? []).map((n) => Math.round(n * 1000))].join("_")).join(".");
}
