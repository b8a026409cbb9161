/**
 * What is asked for, as it stands in the page's address: the names are the API's where it has one.
 *
 * `q` what the box holds and `weight` how much that counts, `and` and `not` more words to look for
 * and words to keep away from, `like` pictures (see `picturesOf`), `copies` "all" where a search
 * shall show each copy as an image of its own, `closest` "true" where it shall show what is beyond
 * the cut-off too, `scores` "true" where each picture says its score, `order` "newest" or "oldest".
 *
 * Weights are hundredths, behind a "~" in lists, and stand there only where they are not the usual.
 * @typedef {Record<typeof PARTS[number], string>} Query
 *
 * @typedef {[number, number, number, number]} Region left, top, width, height: shares of the upright picture
 * @typedef {object} Piece one thing to look for, or with a weight below 0 to keep away from
 * @property {string} [text]
 * @property {string} [id] of a picture: an image's, the vector of one sent before, or a key of `sent`
 * @property {Region|null} [region] of an image
 * @property {number} weight from -1 to 1
 * @property {boolean} [box] the words that the box holds
 */

export const FILTERS = /** @type {const} */ (["collection", "date_from", "date_to", "camera", "format", "near"]);
const PARTS = /** @type {const} */ (["q", "weight", "and", "not", "like", "order", "closest", "copies", "scores", ...FILTERS]);
/** The most that the API looks for at once. */
export const MOST_PIECES = 10;
/** What a piece counts that the answer shall keep away from, where nobody says otherwise. */
export const AWAY = -0.4;
/** Of an address there is room for in front of the page. */
const MOST_LIKE = 8000;

/** Pictures from this device, as long as the page lives: by a key of their own until the API has said their vector, then by that. `image` is what is sent. @type {Map<string, {image?: string, preview: string}>} */
export const sent = new Map();

/** @param {string} search `location.search` @returns {{query: Query, image: string}} */
export function readQuery(search) {
  const params = new URLSearchParams(search);
  const query = /** @type {Query} */ (Object.fromEntries(PARTS.map((part) => [part, (params.get(part) ?? "").slice(0, part === "like" ? MOST_LIKE : 1000)])));
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
export const isLibrary = (query) => !piecesOf(query).length;

/** The filters that are set, as the API takes them. @param {Query} query @returns {Record<string, string>} */
export function filtersOf(query) {
  return Object.fromEntries(FILTERS.filter((name) => query[name]).map((name) => [name, name === "near" ? placeOf(query.near) : query[name]]));
}

/** Kilometres around a place, where nobody says how many. */
export const AROUND = "5";

/** Latitude, longitude and kilometres, however they are set apart. @param {string} text */
function placeOf(text) {
  const parts = text.split(/[\s,;]+/).filter(Boolean);
  return [...parts, ...(parts.length === 2 ? [AROUND] : [])].join(",");
}

/** @param {Query} query */
export const hasFilters = (query) => FILTERS.some((name) => query[name]);

/** @param {Query} a @param {Query} b */
export const sameQuery = (a, b) => PARTS.every((part) => a[part].trim() === b[part].trim());

/** Asks anew: what was chosen for the answer to the last question falls away, filters stay. @param {Query} query @param {Partial<Query>} change @returns {Query} */
export const anew = (query, change) => ({ ...query, closest: "", ...change });

/** All that is looked for, in the order in which it is told. @param {Query} query @returns {Piece[]} */
export function piecesOf(query) {
  const q = query.q.trim();
  const words = q ? [{ text: q, weight: weightOf(query.weight, 1), box: true }] : [];
  return [...picturesOf(query), ...words, ...textsOf(query.and, 1), ...textsOf(query.not, AWAY)];
}

/** Texts stand in the address one a line. @param {string} lines @param {number} usual @returns {Piece[]} */
function textsOf(lines, usual) {
  return lines.split("\n").map((line) => {
    const [, text, weight] = /^(.*?)(?:~(\d{1,3}))?$/.exec(line.trim()) ?? [];
    return { text, weight: weightOf(weight, usual) };
  }).filter(({ text }) => text);
}

/** @param {string|undefined} hundredths @param {number} usual */
function weightOf(hundredths, usual) {
  const weight = Number(hundredths) / 100;
  return weight > 0 && weight <= 1 ? Math.sign(usual) * weight : usual;
}

/** @param {number} weight @returns {string} as it stands in an address; "" where it is the usual one */
export const hundredths = (weight) => (weight === 1 || weight === AWAY ? "" : String(Math.round(Math.abs(weight) * 100)));

/**
 * Pictures stand in the address joined by ".": an id or vector, "-" before it where it is one to be
 * unlike, and behind an id, where it is a part of the picture only, "_" and four thousandths.
 * @param {Query} query @returns {(Piece & {id: string, region: Region|null})[]}
 */
export function picturesOf({ like }) {
  return like.split(".").flatMap((item) => {
    const [, minus, id, at = "", weight] = /^(-?)(v1[\w-]+|[^_~]+)(?:_([^~]*))?(?:~(\d+))?$/.exec(item) ?? [];
    // The key of a picture that another visit has sent is nobody's.
    if (!id || (/^p\d+$/.test(id) && !sent.has(id))) return [];
    const numbers = at.split("_");
    return [{ id, region: numbers.length === 4 ? regionOf(numbers.map(Number)) : null, weight: weightOf(weight, minus ? AWAY : 1) }];
  });
}

/** Thousandths as shares; none where they are no part of a picture. @param {number[]} thousandths @returns {Region|null} */
function regionOf([x, y, width, height]) {
  // Rounded each by itself, two may come to more than the whole.
  const region = [x, y, Math.min(width, 1000 - x), Math.min(height, 1000 - y)].map((n) => n / 1000);
  return region.every((n) => n >= 0 && n <= 1) && region[2] && region[3] ? /** @type {Region} */ (region) : null;
}

/** @param {{id?: string, region?: Region|null, weight?: number}[]} pictures @returns {string} */
export function likeOf(pictures) {
  return pictures.map(({ id, region, weight = 1 }) => {
    const counts = hundredths(weight);
    return (weight < 0 ? "-" : "") + [id, ...(region ?? []).map((n) => Math.round(n * 1000))].join("_") + (counts && `~${counts}`);
  }).join(".");
}

/** The same with the vectors that the API said in place of the pictures sent. @param {Query} query @param {(string|null)[]} vectors one a piece @returns {Query} */
export function withVectors(query, vectors) {
  const pictures = piecesOf(query).map((piece, i) => {
    const vector = vectors[i];
    if (!vector || !piece.id) return piece;
    sent.set(vector, { preview: sent.get(piece.id)?.preview ?? "" });
    return { ...piece, id: vector };
  }).filter(({ id }) => id);
  return { ...query, like: likeOf(pictures) };
}
