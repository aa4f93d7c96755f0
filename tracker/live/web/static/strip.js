// The last 30 seconds as strips: breathing, and the target along each axis. Drawn with uPlot.
//
// A prediction is drawn at the moment it is for, so that it lies on the estimate where it was
// right. Green behind the lines: beam permitted.
import { $, AXES, COLOURS, FONT, make, number, write } from "./page.js";

export const SECONDS = 30;
const AHEAD = 0.5;
const LEAST_MM = 6;

const LINES = [
  ["Estimate", "estimate", 2.2],
  ["Prediction", "prediction", 1.6],
  ["Demand", "demand", 1.8, [7, 5]],
  ["Beam aim", "actuator", 6],
];
const WIDE = "rgba(105,219,124,.38)";

export class Strip {
  constructor() {
    const host = $("strip");
    const key = make("ul", { class: "key" },
      ...[["Breathing", "surrogate"], ...LINES].map(([text, colour]) => make("li", {},
        make("i", { class: `line ${colour}` }), make("span", { text }))),
      make("li", {}, make("i", { class: "box permitted" }), make("span", { text: "Beam permitted" })));
    host.append(make("div", { class: "head" }, make("h2", { class: "hidden", text: `Last ${SECONDS} s` }), key));
    this.charts = [];
    const places = [{ title: "Breathing", words: "amplitude" },
      ...AXES.map((axis) => ({ title: axis.name, words: axis.words, axis }))];
    places.forEach((place, i) => this.charts.push(this.chart(host, place, i === places.length - 1)));
    new ResizeObserver(() => this.resize()).observe(host);
    this.forget();
    this.drawn = 0;
    this.wanted = false;
  }

  forget() {
    this.rows = [];
    this.ahead = [];
  }

  chart(host, place, last) {
    const value = make("strong");
    const plot = make("div", { class: "plot", role: "img",
      "aria-label": `${place.title}, the last ${SECONDS} seconds` });
    const box = make("div", { class: "chart" },
      make("div", { class: "side" }, make("h3", { text: place.title }),
        make("span", { text: place.words }), value), plot);
    host.append(box);
    const lines = place.axis ? LINES : [["Breathing", "surrogate", 2.2]];
    const order = place.axis ? [3, 0, 1, 2] : [0];
    const series = order.map((i) => ({
      stroke: lines[i][1] === "actuator" ? WIDE : COLOURS[lines[i][1]], width: lines[i][2],
      dash: lines[i][3], points: { show: false }, spanGaps: false,
    }));
    const axis = { stroke: COLOURS.soft, font: `13px ${FONT}`,
      grid: { stroke: COLOURS.grid, width: 1 }, ticks: { show: false } };
    const options = {
      width: 300, height: 80, padding: [6, 8, last ? 0 : 6, 0], legend: { show: false },
      cursor: { show: false },
      scales: { x: { time: false, range: [-SECONDS, AHEAD] }, y: { range: (u, low, high) => steady(low, high) } },
      axes: [
        { ...axis, show: true, size: last ? 26 : 0, gap: 4, splits: () => [-30, -25, -20, -15, -10, -5, 0],
          values: (u, at) => at.map((v) => (last ? (v === 0 ? "now" : `\u2212${-v} s`) : "")) },
        { ...axis, size: 40, gap: 4, space: 28, values: (u, at) => at.map((v) => String(v).replace("-", "\u2212")) },
      ],
      series: [{}, ...series],
      hooks: { drawClear: [(u) => this.bands(u)] },
    };
    const empty = [[], ...series.map(() => [])];
    return { plot, value, place, order, lines, uplot: new uPlot(options, empty, plot) };
  }

  // One state; `at` is the run's time in seconds.
  add(state) {
    const at = state.t_ns / 1e9;
    if (this.rows.length && at <= this.rows[this.rows.length - 1].at) this.forget();
    this.rows.push({ at, permitted: state.beam.permitted, surrogate: state.surrogate?.amplitude_mm ?? null,
      estimate: state.estimate?.position_mm ?? null, demand: state.demand_mm ?? null,
      actuator: state.actuator_mm ?? null });
    const p = state.prediction;
    this.ahead.push({ at: p ? p.at_ns / 1e9 : null, position: p ? p.position_mm : null });
    const oldest = at - SECONDS - 1;
    let drop = 0;
    while (this.rows[drop].at < oldest) drop += 1;
    if (drop) { this.rows.splice(0, drop); this.ahead.splice(0, drop); }
  }

  draw() {
    if (!this.rows.length) return;
    const { rows } = this;
    const now = rows[rows.length - 1].at;
    const predicted = this.predictions(now);
    const times = rows.map((row) => row.at - now).concat(predicted.times);
    const none = predicted.times.map(() => null);
    const pick = (key, i) => rows.map((row) => (row[key] === null ? null : row[key][i]));
    for (const chart of this.charts) {
      const { axis } = chart.place;
      let data;
      if (!axis) {
        data = [rows.map((row) => row.surrogate).concat(none)];
      } else {
        const i = axis.index;
        const by = { estimate: pick("estimate", i).concat(none), demand: pick("demand", i).concat(none),
          actuator: pick("actuator", i).concat(none),
          prediction: predicted.at.map((p) => (p === null ? null : p[i])) };
        data = chart.order.map((k) => by[LINES[k][1]]);
      }
      chart.uplot.setData([times, ...data]);
      const last = axis ? rows[rows.length - 1].estimate?.[axis.index] : rows[rows.length - 1].surrogate;
      write(chart.value, last === null || last === undefined ? "–" : `${number(last)} mm`);
    }
    this.drawn += 1;
  }

  // The predictions at the times of the rows, and those for moments yet to come.
  predictions(now) {
    const { rows, ahead } = this;
    const at = [];
    let j = 0;
    for (const row of rows) {
      while (j + 1 < ahead.length && (ahead[j + 1].at ?? -1) <= row.at) j += 1;
      const [a, b] = [ahead[j], ahead[j + 1]];
      if (!a?.position || !b?.position || a.at > row.at || b.at < row.at || b.at - a.at > 0.3) at.push(null);
      else {
        const share = (row.at - a.at) / (b.at - a.at || 1);
        at.push(a.position.map((v, k) => v + share * (b.position[k] - v)));
      }
    }
    const coming = ahead.filter((p) => p.position && p.at > now).sort((p, q) => p.at - q.at);
    return { at: at.concat(coming.map((p) => p.position)), times: coming.map((p) => p.at - now) };
  }

  bands(u) {
    const { ctx, bbox } = u;
    const { rows } = this;
    if (!rows?.length) return;
    const now = rows[rows.length - 1].at;
    ctx.save();
    ctx.fillStyle = COLOURS.permitted;
    const left = (at) => Math.max(bbox.left, u.valToPos(at - now, "x", true));
    let from = null;
    rows.forEach((row, i) => {
      if (row.permitted && from === null) from = row.at;
      const over = !row.permitted || i === rows.length - 1;
      if (from !== null && over) {
        const x = left(from);
        ctx.fillRect(x, bbox.top, Math.max(0, left(row.at) - x), bbox.height);
        from = null;
      }
    });
    ctx.restore();
  }

  resize() {
    for (const { plot, uplot } of this.charts) {
      const { clientWidth: width, clientHeight: height } = plot;
      if (width > 20 && height > 20) uplot.setSize({ width, height });
    }
  }
}

// A range that does not tremble: whole steps around the lines, never less than LEAST_MM.
function steady(low, high) {
  if (low === null || low === undefined || !Number.isFinite(low)) return [-LEAST_MM / 2, LEAST_MM / 2];
  const step = high - low > 16 ? 5 : 2;
  let [a, b] = [Math.floor((low - 0.4) / step) * step, Math.ceil((high + 0.4) / step) * step];
  while (b - a < LEAST_MM) { a -= step / 2; b += step / 2; }
  return [a, b];
}
