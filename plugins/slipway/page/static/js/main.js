// The frame of the page: which platform, which tab. Both are in the address, so that any view can be sent to others.

import { Part, html, render, useEffect, useErrorBoundary, useRef, useState, usePart } from "./common.js";
import { address, host, setAddress } from "./host.js";
import { NowTab } from "./now.js";
import { OpenTab } from "./open.js";
import { ActTab } from "./act.js";
import { CostTab } from "./cost.js";
import { ScaleTab } from "./scale.js";
import { SlosTab } from "./slos.js";
import { ReleasesTab } from "./releases.js";

const TABS = [
  ["now", "Now", NowTab],
  ["open", "Open", OpenTab],
  ["cost", "Cost", CostTab],
  ["scale", "Scale", ScaleTab],
  ["slos", "SLOs", SlosTab],
  ["releases", "Releases", ReleasesTab],
  ["act", "Act", ActTab],
];

function Page() {
  const fleet = usePart("fleet", 300);
  return html`<${Part} part=${fleet} name="The list of platforms">${(data) => html`<${Fleet} fleet=${data} may=${fleet.may_trigger} />`}<//>`;
}

function known(fleet, wanted) {
  const loaded = fleet.filter((one) => one.regions.length);
  const environment = loaded.find((one) => one.environment === wanted.environment) ?? loaded[0];
  const region = environment?.regions.includes(wanted.region) ? wanted.region : environment?.regions[0];
  const tab = TABS.some(([id]) => id === wanted.tab) ? wanted.tab : "now";
  return environment && { environment: environment.environment, region, tab, protected: environment.protected };
}

function Fleet({ fleet, may }) {
  const [wanted, setWanted] = useState(address());
  useEffect(() => {
    const follow = () => setWanted(address());
    host.addEventListener("hashchange", follow);
    host.addEventListener("popstate", follow);
    return () => {
      host.removeEventListener("hashchange", follow);
      host.removeEventListener("popstate", follow);
    };
  }, []);
  const here = known(fleet, wanted);
  const key = here && `${here.environment}/${here.region}#${here.tab}`;
  useEffect(() => {
    if (here) setAddress(here);
  }, [key]);
  const broken = fleet.filter((one) => one.problem);
  const problems = broken.map((one) => html`<div class="note bad" role="alert"><strong>${one.environment}</strong> does not load: ${one.problem}</div>`);
  if (!here) return html`<h1>Platform</h1>${problems}<div class="empty">No environment: add a file to include/environments.</div>`;
  const choose = (change) => setWanted({ ...here, ...change });
  return html`
    <header>
      <h1>Platform</h1>
      <label>Platform <select aria-label="Environment and region" value=${`${here.environment}/${here.region}`}
        onChange=${(event) => {
          const [environment, region] = event.target.value.split("/");
          choose({ environment, region });
        }}>
        ${fleet.flatMap((one) => one.regions.map((region) => html`<option value=${`${one.environment}/${region}`}
          selected=${one.environment === here.environment && region === here.region}>${one.environment} in ${region}</option>`))}
      </select></label>
      ${here.protected ? html`<span class="pill info">protected</span>` : null}
    </header>
    ${problems}
    <${Tabs} here=${here} choose=${(tab) => choose({ tab })} />
    <${Panel} key=${key} here=${here} fleet=${fleet} may=${may} />`;
}

function Tabs({ here, choose }) {
  const list = useRef(null);
  const move = (event) => {
    const index = TABS.findIndex(([id]) => id === here.tab);
    const to = { ArrowRight: index + 1, ArrowLeft: index - 1, Home: 0, End: TABS.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    const next = (to + TABS.length) % TABS.length;
    choose(TABS[next][0]);
    list.current.children[next].focus();
  };
  return html`<div role="tablist" aria-label="Parts of the platform" ref=${list} onKeyDown=${move}>
    ${TABS.map(([id, title]) => html`<button type="button" role="tab" id=${`tab-${id}`} aria-controls="panel"
      aria-selected=${String(id === here.tab)} tabindex=${id === here.tab ? 0 : -1} onClick=${() => choose(id)}>${title}</button>`)}
  </div>`;
}

function Panel({ here, fleet, may }) {
  const [error] = useErrorBoundary((problem) => console.error(problem));
  const [, title, Tab] = TABS.find(([id]) => id === here.tab);
  return html`<section role="tabpanel" id="panel" aria-labelledby=${`tab-${here.tab}`} tabindex="0">
    ${error
      ? html`<div class="note bad" role="alert"><strong>${title} could not be shown.</strong> ${String(error)}</div>`
      : html`<${Tab} here=${here} fleet=${fleet} may=${may} path=${`${encodeURIComponent(here.environment)}/${encodeURIComponent(here.region)}`} />`}
  </section>`;
}

const target = document.getElementById("page");
target.replaceChildren();
render(html`<${Page} />`, target);
