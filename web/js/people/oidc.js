/**
 * The sign-in service, as Cognito's managed login has it: authorization code with PKCE
 * (https://www.rfc-editor.org/rfc/rfc7636), then refresh tokens. Keeps nothing.
 *
 * @typedef {{url: string, client_id: string, scopes: string[]}} SignInConfig `sign_in` of config.json
 * @typedef {{access_token: string, refresh_token?: string, id_token?: string, expires_in: number}} Tokens
 * @typedef {{state: string, verifier: string, address: string}} Asked a sign-in under way; `address` is where people sign in
 * @typedef {{state: string, code: string, error: string, description: string}} Answer what the service sent people back with
 */
import { texts } from "../texts.js";

const TIMEOUT_MS = 15_000;

/** The service has decided: asking again cannot help. */
export class Refused extends Error {}

/** @param {ArrayBuffer|Uint8Array<ArrayBuffer>} bytes */
const base64url = (bytes) => btoa(String.fromCharCode(...new Uint8Array(bytes))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");

const random = () => base64url(crypto.getRandomValues(new Uint8Array(32)));

/** What a token says, for showing only: whether it is true, the API checks. @param {string|undefined} token @returns {Record<string, any>} */
export function claimsOf(token) {
  try {
    const part = (token ?? "").split(".")[1].replace(/-/g, "+").replace(/_/g, "/");
    return JSON.parse(new TextDecoder().decode(Uint8Array.from(atob(part), (c) => c.charCodeAt(0))));
  } catch {
    return {};
  }
}

/** @param {string} search `location.search` @returns {Answer|null} null where nobody was sent back */
export function answerIn(search) {
  const params = new URLSearchParams(search);
  const said = (/** @type {string} */ name) => params.get(name) ?? "";
  if (!said("state") || !(said("code") || said("error"))) return null;
  return { state: said("state"), code: said("code"), error: said("error"), description: said("error_description") };
}

export class Provider {
  /** @param {SignInConfig} config */
  constructor({ url, client_id, scopes }) {
    this.url = url.replace(/\/+$/, "");
    this.client = client_id;
    this.scopes = scopes;
    /** Where the service sends people back to; it must know this very address. */
    this.home = new URL("./", location.href).href;
  }

  /** @param {string} [mark] stands before the state @returns {Promise<Asked>} */
  async ask(mark = "") {
    const state = mark + random();
    const verifier = random();
    const challenge = base64url(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(verifier)));
    const query = new URLSearchParams({
      response_type: "code", client_id: this.client, redirect_uri: this.home, scope: this.scopes.join(" "),
      state, code_challenge: challenge, code_challenge_method: "S256",
    });
    return { state, verifier, address: `${this.url}/oauth2/authorize?${query}` };
  }

  /** @param {string} code @param {string} verifier */
  exchange(code, verifier) {
    return this.#tokens({ grant_type: "authorization_code", code, code_verifier: verifier, redirect_uri: this.home });
  }

  /** @param {string} token */
  refresh(token) {
    return this.#tokens({ grant_type: "refresh_token", refresh_token: token });
  }

  /** Ends a refresh token. The service's answer cannot be read from here, nor need it be. @param {string} token */
  revoke(token) {
    const body = new URLSearchParams({ token, client_id: this.client });
    return fetch(`${this.url}/oauth2/revoke`, { method: "POST", mode: "no-cors", credentials: "omit", keepalive: true, body });
  }

  get logoutAddress() {
    return `${this.url}/logout?${new URLSearchParams({ client_id: this.client, logout_uri: this.home })}`;
  }

  /** Throws `Refused`, and any other error where the service did not answer. @param {Record<string, string>} form @returns {Promise<Tokens>} */
  async #tokens(form) {
    const body = new URLSearchParams({ ...form, client_id: this.client });
    const response = await fetch(`${this.url}/oauth2/token`, { method: "POST", credentials: "omit", body, signal: AbortSignal.timeout(TIMEOUT_MS) });
    if (response.ok) return response.json();
    if (response.status === 429 || response.status >= 500) throw new Error(texts.signIn.answered(response.status));
    const { error = "" } = await response.json().catch(() => ({}));
    throw new Refused(error || `http_${response.status}`);
  }
}
