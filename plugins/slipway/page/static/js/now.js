// Now: the verdict, the run in progress, the stages with what proves them, what changed within a day.

import { Part, Pill, ReportState, RunLink, Table, Time, ago, html, number, span, useEffect, usePart, useState } from "./common.js";
import { RunInProgress } from "./run.js";

const VERDICTS = { Healthy: "good", Degraded: "warn", Down: "bad" };
const CHECKS = { passed: "good", failed: "bad", skipped: "warn", unknown: "" };
const DAY_MS = 86400000;

export function NowTab({ here, fleet, path }) {
  const part = usePart(`${path}/now`, 20);
  const releases = usePart(`${path}/releases`, 30);
  return html`
    <h2>Going on</h2><${RunInProgress} here=${here} fleet=${fleet} />
    <${Part} part=${part} name="The platform's state">${(data) => html`<${State} data=${data} releases=${releases} />`}<//>`;
}

/** Whether the first frame was painted: what people look for first need not wait for a page full of components. */
function usePainted() {
  const [painted, setPainted] = useState(false);
  useEffect(() => setPainted(true), []);
  return painted;
}

function State({ data, releases }) {
  const painted = usePainted();
  const { report } = data;
  const newest = releases.data?.components ?? {};
  return html`
    <h2>Verdict</h2>
    ${report.found
      ? html`<div class="cards verdict"><div class="card">
          <div class="big" data-verdict><${Pill} tone=${VERDICTS[report.verdict] ?? ""}>${report.verdict}<//></div>
          <div class="quiet">${data.since ? html`since <${Time} at=${data.since} />, ${ago(data.since)}` : "since its first report"}</div></div>
        <div class="card"><div class="big">${report.summary}</div><div class="quiet small">Kubernetes ${data.version || "unknown"}. Looked at ${Object.entries(data.counts).map(([what, count]) => `${number(count)} ${what}`).join(", ") || "nothing"}.</div></div></div>`
      : null}
    <${ReportState} report=${report} />
    ${data.findings.length ? html`<${Findings} data=${data} />` : null}
    ${painted ? html`<${Rest} data=${data} releases=${releases} newest=${newest} />` : null}`;
}

function Rest({ data, releases, newest }) {
  return html`<h2>Stages</h2>
    ${releases.problem && !releases.data ? html`<div class="note" role="status">Releases are unknown: the cluster could not be asked. ${releases.problem}</div>` : null}
    ${data.stages.map((stage) => html`<${Stage} stage=${stage} newest=${newest} asked=${Boolean(releases.data)} />`)}
    <h2>Changed within 24 hours</h2>
    <${Changes} data=${data} newest=${newest} />`;
}

function Findings({ data }) {
  return html`<${Table} caption="What is wrong" rows=${data.findings} columns=${[
    { title: "Where", cell: (one) => one.subject },
    { title: "Severity", cell: (one) => html`<${Pill} tone=${VERDICTS[one.severity] ?? ""}>${one.severity}<//>` },
    { title: "What", cell: (one) => one.what },
    { title: "Since", cell: (one) => (one.since ? html`<${Time} at=${one.since} />` : "") },
    { title: "Runbook", cell: (one) => html`<span class="mono">${one.runbook}</span>` },
  ]} />${data.more_findings ? html`<p class="quiet">and ${data.more_findings} more in the report</p>` : null}`;
}

/** A component in one word: the worst that is known of it. */
function stateOf(one, release, asked) {
  if (one.disabled) return ["", "left out"];
  if (one.findings.some((two) => two.severity === "Down")) return ["bad", "down"];
  if (one.checks.some((two) => two.state === "failed")) return ["bad", "check failed"];
  if (one.findings.length) return ["warn", "degraded"];
  if (release && release.state !== "ready") return ["info", release.state === "applying" ? "being applied" : "not ready yet"];
  if (asked && !release) return ["", "not deployed"];
  if (one.checks.length && one.checks.every((two) => two.state === "passed")) return ["good", "proven"];
  if (one.checks.some((two) => two.state === "passed")) return ["warn", "proven in part"];
  return release ? ["info", "ready, not proven"] : ["", "unknown"];
}

function Stage({ stage, newest, asked }) {
  const gate = stage.gate;
  return html`<section class="stage" aria-label=${`Stage ${stage.name}`}>
    <div class="row"><h3>${stage.name}</h3>
      ${gate ? html`<${Pill} tone=${gate.green ? "good" : "bad"}>${gate.green ? "gate green" : "gate red"}<//> <span class="quiet small">${gate.at ? ago(gate.at) : ""}, run <${RunLink} dag="platform_deploy" run=${gate.run_id} /></span>` : html`<span class="quiet small">no gate recorded</span>`}</div>
    ${stage.components.map((one) => html`<${Component} one=${one} release=${newest[one.name]?.[0]} asked=${asked} />`)}
  </section>`;
}

/** What checks found, in a few words; without a result nothing has failed to pass. */
function proof(checks) {
  if (!checks.length) return "no checks";
  if (checks.every((one) => one.state === "unknown")) return `no result of ${checks.length} ${checks.length === 1 ? "check" : "checks"} yet`;
  return `${checks.filter((one) => one.state === "passed").length} of ${checks.length} checks passed`;
}

function Component({ one, release, asked }) {
  const [tone, word] = stateOf(one, release, asked);
  return html`<details class="item" data-component=${one.name}><summary><strong>${one.name}</strong><${Pill} tone=${tone}>${word}<//>
      <span class="mono quiet">${one.versions.map((two) => two.tag).filter(Boolean).join(", ")}</span>
      <span class="quiet small grow right">${[release ? `release ${release.number}, ${ago(release.applied_at)}` : "", proof(one.checks)].filter(Boolean).join(" · ")}</span></summary>
    <div><p>${one.description}</p>
      <p class="quiet small">Namespace ${one.namespace}${one.stateful ? ", holds data" : ""}. ${one.versions.map((two) => html`<code>${two.image}</code> `)}</p>
      ${one.findings.length ? html`<ul>${one.findings.map((two) => html`<li><${Pill} tone=${VERDICTS[two.severity]}>${two.severity}<//> ${two.subject}: ${two.what}</li>`)}</ul>` : null}
      <ul class="plain">${one.checks.map((check) => html`<${Check} check=${check} />`)}</ul></div></details>`;
}

function Check({ check }) {
  const numbers = Object.entries(check.proved ?? {}).filter(([name]) => name !== "check");
  return html`<li><div class="row"><${Pill} tone=${CHECKS[check.state] ?? ""}>${check.state === "unknown" ? "no result" : check.state}<//><strong>${check.check}</strong>
      <span>${check.proves}</span></div>
    <div class="quiet small">${numbers.map(([name, value]) => `${name} ${typeof value === "object" ? JSON.stringify(value) : number(value)}`).join(", ")}
      ${check.reason ? html`<div>${check.reason}</div>` : null}
      ${check.run_id ? html` run <${RunLink} dag="platform_deploy" run=${check.run_id} />${check.seconds ? `, took ${span(check.seconds)}` : ""}` : null}</div></li>`;
}

function Changes({ data, newest }) {
  const recent = Object.values(newest)
    .flat()
    .filter((one) => Date.now() - new Date(one.applied_at) < DAY_MS)
    .map((one) => ({ at: one.applied_at, kind: "release", what: `${one.component}: release ${one.number} ${one.state}`, run_id: one.run_id }));
  const rows = [...data.changes, ...recent].sort((a, b) => new Date(b.at) - new Date(a.at));
  return html`<${Table} caption="Newest first" empty="Nothing changed." rows=${rows} columns=${[
    { title: "When", cell: (one) => html`<${Time} at=${one.at} />` },
    { title: "Kind", cell: (one) => one.kind },
    { title: "What", cell: (one) => one.what },
    { title: "Run", cell: (one) => html`<span class="mono">${one.run_id}</span>` },
  ]} />`;
}
