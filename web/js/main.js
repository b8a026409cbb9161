/** Starts the page: reads where the API is, asks people to sign in where they must. */
import { showError } from "./answer/notices.js";
import { Api, ApiError } from "./api.js";
import { Page } from "./page.js";
import { fillTexts, loadStyle } from "./shared/dom.js";
import { texts } from "./texts.js";

/** @typedef {{api: string, sign_in?: import("./people/oidc.js").SignInConfig}} Config */

/** Where there is none (S3 answers 403), the API is beside the page. @returns {Promise<Config>} */
async function readConfig() {
  const response = await fetch("config.json");
  if (response.status === 404 || response.status === 403) return { api: "api" };
  if (!response.ok) throw new Error(`config.json: ${response.status}`);
  const config = { api: "api", ...(await response.json()) };
  if (!URL.canParse(config.api, document.baseURI)) throw new Error(`config.json: api=${config.api}`);
  return config;
}

/** Without its settings the page cannot know who may come in. @param {unknown} error */
function giveUp(error) {
  console.error(error);
  const reload = () => location.reload();
  addEventListener("online", reload);
  const lost = error instanceof TypeError; // what fetch rejects with
  showError(new ApiError({ status: lost ? 0 : -1, code: "config", message: lost ? texts.offlineTitle : texts.badConfig }), reload);
}

/** @returns {Promise<Page|undefined>} none where people must sign in first */
async function start() {
  fillTexts();
  document.body.classList.add("filled");
  const config = await readConfig().catch(giveUp);
  if (!config) return undefined;
  const api = new Api(config.api);
  if (!config.sign_in) return new Page(api);
  const [{ showAccount, startSession }] = await Promise.all([import("./people/people.js"), loadStyle("css/sign-in.css")]);
  if (!startSession(api, config.sign_in) || !api.session) return undefined;
  const page = new Page(api);
  showAccount(api.session, page);
  return page;
}

/** The page, for whoever looks into it from the console. */
export const started = start();
