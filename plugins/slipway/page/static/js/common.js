// What all tabs share: numbers and times as people read them, loading and its failures, small pieces.
// Text reaches the document as text nodes only; nothing here or elsewhere makes HTML of it.

import { html, useEffect, useRef, useState } from "../vendor/htm-preact-3.1.1.js";
import { airflowHref, goTo, page } from "./host.js";

export { html, useEffect, useRef, useState };
export { render, useErrorBoundary, useMemo } from "../vendor/htm-preact-3.1.1.js";

const money = new Intl.NumberFormat("en", { style: "currency", currency: "USD" });
export const usd = (value) => (value == null ? "unknown" : money.format(value));
export const percent = (share, digits = 0) => (share == null ? "unknown" : `${(100 * share).toFixed(digits)} %`);
export const number = (value) => (typeof value === "number" ? value.toLocaleString("en", { maximumFractionDigits: 2 }) : String(value));

export function clock(text) {
  const at = new Date(text);
  if (!text || Number.isNaN(at.getTime())) return "unknown";
  const day = at.toLocaleDateString(undefined, { month: "short", day: "numeric" });
  const time = at.toLocaleTimeString(undefined, { hour: "2-digit", minute: "2-digit", hour12: false });
  return new Date().toDateString() === at.toDateString() ? time : `${day}, ${time}`;
}

export function ago(text) {
  const seconds = (Date.now() - new Date(text).getTime()) / 1000;
  return Number.isNaN(seconds) ? "unknown" : `${span(Math.max(0, seconds))} ago`;
}

export function span(seconds) {
  if (seconds < 90) return `${Math.round(seconds)} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172800) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86400)} days`;
}

/** Only web addresses become links, whatever a report says. */
export const webAddress = (text) => (/^https?:\/\//i.test(text ?? "") ? text : null);

export function Pill({ tone = "", children }) {
  return html`<span class=${`pill ${tone}`}>${children}</span>`;
}

export function Time({ at }) {
  return html`<time datetime=${at} title=${at}>${clock(at)}</time>`;
}

export function AirflowLink({ path, children }) {
  const go = (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
    event.preventDefault();
    goTo(path);
  };
  return html`<a href=${airflowHref(path)} onClick=${go}>${children}</a>`;
}

export const RunLink = ({ dag, run }) =>
  html`<${AirflowLink} path=${`dags/${encodeURIComponent(dag)}/runs/${encodeURIComponent(run)}`}>${run}<//>`;

export function Copy({ text, label }) {
  const [said, setSaid] = useState("");
  const copy = async () => {
    setSaid((await toClipboard(text)) ? "Copied" : "Select it and copy by hand");
    setTimeout(() => setSaid(""), 2000);
  };
  return html`<button type="button" onClick=${copy} aria-label=${`Copy ${label}`}>${said || "Copy"}</button
    ><span class="vh" role="status">${said}</span>`;
}

async function toClipboard(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // Without TLS there is no clipboard API; the old way asks for no permission.
    const area = document.createElement("textarea");
    area.value = text;
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    return done;
  }
}

/** Data of one part: loading, then an answer that is read again while the page is looked at. */
export function usePart(path, seconds = 30) {
  const [found, setFound] = useState({ path, state: "loading" });
  const [round, setRound] = useState(0);
  useEffect(() => {
    const stop = new AbortController();
    let timer = 0;
    const ask = async () => {
      if (!document.hidden) {
        try {
          const answer = await page(path, stop.signal);
          setFound({ path, state: answer.data == null ? "error" : "ready", ...answer });
        } catch (error) {
          if (stop.signal.aborted) return;
          setFound((last) =>
            last.path === path && last.data != null
              ? { ...last, problem: error.message, status: error.status }
              : { path, state: "error", problem: error.message, status: error.status },
          );
        }
      }
      timer = setTimeout(ask, seconds * 1000);
    };
    ask();
    return () => {
      stop.abort();
      clearTimeout(timer);
    };
  }, [path, seconds, round]);
  const part = found.path === path ? found : { path, state: "loading" };
  return { ...part, again: () => setRound(round + 1) };
}

/** Shows a part when it is there, and otherwise why it is not. */
export function Part({ part, name, children }) {
  if (part.state === "loading") {
    return html`<div aria-busy="true"><span class="vh" role="status">Loading ${name}</span>
      <div class="cards">${[0, 1, 2].map(() => html`<div class="skeleton"></div>`)}</div></div>`;
  }
  if (part.state === "error") return html`<${Failure} part=${part} name=${name} />`;
  const old = part.problem
    ? html`<div class="note warn" role="status">${name} as of <${Time} at=${part.read_at} />; reading it again failed: ${part.problem}</div>`
    : null;
  return html`${old}${children(part.data)}`;
}

function Failure({ part, name }) {
  if (part.status === 401) {
    return html`<div class="note bad" role="alert">You are signed out. <${AirflowLink} path="">Sign in to Airflow<//>, then come back.</div>`;
  }
  if (part.status === 403) {
    return html`<div class="note" role="status">You may not see ${name}: it needs the right to read the DAG that it comes from.</div>`;
  }
  return html`<div class="note bad" role="alert"><strong>${name} could not be read.</strong> ${part.problem}
    <div><button type="button" onClick=${part.again}>Try again</button></div></div>`;
}

const DAGS = { health: "platform_health", cost: "platform_nightly_cost", scale: "platform_nightly_scale" };
const WHEN = { health: "every ten minutes", cost: "every night", scale: "every night" };

/** What is to be said of a report before its content: that there is none, that it is old, what it lacks. */
export function ReportState({ report }) {
  const dag = DAGS[report.kind];
  if (!report.found) {
    return html`<div class="empty"><p><strong>No ${report.kind} report yet.</strong></p>
      <p>The DAG <${AirflowLink} path=${`dags/${dag}`}>${dag}<//> writes one ${WHEN[report.kind]}, once the platform is deployed.</p></div>`;
  }
  return html`
    ${report.stale
      ? html`<div class="note warn" role="status"><strong>As of <${Time} at=${report.as_of} />, report missing since <${Time} at=${report.missing_since} />.</strong>
          ${" "}See the runs of <${AirflowLink} path=${`dags/${dag}`}>${dag}<//>.</div>`
      : null}
    ${report.missing.length
      ? html`<div class="note"><strong>Not in this report:</strong>
          <ul>${report.missing.map((one) => html`<li><strong>${one.part}</strong>: ${one.reason}</li>`)}</ul></div>`
      : null}
    <p class="quiet small">${report.stale ? null : html`As of <${Time} at=${report.as_of} />, `}run ${html`<${RunLink} dag=${dag} run=${report.run_id} />`}</p>`;
}

/** A table; on a phone each row becomes a card, its cells named by their columns, so the roles are said outright. */
export function Table({ caption, columns, rows, empty }) {
  if (!rows.length) return html`<p class="quiet">${empty ?? "Nothing."}</p>`;
  const cell = (one, row, index) => {
    const kind = one.num ? "num" : "";
    return index
      ? html`<td role="cell" class=${kind} data-title=${one.long ?? one.title}>${one.cell(row)}</td>`
      : html`<th role="rowheader" scope="row">${one.cell(row)}</th>`;
  };
  return html`<div class="scroll" tabindex="0" role="group" aria-label=${caption}><table role="table" class="stacks"><caption>${caption}</caption>
    <thead role="rowgroup"><tr role="row">${columns.map((one) => html`<th role="columnheader" scope="col" class=${one.num ? "num" : ""}>${one.title}</th>`)}</tr></thead>
    <tbody role="rowgroup">${rows.map((row) => html`<tr role="row">${columns.map((one, index) => cell(one, row, index))}</tr>`)}</tbody></table></div>`;
}
