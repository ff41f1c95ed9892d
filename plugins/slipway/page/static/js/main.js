// The frame of the page: which platform, which tab. Both are in the address, so that any view can be sent to others.

import { Part, html, render, useEffect, useErrorBoundary, useRef, useState, usePart } from "./common.js";
import { address, host, setAddress } from "./host.js";
import { NowTab } from "./now.js";

// The first tab is what people come for; the others are read once it is shown.
const TABS = [
  ["now", "Now", async () => NowTab],
  ["open", "Open", async () => (await import("./open.js")).OpenTab],
  ["cost", "Cost", async () => (await import("./cost.js")).CostTab],
  ["scale", "Scale", async () => (await import("./scale.js")).ScaleTab],
  ["slos", "SLOs", async () => (await import("./slos.js")).SlosTab],
  ["releases", "Releases", async () => (await import("./releases.js")).ReleasesTab],
  ["act", "Act", async () => (await import("./act.js")).ActTab],
];
const READ_OTHERS_AFTER_MS = 1500;

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

function useTab(id) {
  const [found, setFound] = useState(id === "now" ? { Tab: NowTab } : {});
  useEffect(() => {
    let gone = false;
    const [, , load] = TABS.find(([one]) => one === id);
    load().then(
      (Tab) => gone || setFound({ Tab }),
      (problem) => gone || setFound({ problem }),
    );
    return () => {
      gone = true;
    };
  }, [id]);
  return found;
}

function Panel({ here, fleet, may }) {
  const [broken] = useErrorBoundary((problem) => console.error(problem));
  const [, title] = TABS.find(([id]) => id === here.tab);
  const { Tab, problem } = useTab(here.tab);
  const error = broken ?? problem;
  const path = `${encodeURIComponent(here.environment)}/${encodeURIComponent(here.region)}`;
  return html`<section role="tabpanel" id="panel" aria-labelledby=${`tab-${here.tab}`} tabindex="0">
    ${error ? html`<div class="note bad" role="alert"><strong>${title} could not be shown.</strong> ${String(error)}</div>` : null}
    ${!error && Tab ? html`<${Tab} here=${here} fleet=${fleet} may=${may} path=${path} />` : null}
    ${!error && !Tab ? html`<div class="skeleton" aria-busy="true"><span class="vh" role="status">Loading ${title}</span></div>` : null}
  </section>`;
}

const target = document.getElementById("page");
target.replaceChildren();
render(html`<${Page} />`, target);
setTimeout(() => TABS.forEach(([, , load]) => load().catch(() => {})), READ_OTHERS_AFTER_MS);
