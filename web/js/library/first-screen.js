/** What this is and what to do with it: for a library that is empty, and for who has not searched yet. */
import { button, byId, el, icon, loadStyle } from "../shared/dom.js";
import { readQuery } from "../asking/query.js";
import { texts } from "../texts.js";

const IDEAS = 4;
let styled = /** @type {Promise<void>|null} */ (null);

/** The empty library: how to put pictures in, and what can be asked then. @param {HTMLElement} notice */
export async function drawEmpty(notice) {
  await (styled ??= loadStyle("css/first-screen.css").catch(() => {})); // readable without it too
  if (notice.dataset.kind !== "empty" || notice.querySelector(".drop-zone")) return;
  notice.replaceChildren(
    el("div", { class: "drop-zone" },
      icon("picture"),
      el("h2", { text: texts.emptyTitle }),
      el("p", { text: texts.emptyBody }),
      el("div", { class: "ways" },
        button({ text: texts.emptyChoose, class: "button primary", data: { testid: "empty-choose" }, click: () => byId("file-input").click() }),
        button({ text: texts.emptyFolder, class: "button folder", click: () => byId("folder-input").click() })),
      el("p", { class: "drop-line", text: texts.emptyDrop }),
      el("p", { class: "small", text: texts.emptyFormats }),
      fromTerminal()),
    el("h3", { id: "empty-ask", text: texts.emptyAsk }),
    el("ul", { class: "kinds", "aria-labelledby": "empty-ask" }, ...texts.emptyKinds.map(({ icon: name, what, how }) =>
      el("li", {}, icon(name), el("strong", { text: what }), el("span", { text: how })))),
  );
}

/** Many pictures: by the command lines that take folders, with this site's own address. */
function fromTerminal() {
  const lines = [texts.terminalClient(new URL(".", document.baseURI).href), texts.terminalS3];
  return el("details", { data: { testid: "empty-terminal" } },
    el("summary", { text: texts.terminal }),
    ...lines.map(({ about, command }) => el("div", {}, el("p", { text: about }), el("code", { tabindex: "0", text: command }))));
}

/**
 * Things to ask that this library has an answer to, in the line above it. Asked one by one, so that
 * nobody waits for it; whoever searches meanwhile ends it.
 * @param {import("../page.js").Page} page @param {HTMLElement} line
 */
export async function offerIdeas(page, line) {
  const list = /** @type {HTMLElement} */ (line.querySelector("ul"));
  styled ??= loadStyle("css/first-screen.css").catch(() => {});
  for (const q of texts.ideas) {
    if (line.hidden || list.childElementCount >= IDEAS) return;
    const query = { ...readQuery("").query, q };
    const answer = await page.api.page(query, { limit: 1 }).catch(() => null);
    if (!answer) return;
    await styled;
    if (answer.items.length) list.append(el("li", {}, button({ text: q, class: "idea", data: { testid: "idea" }, click: () => page.ask(query) })));
  }
}
