// Scale: the four thresholds now and over a week, which limit comes when, and the fleet that would do.

import { Part, Pill, ReportState, Table, html, number, percent, usd, useMemo, usePart } from "./common.js";
import { Chart } from "./charts.js";

const MEASURES = [["cpu", "CPU"], ["memory", "Memory"], ["network", "Network"]];

export function ScaleTab({ path }) {
  const part = usePart(`${path}/scale`, 300);
  return html`<${Part} part=${part} name="The platform's size">${(data) => html`<${Scale} data=${data} />`}<//>`;
}

function Scale({ data }) {
  const { body, report, limits } = data;
  if (!body) return html`<${ReportState} report=${report} />`;
  return html`<${ReportState} report=${report} />
    <p>${report.summary}. ${number(body.nodes)} nodes, ${number(body.pods)} pods.${body.autoscaler ? " Cluster Autoscaler decides on desired sizes." : ""}</p>
    <h2>Thresholds by node group</h2><${Groups} body=${body} limits=${limits} />
    <h2>Over a week</h2><${Week} week=${data.week} limits=${limits} />
    <h2>Recommended</h2><${Recommendations} rows=${body.recommendations} />
    <h2>Limits ahead</h2><${Limits} rows=${body.forecasts} from=${report.as_of} />
    <h2>Fleet</h2><${Fleet} rows=${body.fleets} />`;
}

function Measure({ day, week, limit }) {
  const over = day != null && day > limit && (week == null || week > limit);
  return html`<${Pill} tone=${day == null ? "" : over ? "bad" : day > limit ? "warn" : "good"}>${percent(day)}<//> <span class="quiet small">week ${percent(week)}</span>`;
}

function Groups({ body, limits }) {
  const pending = body.recommendations.filter((one) => one.advice === "more-capacity");
  return html`<${Table} caption="95th percentiles of a day and a week, means over the group's nodes" rows=${body.groups} columns=${[
    { title: "Node group", cell: (one) => one.name },
    { title: "Nodes", num: true, cell: (one) => `${one.nodes} (${one.minimum} to ${one.maximum})` },
    { title: "Type", cell: (one) => one.instance_type },
    ...MEASURES.map(([id, title]) => ({ title: `${title}, limit ${percent(limits[id])}`, cell: (one) => html`<${Measure} day=${one[`${id}_day`]} week=${one[`${id}_week`]} limit=${limits[id]} />` })),
    { title: "Requested CPU, memory", cell: (one) => `${percent(one.cpu_requested)}, ${percent(one.memory_requested)}` },
  ]} />
  <p>Pods pending for more than ${limits.pending_minutes} minutes: ${pending.length ? html`<${Pill} tone="bad">${pending.map((one) => one.subject).join(", ")}<//>` : html`<${Pill} tone="good">none<//>`}</p>`;
}

function Week({ week, limits }) {
  const charts = useMemo(() => {
    const names = [...new Set(week.flatMap((one) => Object.keys(one.groups)))];
    const times = week.map((one) => Date.parse(one.at) / 1000);
    return MEASURES.map(([id, title]) => ({
      caption: `${title}: daily 95th percentile`,
      times,
      series: names.map((name) => ({ name, values: week.map((one) => one.groups[name]?.[`${id}_day`] ?? null) })),
      limit: { name: `limit ${percent(limits[id])}`, value: limits[id] },
    }));
  }, [week, limits]);
  if (week.length < 2) return html`<div class="empty">A week's course needs reports of two nights at least.</div>`;
  return html`<div class="cards wide">${charts.map((one) => html`<div class="card"><${Chart} ...${one} format=${percent} max=${1} /></div>`)}</div>`;
}

function Recommendations({ rows }) {
  if (!rows.length) return html`<div class="empty">Nothing to change.</div>`;
  return rows.map((one) => html`<details class="item"><summary><${Pill} tone="info">${one.advice.replaceAll("-", " ")}<//><strong class="grow">${one.subject}</strong>
      <span>${one.monthly_usd == null ? "" : one.monthly_usd >= 0 ? `saves ${usd(one.monthly_usd)} a month` : `costs ${usd(-one.monthly_usd)} a month`}</span><span class="quiet">${one.outcome}</span></summary>
    <div><p>${one.why}</p><p><strong>How:</strong> ${one.how}</p><p class="quiet small">${Object.entries(one.evidence).map(([name, value]) => `${name} ${number(value)}`).join(", ")}</p></div></details>`);
}

function Limits({ rows, from }) {
  const date = (days) => (days == null ? "not within the horizon" : new Date(Date.parse(from) + days * 86400000).toLocaleDateString(undefined, { day: "numeric", month: "short", year: "numeric" }));
  return html`<${Table} caption="When a limit is reached, if things go on" empty="No history to forecast from." rows=${rows} columns=${[
    { title: "What", cell: (one) => `${one.what} of ${one.subject}` },
    { title: "Now", num: true, cell: (one) => number(one.now) },
    { title: "Limit", num: true, cell: (one) => `${number(one.limit)} ${one.unit}` },
    { title: "Reached", cell: (one) => html`<${Pill} tone=${one.days == null ? "good" : one.days < 30 ? "bad" : "warn"}>${date(one.days)}<//>` },
    { title: "At the earliest", cell: (one) => `${date(one.earliest)} (${one.level} %)` },
    { title: "Forecast by", cell: (one) => `${one.method}, ${one.history_days} days of history` },
  ]} />`;
}

function Fleet({ rows }) {
  return html`<${Table} caption="What holds each pool with headroom, and what runs today" empty="No fleet was worked out." rows=${rows} columns=${[
    { title: "Pool", cell: (one) => one.pool },
    { title: "", cell: (one) => html`<${Pill} tone=${one.current ? "" : "info"}>${one.current ? "today" : "would do"}<//>` },
    { title: "Nodes", cell: (one) => `${one.nodes} × ${one.instance_type}` },
    { title: "USD a month", num: true, cell: (one) => usd(one.monthly_usd) },
    { title: "CPU", num: true, cell: (one) => percent(one.cpu_share) },
    { title: "Memory", num: true, cell: (one) => percent(one.memory_share) },
  ]} />`;
}
