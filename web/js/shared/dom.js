/** Making elements. Texts go in as text nodes only: no markup is ever parsed. */
import { texts } from "../texts.js";

const SVG = "http://www.w3.org/2000/svg";

/**
 * @param {string} tag
 * @param {Record<string, any>} [props] `class`, `text`, `data` (dataset), `on` (listeners); all else are attributes
 * @param {...(Node|string|null|undefined|false)} children
 * @returns {any}
 */
export function el(tag, props = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "class") node.className = value;
    else if (name === "text") node.textContent = value;
    else if (name === "data") Object.assign(node.dataset, value);
    else if (name === "on") for (const [type, listener] of Object.entries(value)) node.addEventListener(type, /** @type {any} */ (listener));
    else node.setAttribute(name, value === true ? "" : String(value));
  }
  node.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

/** @param {string} name a symbol of index.html */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", `#i-${name}`);
  svg.append(use);
  return svg;
}

/**
 * A button with an icon; without `text` the label is for assistive technology and the tooltip.
 * @param {{icon?: string, text?: string, label?: string, class?: string, data?: object, click: (event: Event) => void}} options
 * @returns {HTMLButtonElement}
 */
export function button({ icon: name, text, label, class: style = "button", data = {}, click }) {
  return el(
    "button",
    { type: "button", class: style, data, "aria-label": label, title: text ? null : label, on: { click } },
    name && icon(name),
    text && el("span", { text }),
  );
}

/** @param {string} id @returns {any} */
export const byId = (id) => document.getElementById(id);

/** A style sheet that the first view has not. @param {string} address @returns {Promise<void>} once it is in force */
export const loadStyle = (address) => new Promise((resolve, reject) => {
  const link = el("link", { rel: "stylesheet", href: address, on: { load: resolve, error: (/** @type {Event} */ event) => {
    link.remove();
    reject(event);
  } } });
  document.head.append(link);
});

/** Fills the fixed texts of index.html from texts.js. */
export function fillTexts(root = document) {
  /** @type {Record<string, any>} */
  const words = texts;
  for (const node of root.querySelectorAll("[data-text]")) node.textContent = words[/** @type {HTMLElement} */ (node).dataset.text ?? ""];
  for (const node of root.querySelectorAll("[data-label]")) {
    const text = words[/** @type {HTMLElement} */ (node).dataset.label ?? ""];
    node.setAttribute("aria-label", text);
    if (node.tagName === "BUTTON") node.setAttribute("title", text);
  }
  for (const node of root.querySelectorAll("[data-placeholder]")) node.setAttribute("placeholder", words[/** @type {HTMLElement} */ (node).dataset.placeholder ?? ""]);
}
