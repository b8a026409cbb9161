/** The slider by which a piece of a search is made to count more or less. */
import { byId, el } from "../shared/dom.js";
import { texts } from "../texts.js";

const WAIT_MS = 200;
const GAP = 6;
const EDGE = 8;

export class Weight {
  #timer = 0;

  constructor() {
    this.slider = el("input", { type: "range", min: 10, max: 100, step: 5, data: { testid: "weight" } });
    this.panel = el("div", { class: "weight", popover: "auto", data: { testid: "weight-panel" } },
      el("span", { text: texts.countsLess, "aria-hidden": "true" }), this.slider, el("span", { text: texts.countsMore, "aria-hidden": "true" }));
    byId("chips").after(this.panel);
  }

  close() {
    clearTimeout(this.#timer);
    if (this.panel.matches(":popover-open")) this.panel.hidePopover();
  }

  /**
   * @param {HTMLElement} at the button it belongs to
   * @param {string} name of what is weighed
   * @param {number} counts from 0 to 1
   * @param {(counts: number, first: boolean) => void} onChange `first`: since it was opened
   */
  open(at, name, counts, onChange) {
    let first = true;
    this.slider.value = String(Math.round(counts * 100));
    this.slider.setAttribute("aria-label", texts.countsOf(name));
    this.slider.oninput = () => {
      this.slider.setAttribute("aria-valuetext", `${this.slider.value} %`);
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => {
        onChange(Number(this.slider.value) / 100, first);
        first = false;
      }, WAIT_MS);
    };
    this.slider.setAttribute("aria-valuetext", `${this.slider.value} %`);
    this.panel.showPopover();
    const { left, bottom } = at.getBoundingClientRect();
    this.panel.style.left = `${Math.max(EDGE, Math.min(left, innerWidth - this.panel.offsetWidth - EDGE))}px`;
    this.panel.style.top = `${bottom + GAP}px`;
    this.slider.focus();
  }
}
