/** A list of pictures of which only those near the viewport are in the document, each where it would stand if all were. */
import { boxesOf, firstOf, ratioOf } from "./layout.js";

/** @typedef {import("../api.js").Image} Image */

export class Shelf {
  /** @type {Image[]} */
  items = [];
  /** Of those that are laid out. @type {import("./layout.js").Box[]} */
  boxes = [];
  /** More than `items` will follow. */
  partial = false;
  /** What is in the document; "-": it has to be put there anew. */
  #drawn = "-";

  /** @param {HTMLElement} list @param {(image: Image) => HTMLLIElement} placeOf @param {() => void} onLeft */
  constructor(list, placeOf, onLeft) {
    this.list = list;
    this.placeOf = placeOf;
    this.onLeft = onLeft;
  }

  /** @param {number} width @param {boolean} partial */
  layOut(width, partial) {
    this.partial = partial;
    this.boxes = boxesOf(this.items.map(ratioOf), width, partial);
    const last = this.boxes.at(-1);
    this.list.style.height = `${last ? last.y + last.height : 0}px`;
    this.#drawn = "-";
  }

  /** The first picture that is not wholly above `y`. @param {number} y */
  firstBelow(y) {
    return firstOf(this.boxes, (box) => box.y + box.height > y);
  }

  /**
   * Puts what stands between two heights into the document, with `kept` and its neighbours
   * wherever they are: it has the focus, and Tab goes on from there.
   * @param {number} top @param {number} bottom px from the list's own top @param {number} kept -1: none
   */
  draw(top, bottom, kept) {
    const [from, to] = [this.firstBelow(top), firstOf(this.boxes, (box) => box.y >= bottom)];
    const wanted = [...Array(Math.max(0, to - from)).keys()].map((n) => n + from);
    const near = kept < 0 ? [] : [kept - 1, kept, kept + 1].filter((n) => n >= 0 && n < this.boxes.length);
    wanted.unshift(...near.filter((n) => n < from));
    wanted.push(...near.filter((n) => n >= Math.max(from, to)));
    const drawn = wanted.join();
    if (drawn === this.#drawn) return;
    this.#drawn = drawn;
    this.#put(wanted.map((n) => this.#placed(n)));
  }

  /** @param {number} n */
  #placed(n) {
    const place = this.placeOf(this.items[n]);
    const { x, y, width, height } = this.boxes[n];
    // By transform: what moves this way is no shift of the layout, and may glide.
    Object.assign(place.style, { transform: `translate(${x}px, ${y}px)`, width: `${width}px`, height: `${height}px` });
    place.ariaPosInSet = String(n + 1);
    place.ariaSetSize = String(this.partial ? -1 : this.items.length);
    return place;
  }

  /** Leaves those that stay where they are: what is moved in the document loses the focus. @param {HTMLLIElement[]} places */
  #put(places) {
    const staying = new Set(places);
    for (const place of /** @type {HTMLLIElement[]} */ ([...this.list.children])) {
      if (!staying.has(place)) place.remove();
    }
    this.onLeft();
    let next = this.list.firstElementChild;
    for (const place of places) {
      if (place === next) next = next.nextElementSibling;
      else this.list.insertBefore(place, next);
    }
  }
}
