// The correlation model: target over breathing, the shots it was fitted to with their age, and
// where breathing and target are now.
import { $, AXES, COLOURS, FONT, make, number, pen, span, write } from "./page.js";

export class ModelPlot {
  constructor() {
    const host = $("model");
    this.axis = AXES[0];
    this.choices = AXES.map((axis) => {
      const button = make("button", { type: "button", text: axis.name,
        "aria-pressed": axis === this.axis ? "true" : "false" });
      button.addEventListener("click", () => this.choose(axis));
      return { axis, button };
    });
    this.canvas = make("canvas", { role: "img", "aria-label": "No correlation model yet" });
    this.words = make("p", { class: "words" });
    const key = make("ul", { class: "key" },
      make("li", {}, make("i", { class: "line inhale" }), make("span", { text: "in" })),
      make("li", {}, make("i", { class: "line exhale" }), make("span", { text: "out" })),
      make("li", {}, make("i", { class: "dot shot" }), make("span", { text: "shot, newest bright" })),
      make("li", {}, make("i", { class: "dot now" }), make("span", { text: "now" })));
    host.append(make("div", { class: "head" }, make("h2", { text: "Correlation" }),
      make("div", { class: "choice", role: "group", "aria-label": "Axis" },
        ...this.choices.map((each) => each.button))), this.canvas, key, this.words);
    this.forget();
  }

  forget() { this.model = null; this.state = null; }

  choose(axis) {
    this.axis = axis;
    for (const each of this.choices) each.button.setAttribute("aria-pressed", String(each.axis === axis));
    this.draw();
  }

  take(model) { this.model = model; }

  add(state) { this.state = state; }

  draw() {
    const { drawing: d, width, height } = pen(this.canvas);
    const { model, state } = this;
    d.font = `13px ${FONT}`;
    if (!model || (!model.shots.length && !model.curve_amplitude_mm.length)) {
      d.fillStyle = COLOURS.soft;
      d.textAlign = "center";
      d.fillText("No shots yet", width / 2, height / 2);
      write(this.words, "");
      return;
    }
    const i = this.axis.index;
    const now = state && state.surrogate && state.estimate
      ? [state.surrogate.amplitude_mm, state.estimate.position_mm[i]] : null;
    const across = [...model.curve_amplitude_mm, ...model.shots.map((s) => s.amplitude_mm)];
    const up = [...model.curve_inhale_mm.map((p) => p[i]), ...model.curve_exhale_mm.map((p) => p[i]),
      ...model.shots.map((s) => s.position_mm[i])];
    if (now) { across.push(now[0]); up.push(now[1]); }
    const box = { left: 44, right: width - 10, top: 8, bottom: height - 34 };
    const x = scale(across, box.left, box.right, 4);
    const y = scale(up, box.bottom, box.top, 4);
    this.grid(d, box, x, y);
    d.save();
    d.beginPath();
    d.rect(box.left, box.top, box.right - box.left, box.bottom - box.top);
    d.clip();
    for (const [curve, colour, dash] of [[model.curve_inhale_mm, COLOURS.estimate, []],
      [model.curve_exhale_mm, COLOURS.prediction, [7, 5]]]) {
      d.strokeStyle = colour;
      d.lineWidth = 2.5;
      d.setLineDash(dash);
      d.beginPath();
      curve.forEach((p, k) => {
        const [a, b] = [x.at(model.curve_amplitude_mm[k]), y.at(p[i])];
        if (k) d.lineTo(a, b); else d.moveTo(a, b);
      });
      d.stroke();
    }
    d.setLineDash([]);
    const shots = [...model.shots].sort((a, b) => a.exposed_ns - b.exposed_ns);
    shots.forEach((shot, k) => {
      const fresh = shots.length > 1 ? k / (shots.length - 1) : 1;
      d.globalAlpha = 0.35 + 0.65 * fresh;
      d.beginPath();
      d.arc(x.at(shot.amplitude_mm), y.at(shot.position_mm[i]), k === shots.length - 1 ? 6 : 4.5, 0, 2 * Math.PI);
      d.fillStyle = d.strokeStyle = COLOURS.demand;
      d.lineWidth = 1.5;
      if (shot.used) d.fill(); else d.stroke();
    });
    d.globalAlpha = 1;
    if (now) cross(d, x.at(now[0]), y.at(now[1]));
    d.restore();
    this.describe(shots);
  }

  grid(d, box, x, y) {
    d.strokeStyle = COLOURS.grid;
    d.fillStyle = COLOURS.soft;
    d.lineWidth = 1;
    d.textBaseline = "middle";
    const text = (v) => String(+v.toFixed(6)).replace("-", "\u2212");
    d.textAlign = "center";
    for (const v of x.steps) {
      d.beginPath(); d.moveTo(x.at(v), box.top); d.lineTo(x.at(v), box.bottom); d.stroke();
      d.fillText(text(v), x.at(v), box.bottom + 11);
    }
    d.fillText("breathing, mm", (box.left + box.right) / 2, box.bottom + 26);
    d.textAlign = "right";
    for (const v of y.steps) {
      d.beginPath(); d.moveTo(box.left, y.at(v)); d.lineTo(box.right, y.at(v)); d.stroke();
      d.fillText(text(v), box.left - 7, y.at(v));
    }
    d.save();
    d.translate(9, (box.top + box.bottom) / 2);
    d.rotate(-Math.PI / 2);
    d.textAlign = "center";
    d.fillText(`target ${this.axis.name}, mm`, 0, 0);
    d.restore();
  }

  describe(shots) {
    const { model, state } = this;
    const i = this.axis.index;
    const age = shots.length && state ? (state.t_ns - shots[shots.length - 1].exposed_ns) / 1e9 : null;
    const parts = [`${shots.length} shots`];
    if (age !== null) parts.push(`newest ${span(Math.max(0, age))} old`);
    if (model.kinds[i]) parts.push(`${model.kinds[i]}, left-out error ${number(model.loo_rms_mm[i], 2)} mm`,
      `${Math.round(100 * model.phase_coverage)} % of the breath seen`);
    write(this.words, parts.join(" · "));
    this.canvas.setAttribute("aria-label", `Correlation model, ${this.axis.name}: ${parts.join(", ")}`);
  }
}

function cross(d, x, y) {
  d.strokeStyle = COLOURS.ink;
  d.lineWidth = 2.5;
  d.beginPath();
  d.moveTo(x - 9, y); d.lineTo(x + 9, y);
  d.moveTo(x, y - 9); d.lineTo(x, y + 9);
  d.stroke();
}

// Whole steps around the values, and where each value lies between two edges.
function scale(values, from, to, least) {
  let [low, high] = [Math.min(...values), Math.max(...values)];
  const wide = Math.max(least, high - low);
  [low, high] = [(low + high - wide * 1.15) / 2, (low + high + wide * 1.15) / 2];
  const step = [0.5, 1, 2, 5, 10, 20].find((s) => (high - low) / s <= 6) || 50;
  const steps = [];
  for (let v = Math.ceil(low / step) * step; v <= high + 1e-9; v += step) steps.push(v);
  return { steps, at: (v) => from + ((v - low) / (high - low)) * (to - from) };
}
