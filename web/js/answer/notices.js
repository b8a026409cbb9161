/** What stands where images would: the library is empty, nothing was found, something is wrong. */
import { button, byId, el, icon } from "../shared/dom.js";
import { texts } from "../texts.js";

/** @param {...any} children */
function show(...children) {
  const notice = byId("notice");
  notice.replaceChildren(...children.filter(Boolean));
  notice.hidden = false;
}

export function hideNotice() {
  byId("notice").hidden = true;
}

export const noticeShown = () => (byId("notice").hidden ? "" : byId("notice").dataset.kind);

/** @param {string} kind */
function kindOf(kind) {
  const notice = byId("notice");
  notice.dataset.kind = kind;
  notice.dataset.testid = `notice-${kind}`;
}

/** @param {(() => void)|null} choose opens the file picker; null: this person may not upload */
export function showEmpty(choose) {
  kindOf("empty");
  if (!choose) return show(icon("picture"), el("h2", { text: texts.emptyTitle }), el("p", { text: texts.uploadRefused }));
  show(
    el("div", { class: "drop-zone" },
      icon("picture"),
      el("h2", { text: texts.emptyTitle }),
      el("p", { text: texts.emptyBody }),
      el("p", { class: "drop-line" },
        el("strong", { text: texts.emptyDrop }),
        el("span", { text: texts.emptyOr }),
        button({ text: texts.emptyChoose, class: "button primary", click: choose })),
      el("p", { class: "small", text: texts.emptyFormats })),
    el("p", { class: "small", text: texts.emptyTry }),
    el("ul", { class: "examples" }, ...texts.examples.map((text) => el("li", { text }))),
  );
}

/** @param {number} waiting */
export function showWaiting(waiting) {
  kindOf("waiting");
  show(icon("clock"), el("h2", { text: texts.waitingTitle }), el("p", { text: texts.waitingBody(waiting) }));
}

/**
 * No image: in a search because nothing is within the cut-off, which can be looked beyond.
 * @param {{search: boolean, closest: (() => void)|null, clearFilters: (() => void)|null}} ways
 */
export function showNothing({ search, closest, clearFilters }) {
  kindOf("nothing");
  const body = closest ? texts.closestAsk : clearFilters ? texts.nothingFiltered : texts.nothingBody;
  show(
    icon("search"),
    el("h2", { text: search ? texts.nothingMatches : texts.nothingTitle }),
    el("p", { text: body }),
    el("div", { class: "ways" },
      closest && button({ text: texts.closestShow, data: { testid: "show-closest" }, click: closest }),
      clearFilters && button({ text: texts.clearFilters, data: { testid: "nothing-clear" }, click: clearFilters })),
  );
}

/**
 * @param {import("../api.js").ApiError} error
 * @param {() => void} retry
 * @returns {boolean} whether it was not there already: a try that fails again takes no focus away
 */
export function showError(error, retry) {
  const offline = error.status === 0;
  if (noticeShown() === "error" && byId("notice").dataset.error === `${error.code} ${error.message}`) return false;
  kindOf("error");
  byId("notice").dataset.error = `${error.code} ${error.message}`;
  const advice = offline ? texts.offlineBody : error.status === 401 ? texts.authBody : error.status === 503 ? texts.busyBody : "";
  show(
    icon(offline ? "offline" : "alert"),
    el("h2", { text: offline ? error.message : texts.errorTitle }),
    !offline && el("p", { text: error.message }),
    advice && el("p", { text: advice }),
    button({ icon: "retry", text: texts.retry, class: "button primary", data: { testid: "retry" }, click: retry }),
    !offline && el("p", { class: "small", text: texts.errorCode(error.code, error.requestId) }),
  );
  return true;
}
