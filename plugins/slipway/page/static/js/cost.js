// Cost: the month against its budget, sixty days by service, what is expected, explained and saved.

import { Part, Pill, ReportState, Table, html, number, percent, usd, useMemo, usePart } from "./common.js";
import { Chart } from "./charts.js";

const TONES = { "within-budget": "good", "forecast-over-budget": "warn", "over-budget": "bad" };
const seconds = (day) => Date.parse(`${day}T00:00:00Z`) / 1000;

export function CostTab({ path }) {
  const part = usePart(`${path}/cost`, 300);
  return html`<${Part} part=${part} name="The cost of the platform">${(data) => html`<${Cost} data=${data} />`}<//>`;
}

function Cost({ data }) {
  const { body, report } = data;
  if (!body) return html`<${ReportState} report=${report} />`;
  return html`<${ReportState} report=${report} />
    <div class="cards"><${Month} body=${body} verdict=${report.verdict} /><${Forecast} title="Forecast of the month" one=${body.forecast.ours} />
      <${Forecast} title="Cost Explorer's forecast" one=${body.forecast.aws} /><${Against} body=${body} /></div>
    <h2>Sixty days by service</h2><${Daily} daily=${data.daily} anomalies=${body.anomalies} />
    <h2>Anomalies</h2><${Anomalies} body=${body} />
    <h2>Savings</h2><${Savings} savings=${body.savings} />
    <h2>By component</h2><${Shares} allocation=${body.allocation} of="components" title="Component" />
    <h2>By team</h2><${Shares} allocation=${body.allocation} of="teams" title="Team" />
    <h2>Estimate against the bill</h2><${Explained} explained=${body.explained} />`;
}

function Month({ body, verdict }) {
  const month = body.month;
  if (!month) return html`<div class="card"><h3>Month to date</h3><p class="quiet">Unknown: there is no bill.</p></div>`;
  const spent = month.environment_usd ?? month.gross_usd;
  return html`<div class="card"><div class="row"><h3>Month to date</h3><${Pill} tone=${TONES[verdict] ?? ""}>${verdict.replaceAll("-", " ")}<//></div>
    <div class="big" data-month>${usd(spent)}</div>
    <${Range} spent=${spent} forecast=${body.forecast.ours} budget=${month.budget_usd} />
    <div class="small">${percent(spent / month.budget_usd)} of the budget of ${usd(month.budget_usd)} after ${percent(month.days / month.days_in_month)} of the month, to ${month.through}</div>
    <div class="quiet small">This region ${usd(month.gross_usd)}. Before credits ${usd(month.credits_usd)}, refunds ${usd(month.refunds_usd)} and tax ${usd(month.tax_usd)}.</div></div>`;
}

/** What is spent, what is expected with its interval, and the budget, on one scale. */
function Range({ spent, forecast, budget }) {
  const most = 1.05 * Math.max(spent, budget, forecast?.high_usd ?? 0) || 1;
  const x = (value) => `${(100 * value) / most}%`;
  const width = (low, high) => `${(100 * Math.max(0, high - low)) / most}%`;
  return html`<svg class="range" role="img" aria-label=${`Spent ${usd(spent)}${forecast ? `, expected ${usd(forecast.low_usd)} to ${usd(forecast.high_usd)}` : ""}, budget ${usd(budget)}`}>
    <rect y="6" width="100%" height="12" rx="3" fill="var(--idle-bg)" /><rect y="6" width=${x(spent)} height="12" rx="3" fill="var(--c0)" />
    ${forecast ? html`<rect x=${x(forecast.low_usd)} y="6" width=${width(forecast.low_usd, forecast.high_usd)} height="12" fill="var(--c1)" opacity=".45" /><rect x=${x(forecast.usd)} y="3" width="2" height="18" fill="var(--c1)" />` : null}
    <rect x=${x(budget)} y="0" width="2" height="24" fill="var(--bad)" /><text x=${x(budget)} y="33" text-anchor="end">budget</text></svg>`;
}

function Forecast({ title, one }) {
  if (!one) return html`<div class="card"><h3>${title}</h3><p class="quiet">None in this report.</p></div>`;
  return html`<div class="card"><h3>${title}</h3><div class="big">${usd(one.usd)}</div>
    <div class="small">${one.level} % between ${usd(one.low_usd)} and ${usd(one.high_usd)}</div>
    <div class="quiet small">${one.method}${one.skill ? `: off by ${number(one.skill.error)} % on past weeks, copying last week by ${number(one.skill.naive_error)} %` : ""} ${one.note}</div></div>`;
}

function Against({ body }) {
  const { estimate, explained } = body;
  return html`<div class="card"><h3>Estimate against bill</h3><div class="big">${estimate ? html`${usd(estimate.monthly_usd)} <span class="small">a month</span>` : "no estimate"}</div>
    <div class="small">${explained ? `${percent(explained.billed_usd ? explained.explained_usd / explained.billed_usd : 1)} of ${usd(explained.billed_usd)} billed on ${explained.day} is explained` : "Nothing to compare it with."}</div>
    <div class="quiet small">${estimate ? `What stands there, by ${estimate.source}` : ""}</div></div>`;
}

function Daily({ daily, anomalies }) {
  const shown = useMemo(
    () => ({
      times: daily.days.map(seconds),
      series: daily.series.map((one) => ({ name: one.name, values: one.usd })),
      marks: anomalies.filter((one) => daily.days.includes(one.day)).map((one) => ({ time: seconds(one.day), legend: "anomaly" })),
    }),
    [daily, anomalies],
  );
  if (!daily.series.length) return html`<div class="empty">No bill of these sixty days.</div>`;
  return html`<div class="card"><${Chart} caption="USD a day before tax, by service" stack=${true} ...${shown} format=${usd} /></div>`;
}

function Anomalies({ body }) {
  const ours = body.anomalies.map((one) => ({ when: one.day, service: one.service, kind: one.kind, usd: one.usd, expected: one.expected_usd, by: one.drivers.map(([name, rise]) => `${name} ${usd(rise)}`).join(", "), found: "Slipway" }));
  const theirs = body.aws_anomalies.map((one) => ({ when: `${one.first} to ${one.last}`, service: one.service, kind: "spike", usd: one.usd, expected: one.expected_usd, by: one.usage_type, found: "AWS" }));
  return html`<${Table} caption="Days that cost far more or less than usual" empty="None." rows=${[...ours, ...theirs]} columns=${[
    { title: "Service", cell: (one) => one.service },
    { title: "When", cell: (one) => one.when },
    { title: "Kind", cell: (one) => html`<${Pill} tone=${one.kind === "spike" ? "bad" : "info"}>${one.kind}<//>` },
    { title: "USD", num: true, cell: (one) => usd(one.usd) },
    { title: "Expected", num: true, cell: (one) => usd(one.expected) },
    { title: "Driven by", cell: (one) => one.by },
    { title: "Found by", cell: (one) => one.found },
  ]} />`;
}

function Savings({ savings }) {
  const rows = [...savings.items].sort((a, b) => b.monthly_usd - a.monthly_usd);
  return html`<p>${rows.length ? html`Up to <strong>${usd(savings.total_usd)}</strong> a month together; savings that touch the same cost are not added up.` : ""}</p>
    ${rows.map((one) => html`<details class="item"><summary><strong class="grow">${one.title}</strong><${Pill} tone=${one.confidence === "high" ? "good" : one.confidence === "medium" ? "info" : ""}>${one.confidence} confidence<//>
      <strong>${usd(one.monthly_usd)} a month</strong></summary>
      <div><p><strong>Change:</strong> ${one.change}</p><p><strong>What it costs otherwise:</strong> ${one.breaks}</p>${one.evidence ? html`<p class="quiet">${one.evidence}</p>` : null}
        ${one.counted ? null : html`<p class="quiet">Not in the sum: a better one touches the same cost.</p>`}</div></details>`)}
    ${rows.length ? null : html`<div class="empty">No saving found.</div>`}`;
}

function Shares({ allocation, of, title }) {
  if (!allocation) return html`<p class="quiet">Not in this report.</p>`;
  const rows = [...allocation[of]].sort((a, b) => b.compute_usd + b.storage_usd - a.compute_usd - a.storage_usd);
  return html`<${Table} caption=${`USD a month by ${allocation.basis}; idle ${usd(allocation.idle_usd)}, shared ${usd(allocation.shared_usd)}, together ${usd(allocation.total_usd)}`} rows=${rows} columns=${[
    { title, cell: (one) => one.name },
    { title: "Pods", num: true, cell: (one) => one.pods },
    { title: "Compute", num: true, cell: (one) => usd(one.compute_usd) },
    { title: "Storage", num: true, cell: (one) => usd(one.storage_usd) },
    { title: "Together", num: true, cell: (one) => usd(one.compute_usd + one.storage_usd) },
  ]} />`;
}

function Explained({ explained }) {
  if (!explained) return html`<p class="quiet">Not in this report.</p>`;
  return html`<${Table} caption=${`Bill of ${explained.day}: ${usd(explained.unexplained_usd)} of ${usd(explained.billed_usd)} unexplained`} rows=${explained.lines} columns=${[
    { title: "Line", cell: (one) => one.name },
    { title: "Service", cell: (one) => one.service },
    { title: "Billed", num: true, cell: (one) => usd(one.billed_usd) },
    { title: "Expected", num: true, cell: (one) => (one.expected_usd == null ? "none" : usd(one.expected_usd)) },
    { title: "Explained by", cell: (one) => one.how },
    { title: "Note", cell: (one) => one.note },
  ]} />`;
}
