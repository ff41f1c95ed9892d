// Act: what may be started, each from the DAG's own trigger form, filled in for this platform.

import { AirflowLink, html, useState } from "./common.js";
import { TriggerButton } from "./trigger.js";

const ACTIONS = [
  { title: "Plan", dag: "platform_deploy", conf: { plan_only: true }, what: "Say what a deploy would create, change, replace or delete. Changes nothing." },
  { title: "Deploy", dag: "platform_deploy", conf: {}, what: "Bring the platform up to what is in Git, stage by stage, each proven before the next." },
  { title: "Upgrade", dag: "platform_upgrade", conf: {}, what: "Bring Kubernetes and its add-ons to the next version." },
  { title: "Roll back", dag: "platform_rollback", conf: {}, what: "Go back to releases that were ready before. One component: see Releases." },
  { title: "Look for drift", dag: "platform_drift", conf: {}, what: "Compare what is there with Git, field by field, and say who changed it." },
  { title: "Look at health", dag: "platform_health", conf: {}, what: "Look now rather than in a few minutes." },
  { title: "Teardown", dag: "platform_teardown", conf: {}, danger: true, what: "Take the platform down and prove that nothing is left." },
];

export function ActTab({ here, may }) {
  const allowed = ACTIONS.filter((one) => may.includes(one.dag));
  return html`<h2>Start a run for ${here.environment} in ${here.region}</h2>
    <p class="quiet">Each button opens the DAG's trigger form, filled in. Airflow decides whether you may, and asks again where a DAG asks for approval.</p>
    ${allowed.length
      ? html`<div class="cards acts">${ACTIONS.map((one) => html`<div class="card act"><h3>${one.title}</h3><p>${one.what}</p>
          <div class="row">${may.includes(one.dag) ? html`<${TriggerButton} here=${here} ...${one} />` : html`<span class="quiet small">You may not trigger this DAG.</span>`}
          <${AirflowLink} path=${`dags/${one.dag}`}>${one.dag}<//></div></div>`)}</div>`
      : html`<div class="empty" data-viewer><p><strong>You may look, but not start runs.</strong></p><p>Starting one needs the right to trigger the DAG; Airflow's administrators grant it.</p></div>`}`;
}
