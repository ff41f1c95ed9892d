// Releases: the history of each component, what two of them differ in, and the way back.

import { Part, Pill, RunLink, Table, Time, html, useState, usePart } from "./common.js";
import { TriggerButton } from "./trigger.js";

const STATES = { ready: "good", applied: "warn", applying: "info" };

export function ReleasesTab({ here, path, may }) {
  const part = usePart(`${path}/releases`, 30);
  return html`<h2>Releases</h2><${Part} part=${part} name="The list of releases">${(data) => html`<${Components} data=${data} here=${here} path=${path} may=${may} />`}<//>`;
}

function Components({ data, here, path, may }) {
  const names = Object.keys(data.components).sort();
  // What has something to compare says more than what comes first by its name.
  const [chosen, choose] = useState(names.find((one) => data.components[one].length > 1));
  if (!names.length) return html`<div class="empty">Nothing was deployed to this platform yet.</div>`;
  const name = names.includes(chosen) ? chosen : names[0];
  return html`<p><label>Component <select onChange=${(event) => choose(event.target.value)}>${names.map((one) => html`<option value=${one} selected=${one === name}>${one}</option>`)}</select></label></p>
    <${History} key=${name} name=${name} releases=${data.components[name]} here=${here} path=${path} may=${may} />`;
}

function History({ name, releases, here, path, may }) {
  const [pair, setPair] = useState({ before: releases[1]?.number, after: releases[0].number });
  const current = releases[0].number;
  const option = (one, side) => html`<option value=${one.number} selected=${one.number === pair[side]}>${one.number}</option>`;
  return html`
    <${Table} caption=${`Releases of ${name}, newest first; ten are kept`} rows=${releases} columns=${[
      { title: "Release", cell: (one) => `${one.number}${one.number === current ? " (current)" : ""}` },
      { title: "State", cell: (one) => html`<${Pill} tone=${STATES[one.state] ?? ""}>${one.state}<//>` },
      { title: "Applied", cell: (one) => html`<${Time} at=${one.applied_at} />` },
      { title: "Objects", num: true, cell: (one) => one.objects },
      { title: "Digest", cell: (one) => html`<code>${one.digest.slice(0, 12)}</code>` },
      { title: "Run", cell: (one) => html`<${RunLink} dag="platform_deploy" run=${one.run_id} />` },
      { title: "Way back", cell: (one) => (one.number !== current && one.state === "ready" && may.includes("platform_rollback")
        ? html`<${TriggerButton} here=${here} dag="platform_rollback" title="Roll back" label=${`Roll ${name} back to release ${one.number}`} danger=${true} conf=${{ components: [name], release: one.number }} />`
        : "") },
    ]} />
    <h2>Difference</h2>
    ${releases.length < 2 ? html`<p class="quiet">There is one release only.</p>` : html`
      <p class="row"><label>From <select onChange=${(event) => setPair({ ...pair, before: Number(event.target.value) })}>${releases.map((one) => option(one, "before"))}</select></label>
        <label>to <select onChange=${(event) => setPair({ ...pair, after: Number(event.target.value) })}>${releases.map((one) => option(one, "after"))}</select></label></p>
      <${Difference} path=${`${path}/releases/${encodeURIComponent(name)}?before=${pair.before}&after=${pair.after}`} />`}`;
}

function Difference({ path }) {
  const part = usePart(path, 3600);
  return html`<${Part} part=${part} name="The difference">${(data) => {
    if (!data.kept) return html`<div class="empty">Release ${data.lost.join(" and ")} is no longer kept.</div>`;
    if (!data.lines.length) return html`<div class="empty">These two releases do not differ.</div>`;
    return html`<pre data-difference>${data.lines.join("\n")}</pre>`;
  }}<//>`;
}
