// Where the page is: inside Airflow's frame, or alone. Airflow's address bar is ours, and so is its session.

function outer() {
  try {
    return window.parent !== window && window.parent.location.origin === location.origin ? window.parent : window;
  } catch {
    return window;
  }
}

export const host = outer();
export const framed = host !== window;
// Airflow's root, wherever its host has it: this page lies one folder below.
export const root = new URL("../", document.baseURI).pathname;

const LAST = "slipway.platform";

/** The platform that was last looked at, for an address that names none. */
function remembered() {
  try {
    return (localStorage.getItem(LAST) ?? "").split("/");
  } catch {
    return [];
  }
}

/** What the address says: ?environment=&region=#tab */
export function address() {
  // Airflow hands the frame what follows /plugin/platform/slipway/ in its own address.
  const url = new URL(location.search || location.hash ? location.href : host.location.href);
  const [environment = "", region = ""] = url.searchParams.has("environment") ? [] : remembered();
  return {
    environment: url.searchParams.get("environment") ?? environment,
    region: url.searchParams.get("region") ?? region,
    tab: url.hash.slice(1),
  };
}

export function setAddress({ environment, region, tab }) {
  try {
    localStorage.setItem(LAST, `${environment}/${region}`);
  } catch {
    // no storage: the address says it anyway
  }
  for (const one of new Set([window, host])) {
    const url = new URL(one.location.href);
    url.searchParams.set("environment", environment);
    url.searchParams.set("region", region);
    url.hash = tab;
    // Replaced, not pushed: the frame's router keeps its own history.
    if (url.href !== one.location.href) one.history.replaceState(one.history.state, "", url.href);
  }
}

/** Address of one of Airflow's pages. */
export const airflowHref = (path) => root + path;

/** Go to one of Airflow's pages. The frame may not navigate its parent, so the parent's own router is asked. */
export function goTo(path) {
  if (!framed) {
    location.assign(airflowHref(path));
    return;
  }
  host.history.pushState({}, "", airflowHref(path));
  host.dispatchEvent(new PopStateEvent("popstate", { state: {} }));
}

export class ApiError extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

async function read(response) {
  const text = await response.text();
  let body = null;
  try {
    body = JSON.parse(text);
  } catch {
    // a proxy's page, not ours
  }
  if (response.ok && body !== null) return body;
  const detail = body?.detail;
  const said = typeof detail === "string" ? detail : Array.isArray(detail) ? detail.map((one) => one.msg).join("; ") : "";
  throw new ApiError(response.status, said || `HTTP ${response.status}`);
}

export async function get(url, signal) {
  return read(await fetch(url, { credentials: "same-origin", headers: { Accept: "application/json" }, signal }));
}

/** The page's own API. What head.js asked for already is taken from there, once. */
export async function page(path, signal) {
  const early = window.early?.[path];
  if (!early) return get(`api/${path}`, signal);
  delete window.early[path];
  return read(await early);
}
/** Airflow's API, as the user who is signed in. */
export const airflow = (path, signal) => get(`${root}api/v2/${path}`, signal);

export async function trigger(dag, conf) {
  return read(
    await fetch(`${root}api/v2/dags/${encodeURIComponent(dag)}/dagRuns`, {
      method: "POST",
      credentials: "same-origin",
      headers: { "Content-Type": "application/json", Accept: "application/json" },
      body: JSON.stringify({ logical_date: null, conf }),
    }),
  );
}
