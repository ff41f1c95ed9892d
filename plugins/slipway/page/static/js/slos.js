// SLOs: what was promised, what was kept, what is left of the error budget and how fast it goes.

import { Part, Pill, Table, html, number, percent, usePart } from "./common.js";

const UNITS = { m: "min", h: "h", d: "days", w: "weeks" };
const inWords = (window) => `${Number.parseInt(window, 10)} ${UNITS[window.at(-1)]}`.replace(/^(1 \w+)s$/, "$1");

export function SlosTab({ path }) {
  const part = usePart(`${path}/slos`, 30);
  return html`<h2>Service level objectives</h2><${Part} part=${part} name="The list of objectives">${(data) => html`<${Objectives} data=${data} />`}<//>`;
}

function tone(left) {
  if (left == null) return "";
  return left <= 0 ? "bad" : left < 0.25 ? "warn" : "good";
}

function Objectives({ data }) {
  return html`<p class="quiet">A burn rate of 1 uses the budget up exactly within its window. From the platform's own Prometheus.</p>
    <${Table} caption="Objectives of every component; under each window its burn rate" empty="No component has an objective." rows=${data.objectives} columns=${[
      { title: "Objective", cell: (one) => `${one.component}: ${one.name}` },
      { title: "Promised", num: true, cell: (one) => `${number(one.objective)} %, ${inWords(one.window)}` },
      { title: "Attained", num: true, cell: (one) => (one.attainment == null ? "no data" : `${one.attainment.toFixed(3)} %`) },
      { title: "Budget left", cell: (one) => html`<${Pill} tone=${tone(one.budget_left)}>${one.budget_left == null ? "no data" : percent(one.budget_left, 1)}<//>` },
      ...data.windows.map((window) => ({ title: inWords(window), long: `Burn rate, ${inWords(window)}`, num: true, cell: (one) => (one.burn_rates[window] == null ? "no data" : one.burn_rates[window].toFixed(1)) })),
      { title: "Alert", cell: (one) => (one.alerts.length ? html`<${Pill} tone=${one.alerts.includes("critical") ? "bad" : "warn"}>${one.alerts.join(", ")}<//>` : "none") },
    ]} />`;
}
