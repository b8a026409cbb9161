/** The facts of an image beside it, and what it was found by. */
import { barsOf, foundBy, sureness } from "../answer/why.js";
import { button, el } from "../shared/dom.js";
import { formatBytes, nameOf, shown } from "../shared/format.js";
import { marked } from "../shared/marks.js";
import { formatDate, formatExposure, formatLocation, formatTaken, mapUrl } from "../shared/told.js";
import { texts } from "../texts.js";

/** @typedef {import("../api.js").Image} Image */

export class Facts {
  name = el("h2");
  match = el("p", { class: "match", data: { testid: "match" } });
  list = el("dl", { class: "facts" });

  /** @param {(place: {lat: number, lon: number}) => void} around asks for what was taken there */
  constructor(around) {
    this.around = around;
  }

  /** @param {Image} image */
  show(image) {
    this.name.replaceChildren(...marked(nameOf(image), image.words?.name));
    const level = sureness(image);
    const bars = barsOf(image);
    if (bars) bars.ariaHidden = "true"; // the words beside them say it
    const by = foundBy(image);
    this.match.hidden = !bars && !by;
    this.match.replaceChildren(...[bars, level !== null && el("strong", { text: texts.sure[level] }), by && el("span", { text: by })].filter((part) => part !== null && part !== false && part !== ""));
    this.list.replaceChildren(...rowsOf(image, this.around).filter(([, value]) => value).flatMap(([name, value]) => [el("dt", { text: name }), el("dd", {}, ...[value].flat())]));
  }
}

/** @param {Image} image @param {Facts["around"]} around @returns {[string, any][]} */
function rowsOf(image, around) {
  const names = texts.facts;
  const { words, location: place } = image;
  const map = place && el("a", { href: mapUrl(place), target: "_blank", rel: "noopener noreferrer", text: formatLocation(place), "aria-label": texts.onMap(formatLocation(place)) });
  const file = [image.format?.toUpperCase(), image.bytes > 0 && formatBytes(image.bytes)].filter(Boolean).join(" · ");
  // Where the model has no calibration, the bare number is all there is to tell.
  const score = typeof image.score === "number" && sureness(image) === null && image.score.toFixed(3);
  return [
    [names.size, image.width > 0 && texts.pixels(image.width, image.height)],
    [names.file, file],
    [names.taken, image.taken_at && formatTaken(image.taken_at)],
    [names.uploaded, image.uploaded_at && formatDate(image.uploaded_at)],
    [names.camera, image.camera && marked(shown(image.camera), words?.camera)],
    [names.lens, image.lens && shown(image.lens)],
    [names.exposure, image.exposure && formatExposure(image.exposure)],
    [names.collection, image.collection && marked(shown(image.collection), words?.collection)],
    [names.location, place && [map, button({ icon: "search", label: texts.aroundHere, class: "around", data: { testid: "around-here" }, click: () => around(place) })]],
    [names.score, score],
    [names.state, image.state !== "ready" && (image.reason || image.state)],
  ];
}
