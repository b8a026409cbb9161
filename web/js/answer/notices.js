/** What stands where images would: the library is empty, nothing was found, something is wrong. */
import { announce } from "../shared/announce.js";
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

/** @param {boolean} mayUpload */
export function showEmpty(mayUpload) {
  if (noticeShown() === "empty") return; // whoever reads it or stands on a button there stays
  kindOf("empty");
  const title = el("h2", { text: texts.emptyTitle });
  if (!mayUpload) return show(icon("picture"), title, el("p", { text: texts.uploadRefused }));
  show();
  import("../library/first-screen.js").then(({ drawEmpty }) => drawEmpty(byId("notice")), () => show(title));
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
 * @returns {string} what to say of it, unless it was there already: a try that fails again takes no focus away
 */
export function showError(error, retry) {
  const lost = error.status === 0;
  const { title, advice } = adviceOn(error);
  const same = `${error.code} ${title} ${error.message}`;
  const again = noticeShown() === "error" && byId("notice").dataset.error === same;
  if (again) byId("notice").querySelector(".advice").textContent = advice;
  if (again) return "";
  kindOf("error");
  byId("notice").dataset.error = same;
  show(
    icon(lost ? "offline" : "alert"),
    el("h2", { text: title }),
    !lost && el("p", { text: error.message }),
    el("p", { class: "advice", text: advice }),
    button({ icon: "retry", text: texts.retry, class: "button primary", data: { testid: "retry" }, click: retry }),
    !lost && el("p", { class: "small", text: texts.errorCode(error.code, error.requestId) }),
  );
  return title === texts.errorTitle ? error.message : title;
}

/** What is wrong, and what to do. @param {import("../api.js").ApiError} error */
function adviceOn({ status, message, retryAt }) {
  if (!status && !navigator.onLine) return { title: texts.youOfflineTitle, advice: texts.youOfflineBody };
  if (!status) return { title: message, advice: texts.offlineBody };
  if (status === 429) return { title: texts.laterTitle, advice: texts.later(new Date(retryAt)) };
  const advice = status === 401 ? texts.authBody : status === 503 ? texts.busyBody : status > 499 ? texts.failedBody : "";
  return { title: texts.errorTitle, advice };
}

const SLOW_MS = 300;
const VERY_SLOW_MS = 5000;
/** @type {number[]} */
let awaited = [];

/** Says so when the answer takes long. */
export function awaitAnswer() {
  answerCame();
  awaited = [
    setTimeout(() => (byId("summary").textContent = texts.searching), SLOW_MS),
    setTimeout(() => announce((byId("summary").textContent = texts.slow)), VERY_SLOW_MS),
  ];
}

/** There is nothing to await any more. */
export const answerCame = () => awaited.forEach(clearTimeout);
