// The run in progress, from Airflow's own API, as the user who looks.

import { Pill, RunLink, Time, html, span, useEffect, useState } from "./common.js";
import { airflow } from "./host.js";

const WATCHED = ["platform_deploy", "platform_upgrade", "platform_rollback", "platform_teardown"];
const STAGES = ["infrastructure", "base_services", "data_layer", "applications", "validation"];
const DONE = new Set(["success", "failed", "skipped", "upstream_failed", "removed"]);
const GOING = new Set(["running", "deferred", "up_for_retry", "up_for_reschedule", "awaiting_input", "restarting"]);
const BUSY_SECONDS = 2;
const IDLE_SECONDS = 15;
const OVERLAP_MS = 30000;
const ALL_EVERY = 10;

const title = (id) => id.replaceAll("_", " ");
const seconds = (one) => (new Date(one.end_date) - new Date(one.start_date)) / 1000;

function concerns(run, here, fleet) {
  const conf = run.conf ?? {};
  // The trigger form's own default.
  const names = fleet.map((one) => one.environment);
  const environment = conf.environment ?? (names.includes("dev") ? "dev" : names[0]);
  const first = fleet.find((one) => one.environment === environment)?.regions[0];
  return environment === here.environment && (conf.region || first) === here.region;
}

const nothingKnown = () => ({ tasks: new Map(), asked: 0, times: 0 });

/** Tasks of a run. They come with all that was rendered for them, so once they are known only changes are asked for. */
async function tasksOf(run, signal, known = nothingKnown()) {
  const base = `dags/${encodeURIComponent(run.dag_id)}/dagRuns/${encodeURIComponent(run.dag_run_id)}/taskInstances`;
  const now = Date.now();
  // All of them from time to time: this clock and the server's may differ by more than the overlap.
  const all = known.times % ALL_EVERY === 0;
  const since = all ? "" : `&updated_at_gte=${encodeURIComponent(new Date(known.asked - OVERLAP_MS).toISOString())}`;
  for (let offset = 0, total = 1; offset < total; ) {
    const answer = await airflow(`${base}?limit=1000&offset=${offset}${since}`, signal);
    for (const one of answer.task_instances) known.tasks.set(`${one.task_id} ${one.map_index}`, one);
    offset += answer.task_instances.length;
    total = answer.task_instances.length ? answer.total_entries : 0;
  }
  known.asked = now;
  known.times += 1;
  return [...known.tasks.values()];
}

const chosen = (run) => [...(run.conf?.stages ?? STAGES.map((one) => one.replaceAll("_", "-")))].sort().join();

/** What earlier runs took: the median of the run, and each task of the last one. */
async function historyOf(run, here, fleet, signal) {
  const answer = await airflow(`dags/${encodeURIComponent(run.dag_id)}/dagRuns?state=success&order_by=-start_date&limit=10`, signal);
  const planned = Boolean(run.conf?.plan_only);
  const alike = answer.dag_runs.filter(
    (one) => concerns(one, here, fleet) && Boolean(one.conf?.plan_only) === planned && chosen(one) === chosen(run) && one.end_date,
  );
  if (!alike.length) return null;
  const times = alike.map(seconds).sort((a, b) => a - b);
  const last = await tasksOf(alike[0], signal);
  return {
    runs: alike.length,
    median: times[Math.floor(times.length / 2)],
    tasks: Object.fromEntries(last.filter((one) => one.end_date && one.start_date).map((one) => [one.task_id, seconds(one)])),
  };
}

export function useRun(here, fleet) {
  const [found, setFound] = useState({ state: "loading" });
  useEffect(() => {
    const stop = new AbortController();
    const histories = new Map();
    let known = nothingKnown();
    let last = null;
    let timer = 0;
    const ask = async () => {
      let wait = IDLE_SECONDS;
      try {
        if (!document.hidden) {
          const runs = await Promise.all(
            WATCHED.map((dag) =>
              airflow(`dags/${dag}/dagRuns?state=running&state=queued&order_by=-run_after&limit=20`, stop.signal)
                .then((answer) => answer.dag_runs)
                // An absent DAG, or one that this user may not read, has no run to show.
                .catch((error) => (error.status === 404 || error.status === 403 ? [] : Promise.reject(error))),
            ),
          );
          const run = runs.flat().find((one) => concerns(one, here, fleet)) ?? null;
          const id = run && `${run.dag_id} ${run.dag_run_id}`;
          if (run && !histories.has(id)) histories.set(id, await historyOf(run, here, fleet, stop.signal));
          if (run && id !== (last && `${last.dag_id} ${last.dag_run_id}`)) known = nothingKnown();
          const tasks = run ? await tasksOf(run, stop.signal, known) : [];
          let ended = null;
          if (!run && last) ended = await airflow(`dags/${last.dag_id}/dagRuns/${encodeURIComponent(last.dag_run_id)}`, stop.signal);
          if (run) last = run;
          setFound({ state: "ready", run, tasks, history: histories.get(id) ?? null, ended });
          if (run) wait = BUSY_SECONDS;
        }
      } catch (error) {
        if (stop.signal.aborted) return;
        setFound((before) => ({ ...before, state: "error", problem: error.message, status: error.status }));
      }
      timer = setTimeout(ask, wait * 1000);
    };
    ask();
    return () => {
      stop.abort();
      clearTimeout(timer);
    };
  }, [here.environment, here.region]);
  return found;
}

function useTick(on) {
  const [, tick] = useState(0);
  useEffect(() => {
    if (!on) return undefined;
    const timer = setInterval(() => tick((last) => last + 1), 1000);
    return () => clearInterval(timer);
  }, [on]);
}

export function RunInProgress({ here, fleet }) {
  const found = useRun(here, fleet);
  useTick(Boolean(found.run));
  if (found.state === "loading") return html`<div class="skeleton" aria-busy="true"></div>`;
  if (found.state === "error") {
    return html`<div class="note warn" role="status">Airflow does not say which runs are going on: ${found.problem}</div>`;
  }
  if (!found.run) {
    const ended = found.ended;
    return html`<p class="quiet" data-run="none">No run changes this platform at the moment.
      ${ended ? html` ${ended.dag_id} <${RunLink} dag=${ended.dag_id} run=${ended.dag_run_id} /> ended: <${Pill} tone=${ended.state === "success" ? "good" : "bad"}>${ended.state}<//>` : null}</p>`;
  }
  return html`<${Progress} ...${found} />`;
}

function Progress({ run, tasks, history }) {
  const done = tasks.filter((one) => DONE.has(one.state)).length;
  const since = run.start_date ?? run.run_after;
  const elapsed = Math.max(0, (Date.now() - new Date(since).getTime()) / 1000);
  const going = tasks.filter((one) => GOING.has(one.state));
  const failed = tasks.filter((one) => one.state === "failed");
  return html`<div class="card" data-run=${run.dag_run_id}>
    <div class="row"><h3>${run.dag_id}${run.conf?.plan_only ? " (plan only)" : ""}</h3><${Pill} tone="info">${run.state}<//>
      <span class="grow"><${RunLink} dag=${run.dag_id} run=${run.dag_run_id} /></span>
      <span data-elapsed>${span(elapsed)} so far</span>
      <span class="quiet">${history ? `usually ${span(history.median)} (median of ${history.runs})` : "no earlier run to expect a time from"}</span></div>
    <progress max=${Math.max(1, tasks.length)} value=${done} aria-label="Tasks done"></progress>
    <div class="quiet small">${done} of ${tasks.length} tasks done, begun <${Time} at=${since} /></div>
    <div class="stagebar">${STAGES.map((stage) => html`<${Stage} name=${stage} tasks=${tasks.filter((one) => one.task_id.startsWith(`${stage}.`))} />`)}</div>
    ${going.length
      ? html`<ul class="plain" aria-label="Going on now">${going.slice(0, 12).map((one) => html`<li class="row"><${Pill} tone="info">${one.state === "deferred" ? "waiting" : title(one.state)}<//>
          <span>${one.task_id.split(".").map(title).join(" / ")}</span>
          <span class="quiet">${one.start_date ? span((Date.now() - new Date(one.start_date).getTime()) / 1000) : ""}${history?.tasks[one.task_id] ? `, usually ${span(history.tasks[one.task_id])}` : ""}</span></li>`)}</ul>`
      : null}
    ${failed.length ? html`<div class="note bad" role="status">Failed: ${failed.slice(0, 10).map((one) => one.task_id).join(", ")}</div>` : null}
  </div>`;
}

function Stage({ name, tasks }) {
  const done = tasks.filter((one) => DONE.has(one.state)).length;
  const gate = tasks.find((one) => one.task_id === `${name}.gate`);
  const states = { success: ["good", "proven"], failed: ["bad", "not proven"], upstream_failed: ["bad", "not proven"], skipped: ["", "left out"] };
  const [tone, word] = states[gate?.state] ?? (tasks.some((one) => one.state && one.state !== "scheduled") ? ["info", "going on"] : ["", "to come"]);
  return html`<div class="card"><div class="small">${title(name)}</div><${Pill} tone=${tone}>${word}<//> <span class="quiet small">${done}/${tasks.length}</span></div>`;
}
