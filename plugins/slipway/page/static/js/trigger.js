// A DAG's trigger form, filled in for a platform. Its fields are the DAG's own parameters, read from Airflow; what is
// sent goes to Airflow's API in the name of the user who is signed in, and Airflow decides.
//
// Airflow 3 itself opens its form by a button only: no address opens or fills it in (apache/airflow#54800).

import { AirflowLink, RunLink, html, useEffect, useRef, useState } from "./common.js";
import { airflow, trigger } from "./host.js";

export function TriggerButton({ here, dag, title, conf, danger, label }) {
  const [open, setOpen] = useState(false);
  const button = useRef(null);
  const close = () => {
    setOpen(false);
    button.current?.focus();
  };
  return html`<button type="button" ref=${button} class=${danger ? "danger" : ""} aria-haspopup="dialog" aria-label=${label} onClick=${() => setOpen(true)}>${title}…</button>
    ${open ? html`<${TriggerForm} here=${here} dag=${dag} title=${title} conf=${conf} danger=${danger} close=${close} />` : null}`;
}

function TriggerForm({ here, dag, title, conf, danger, close }) {
  const [form, setForm] = useState({ state: "loading" });
  const [values, setValues] = useState({});
  const dialog = useRef(null);
  const heading = `${dag}-form`;
  useEffect(() => {
    dialog.current?.showModal();
    airflow(`dags/${dag}/details`).then(
      (found) => {
        const params = Object.entries(found.params ?? {}).map(([name, one]) => fieldOf(name, one));
        const given = { environment: here.environment, region: here.region, ...conf };
        setValues(Object.fromEntries(params.map((one) => [one.name, one.name in given ? given[one.name] : one.value])));
        setForm({ state: "ready", params, paused: found.is_paused });
      },
      (error) => setForm({ state: "error", problem: error.status === 404 ? `${dag} is not among this Airflow's DAGs.` : error.message }),
    );
  }, []);
  const send = async (event) => {
    event.preventDefault();
    setForm({ ...form, state: "sending" });
    try {
      const run = await trigger(dag, confOf(form.params, values));
      setForm({ ...form, state: "sent", run: run.dag_run_id });
    } catch (error) {
      setForm({ ...form, state: "ready", problem: error.status === 403 ? "Airflow says that you may not trigger this DAG." : error.message });
    }
  };
  return html`<dialog ref=${dialog} aria-labelledby=${heading} onClose=${close}>
    <h2 id=${heading}>${title}: ${dag}</h2>
    ${form.state === "loading" ? html`<p class="quiet" role="status">Reading the DAG's parameters…</p>` : null}
    ${form.state === "error" ? html`<div class="note bad" role="alert">${form.problem}</div>` : null}
    ${form.state === "sent" ? html`<p role="status">Started: <${RunLink} dag=${dag} run=${form.run} /></p>` : null}
    ${form.state === "ready" || form.state === "sending"
      ? html`<form onSubmit=${send}>
          ${form.problem ? html`<div class="note bad" role="alert">${form.problem}</div>` : null}
          ${form.paused ? html`<div class="note warn">The DAG is paused: the run waits until somebody unpauses it.</div>` : null}
          ${form.params.length ? null : html`<p class="quiet">It has no parameters, and looks at every platform.</p>`}
          ${form.params.map((one) => html`<${Field} one=${one} value=${values[one.name]} set=${(value) => setValues({ ...values, [one.name]: value })} />`)}
          <div class="end"><button type="button" onClick=${() => dialog.current.close()}>Cancel</button>
            <button type="submit" class=${danger ? "danger" : "primary"} disabled=${form.state === "sending"}>Trigger</button></div></form>`
      : html`<div class="end"><button type="button" onClick=${() => dialog.current.close()}>Close</button></div>`}
    <p class="quiet small"><${AirflowLink} path=${`dags/${dag}`}>${dag} in Airflow<//></p>
  </dialog>`;
}

/** A parameter of the DAG as a field: its schema decides which. */
export function fieldOf(name, param) {
  const schema = param.schema ?? {};
  const types = [schema.type ?? "string"].flat();
  const base = { name, value: param.value ?? null, title: schema.title ?? name, description: param.description ?? schema.description ?? "", nullable: types.includes("null"), pattern: schema.pattern };
  const type = types.find((one) => one !== "null") ?? "string";
  const options = schema.enum ?? schema.items?.enum;
  if (type === "array") return { ...base, kind: options ? "many" : "list", options };
  if (schema.enum) return { ...base, kind: "one", options: schema.enum };
  return { ...base, kind: { boolean: "yes", integer: "number", number: "number", string: "text" }[type] ?? "json" };
}

export function confOf(params, values) {
  const conf = {};
  for (const one of params) {
    let value = values[one.name];
    if (one.kind === "list" && typeof value === "string") value = value.split("\n").map((line) => line.trim()).filter(Boolean);
    if (one.kind === "json" && typeof value === "string") value = JSON.parse(value);
    if (one.kind === "number" && value !== null && value !== "") value = Number(value);
    if (one.nullable && (value === "" || (Array.isArray(value) && !value.length))) value = null;
    conf[one.name] = value;
  }
  return conf;
}

function Field({ one, value, set }) {
  const id = `param-${one.name}`;
  const about = `${id}-about`;
  const input = (event) => set(event.target.value);
  const control = {
    one: () => html`<select id=${id} aria-describedby=${about} onChange=${input}>${one.options.map((option) => html`<option value=${option} selected=${option === value}>${option}</option>`)}</select>`,
    many: () => html`<div role="group" aria-labelledby=${`${id}-name`} class="row">${one.options.map((option) => html`<label><input type="checkbox" checked=${(value ?? []).includes(option)}
      onChange=${(event) => set(one.options.filter((other) => (other === option ? event.target.checked : (value ?? []).includes(other))))} /> ${option}</label>`)}</div>`,
    list: () => html`<textarea id=${id} rows="2" aria-describedby=${about} placeholder="one per line" onInput=${input} value=${Array.isArray(value) ? value.join("\n") : (value ?? "")}></textarea>`,
    json: () => html`<textarea id=${id} rows="3" class="mono" aria-describedby=${about} onInput=${input} value=${typeof value === "string" ? value : JSON.stringify(value)}></textarea>`,
    yes: () => html`<label class="row"><input type="checkbox" id=${id} aria-describedby=${about} checked=${Boolean(value)} onChange=${(event) => set(event.target.checked)} /> yes</label>`,
    number: () => html`<input type="number" id=${id} aria-describedby=${about} value=${value ?? ""} onInput=${input} />`,
    text: () => html`<input type="text" id=${id} aria-describedby=${about} value=${value ?? ""} pattern=${one.pattern} required=${!one.nullable} onInput=${input} />`,
  }[one.kind];
  const name = one.kind === "many" || one.kind === "yes" ? html`<span class="name" id=${`${id}-name`}>${one.title}</span>` : html`<label for=${id}>${one.title}</label>`;
  return html`<div class="field">${name}<div class="quiet small" id=${about}>${one.description}</div>${control()}</div>`;
}
