/**
 * The files of the panel by what became of them, trouble first. Of each group only some are drawn,
 * so that thousands cost no more than a dozen.
 */
import { button, el } from "../shared/dom.js";
import { texts } from "../texts.js";
import { UploadRow } from "./upload-row.js";

/** @typedef {import("./uploads.js").Upload} Upload */

/** @type {{name: keyof typeof texts.uploadGroup, states: import("./uploads.js").UploadState[], rows: number, newest?: boolean}[]} */
const GROUPS = [
  { name: "trouble", states: ["failed", "rejected"], rows: 12 },
  { name: "uploading", states: ["uploading"], rows: 8 },
  { name: "waiting", states: ["waiting"], rows: 6 },
  { name: "queued", states: ["queued"], rows: 6 },
  { name: "ready", states: ["ready"], rows: 8, newest: true },
  { name: "cancelled", states: ["cancelled"], rows: 6 },
];
const MORE = 50;
/** With no more files than that the groups need no headings. */
const FEW = 8;

export class UploadList {
  /** Those drawn. @type {Map<Upload, UploadRow>} */
  #rows = new Map();

  /** @param {import("./uploads.js").Uploads} uploads @param {(image: import("../api.js").Image) => void} onOpen @param {() => void} changed */
  constructor(uploads, onOpen, changed) {
    this.uploads = uploads;
    this.onOpen = onOpen;
    this.groups = GROUPS.map((group) => {
      const title = el("h3", { id: `uploads-${group.name}` });
      const list = el("ul", { "aria-labelledby": `uploads-${group.name}` });
      const shown = { rows: group.rows };
      const more = button({ text: "", class: "text-button", data: { testid: `uploads-more-${group.name}` }, click: () => {
        shown.rows += MORE;
        changed();
      } });
      more.textContent = "";
      return { ...group, shown, title, list, more, element: el("div", { class: "group", hidden: true, data: { group: group.name } }, title, list, more) };
    });
    this.element = el("div", { class: "rows" }, ...this.groups.map(({ element }) => element));
  }

  draw() {
    const focused = /** @type {HTMLElement|null} */ (document.activeElement);
    const held = focused && this.element.contains(focused) ? focused : null;
    const row = /** @type {HTMLElement|null} */ (held?.closest("li") ?? null);
    this.element.classList.toggle("few", this.uploads.all <= FEW);
    /** @type {Set<Upload>} */
    const drawn = new Set();
    for (const group of this.groups) this.#drawGroup(group, drawn);
    for (const [upload, { element }] of this.#rows) {
      if (drawn.has(upload)) continue;
      element.remove();
      this.#rows.delete(upload);
    }
    if (held && document.activeElement !== held) this.#focusAgain(held, row);
  }

  /** @param {any} group @param {Set<Upload>} drawn */
  #drawGroup({ name, states, newest, shown, rows, title, list, more, element }, drawn) {
    const n = this.uploads.count(...states);
    element.hidden = !n;
    if (n <= rows) shown.rows = rows;
    const limit = n <= shown.rows + 2 ? n : shown.rows; // a button for two rows would take as much room
    title.textContent = texts.uploadGroupOf(texts.uploadGroup[/** @type {keyof typeof texts.uploadGroup} */ (name)], n);
    const some = newest ? this.uploads.in(...states).reverse().slice(0, limit) : firstOf(this.uploads, states, limit);
    let next = list.firstElementChild;
    for (const upload of some) {
      drawn.add(upload);
      const row = this.#row(upload);
      row.draw();
      if (row.element === next) next = next.nextElementSibling;
      else list.insertBefore(row.element, next);
    }
    more.hidden = n <= limit;
    more.textContent = texts.uploadsMore(Math.min(MORE, n - limit));
  }

  /** @param {Upload} upload */
  #row(upload) {
    const known = this.#rows.get(upload);
    if (known) return known;
    const made = new UploadRow(upload, this.uploads, this.onOpen);
    this.#rows.set(upload, made);
    return made;
  }

  /** What had the focus has moved with its row, or is gone with it. @param {HTMLElement} held @param {HTMLElement|null} row */
  #focusAgain(held, row) {
    if (held.isConnected && !held.hidden) return held.focus();
    const within = row?.isConnected ? row : this.element;
    const next = within.querySelector("button:not([hidden])") ?? this.element.querySelector("button:not([hidden])");
    /** @type {HTMLElement|null} */ (next)?.focus();
  }
}

/** @param {import("./uploads.js").Uploads} uploads @param {import("./uploads.js").UploadState[]} states @param {number} n @returns {Upload[]} */
function firstOf(uploads, states, n) {
  const some = [];
  for (const state of states) {
    for (const upload of uploads.of[state]) {
      if (some.length >= n) return some;
      some.push(upload);
    }
  }
  return some;
}
