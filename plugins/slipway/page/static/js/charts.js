// Charts by uPlot. Each has a caption, a legend in words, and its numbers as a table,
// since a canvas tells a screen reader nothing.

import { html, useEffect, useRef, useState } from "./common.js";

let styled = null;

// The library is a classic script of the page, behind the modules: it is there at the latest when the page has loaded.
async function library() {
  styled ??= new Promise((done) => {
    const sheet = Object.assign(document.createElement("link"), { rel: "stylesheet", href: "vendor/uplot-1.6.32.min.css", onload: done, onerror: done });
    document.head.append(sheet);
  });
  await styled;
  if (!window.uPlot && document.readyState !== "complete") {
    await new Promise((done) => window.addEventListener("load", done, { once: true }));
  }
  if (!window.uPlot) throw new Error("the chart library did not load");
  return window.uPlot;
}

export const colour = (index) => `var(--c${index % 9})`;
const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const axis = (extra) => ({ stroke: css("--quiet"), grid: { stroke: css("--line"), width: 1 }, ticks: { stroke: css("--line"), width: 1 }, font: "12px system-ui", ...extra });

const day = (time) => new Date(time * 1000).toLocaleDateString(undefined, { month: "short", day: "numeric", timeZone: "UTC" });

/** Series summed up from the bottom, for stacking; where there is no data there is none of the stack either. */
export function stacked(series) {
  const sums = new Array(series[0]?.length ?? 0).fill(0);
  return series.map((values) => values.map((value, index) => (value == null ? null : (sums[index] += value))));
}

/**
 * A chart that follows its width and the theme.
 * @param times Unix seconds
 * @param series [{name, values}]
 * @param stack whether series are bars on top of one another, else lines
 * @param limit a line across, with its name
 * @param marks [{time, text}] of what is remarkable
 */
export function Chart({ caption, times, series, stack = false, limit, marks = [], format, days = true, max }) {
  const place = useRef(null);
  const [problem, setProblem] = useState("");
  const [readout, setReadout] = useState("");
  useEffect(() => {
    let plot = null;
    let gone = false;
    const draw = (uPlot) => {
      if (gone || !place.current) return;
      plot?.destroy();
      plot = new uPlot(options(uPlot, { place: place.current, times, series, stack, limit, marks, format, max, setReadout }), data(times, series, stack, limit), place.current);
    };
    const redraw = () => library().then(draw, (error) => setProblem(error.message));
    const watch = new ResizeObserver(() => plot?.setSize({ width: place.current.clientWidth, height: 260 }));
    redraw();
    watch.observe(place.current);
    window.addEventListener("theme", redraw);
    return () => {
      gone = true;
      watch.disconnect();
      window.removeEventListener("theme", redraw);
      plot?.destroy();
    };
  }, [times, series, limit, marks]);
  return html`<figure><figcaption>${caption}</figcaption>
    ${problem ? html`<div class="note warn">${problem}; the numbers are in the table below.</div>` : null}
    <div class="chart" ref=${place} role="img" aria-label=${`${caption}. Its numbers are in the table below.`}></div>
    <ul class="legend">${series.map((one, index) => html`<li><svg viewBox="0 0 10 10" aria-hidden="true"><rect width="10" height="10" rx="2" fill=${colour(index)} /></svg>${one.name}</li>`)}
      ${limit ? html`<li>╌ ${limit.name}</li>` : null}${marks.length ? html`<li>▼ ${marks[0].legend ?? "marked"}</li>` : null}</ul>
    <div class="readout">${readout}</div>
    <details><summary>Numbers</summary><div class="scroll" tabindex="0" role="group" aria-label=${`Numbers of: ${caption}`}><table><thead><tr><th scope="col">Day</th>${series.map((one) => html`<th scope="col" class="num">${one.name}</th>`)}</tr></thead>
      <tbody>${times.map((time, index) => html`<tr><th scope="row">${day(time)}</th>${series.map((one) => html`<td class="num">${one.values[index] == null ? "none" : format(one.values[index])}</td>`)}</tr>`).reverse()}</tbody></table></div></details>
  </figure>`;
}

function data(times, series, stack, limit) {
  const values = series.map((one) => one.values);
  // The whole stack is drawn first and the lower parts over it.
  const drawn = stack ? stacked(values).reverse() : values;
  return [times, ...drawn, ...(limit ? [times.map(() => limit.value)] : [])];
}

function options(uPlot, { place, times, series, stack, limit, marks, format, max, setReadout }) {
  const order = stack ? series.map((_, index) => series.length - 1 - index) : series.map((_, index) => index);
  const bars = stack ? { paths: uPlot.paths.bars({ size: [0.8, 24] }), points: { show: false } } : { width: 2 };
  const drawn = order.map((index) => ({ label: series[index].name, stroke: css(`--c${index % 9}`), ...(stack ? { fill: css(`--c${index % 9}`), width: 0 } : {}), spanGaps: false, ...bars }));
  if (limit) drawn.push({ label: limit.name, stroke: css("--bad"), dash: [6, 4], width: 1.5, points: { show: false } });
  return {
    width: place.clientWidth,
    height: 260,
    legend: { show: false },
    cursor: { drag: { x: false, y: false } },
    tzDate: (time) => uPlot.tzDate(new Date(time * 1000), "Etc/UTC"),
    scales: { x: { range: (_, low, high) => [low - 43200, high + 43200] }, y: { range: (_, low, high) => [0, Math.max(high ?? 0, limit?.value ?? 0, max ?? 0) * 1.08 || 1] } },
    axes: [axis({ space: 60, incrs: [1, 2, 4, 7, 14, 30].map((days) => days * 86400), values: (_, splits) => splits.map(day) }), axis({ values: (_, splits) => splits.map((one) => format(one)), size: 64 })],
    series: [{}, ...drawn],
    hooks: {
      setCursor: [
        (plot) => {
          const index = plot.cursor.idx;
          if (index == null) return setReadout("");
          const day = new Date(times[index] * 1000).toISOString().slice(0, 10);
          const parts = series.filter((one) => one.values[index] != null && one.values[index] !== 0).map((one) => `${one.name} ${format(one.values[index])}`);
          return setReadout(`${day}: ${parts.join(", ") || "no data"}`);
        },
      ],
      draw: [
        (plot) => {
          const { ctx } = plot;
          ctx.save();
          ctx.fillStyle = css("--bad");
          for (const mark of marks) {
            const x = plot.valToPos(mark.time, "x", true);
            ctx.beginPath();
            ctx.moveTo(x - 6 * devicePixelRatio, plot.bbox.top);
            ctx.lineTo(x + 6 * devicePixelRatio, plot.bbox.top);
            ctx.lineTo(x, plot.bbox.top + 9 * devicePixelRatio);
            ctx.fill();
          }
          ctx.restore();
        },
      ],
    },
  };
}
