/** Narrowing an answer down: what its images have in common, with how many there are of each. */
import { byId, el } from "../shared/dom.js";
import { shown } from "../shared/format.js";
import { locale, texts } from "../texts.js";

/**
 * @typedef {import("../api.js").Facets} Facets
 * @typedef {import("./query.js").Query} Query
 * @typedef {{label: string, value: string, filter: Partial<Query>}} Choice
 */

/** The most of one kind that are offered, the most frequent ones. */
const MOST = 5;

/** What each value of a facet is as a filter. @type {Record<keyof Facets, (value: string) => Partial<Query>>} */
const FILTER = {
  collection: (collection) => ({ collection }),
  year: (year) => ({ date_from: `${year}-01-01`, date_to: `${year}-12-31` }),
  camera: (camera) => ({ camera }),
  format: (format) => ({ format }),
};

export class Narrow {
  #drawn = "";

  /** @param {(filters: Partial<Query>) => void} onChange */
  constructor(onChange) {
    this.onChange = onChange;
    this.row = byId("narrow");
  }

  /** @param {Facets|null} facets @param {Query} query */
  show(facets, query) {
    this.row.hidden = !facets; // empty it keeps its room: the pictures below stay where they are
    const drawn = JSON.stringify([facets, query]);
    if (drawn === this.#drawn) return; // made anew under a press, a chip would miss it
    this.#drawn = drawn;
    const kinds = /** @type {(keyof Facets)[]} */ (Object.keys(FILTER));
    const chips = facets ? kinds.flatMap((kind) => this.#chips(kind, facets[kind] ?? {}, query)) : [];
    const active = /** @type {HTMLElement|null} */ (document.activeElement);
    const focused = active && this.row.contains(active) ? active.dataset.value : undefined;
    this.row.replaceChildren(...chips);
    if (focused !== undefined) chips.find(({ dataset }) => dataset.value === focused)?.focus();
  }

  /** @param {keyof Facets} kind @param {Record<string, number>} counts @param {Query} query @returns {HTMLElement[]} */
  #chips(kind, counts, query) {
    const values = Object.entries(counts).filter(([value]) => value).sort(([, a], [, b]) => b - a);
    const isOn = (/** @type {string} */ value) => Object.entries(FILTER[kind](value)).every(([name, wanted]) => query[/** @type {keyof Query} */ (name)] === wanted);
    if (values.length < 2 && !values.some(([value]) => isOn(value))) return [];
    const most = values.slice(0, MOST);
    if (kind === "year") most.sort(([a], [b]) => b.localeCompare(a));
    return most.map(([value, n]) => this.#chip(kind, value, n, isOn(value)));
  }

  /** @param {keyof Facets} kind @param {string} value @param {number} n @param {boolean} on */
  #chip(kind, value, n, on) {
    const filter = FILTER[kind](value);
    const change = on ? Object.fromEntries(Object.keys(filter).map((name) => [name, ""])) : filter;
    const text = shown(kind === "format" ? value.toUpperCase() : value);
    return el("button", { type: "button", "aria-pressed": String(on), "aria-label": texts.narrowTo(texts.facet[kind], text, n), data: { testid: "narrow-chip", value: `${kind}:${value}` }, on: { click: () => this.onChange(change) } },
      el("span", { text }), el("span", { class: "n", text: n.toLocaleString(locale) }));
  }
}
