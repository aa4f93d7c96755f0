// The target against the tolerance in three projections, seen from where the beam aims.
import { $, AXES, COLOURS, FONT, length, make, number, offTarget, pen, write } from "./page.js";

const TRAIL_S = 4;
const CHI = 2.4477; // of 95 % in a plane
const VIEWS = [
  { name: "Coronal", across: 0, up: 1, left: "R", right: "L", top: "S", bottom: "I" },
  { name: "Sagittal", across: 2, up: 1, left: "P", right: "A", top: "S", bottom: "I" },
  { name: "Axial", across: 0, up: 2, left: "R", right: "L", top: "A", bottom: "P" },
];
const PLACE = [[0, 1, 2], [1, 3, 4], [2, 4, 5]]; // in an upper triangle

export class Target {
  constructor() {
    const host = $("target");
    this.canvas = make("canvas", { role: "img", "aria-label": "Target against tolerance" });
    this.values = AXES.map((axis) => {
      const value = make("dd");
      return { axis, value, row: make("div", {}, make("dt", { text: axis.name }), value) };
    });
    this.radius = make("dd");
    host.append(make("h2", { text: "Target against tolerance" }), this.canvas,
      make("dl", { class: "offsets" }, ...this.values.map((each) => each.row),
        make("div", {}, make("dt", { text: "95 % radius" }), this.radius)));
    this.forget();
  }

  forget() { this.trail = []; this.state = null; }

  add(state) {
    this.state = state;
    const off = offTarget(state);
    const at = state.t_ns / 1e9;
    if (off === null) this.trail = [];
    else this.trail.push({ at, off });
    while (this.trail.length && (this.trail[0].at < at - TRAIL_S || this.trail[0].at > at)) this.trail.shift();
  }

  draw() {
    const { state } = this;
    if (!state) return;
    const { drawing, width, height } = pen(this.canvas);
    const off = offTarget(state);
    const cell = width / 3;
    const radius = Math.max(10, Math.min(cell / 2 - 16, height / 2 - 32));
    VIEWS.forEach((view, i) => this.view(drawing, view, cell * (i + 0.5), height / 2 + 8, radius, off));
    for (const { axis, value } of this.values) {
      const v = off === null ? null : off[axis.index];
      write(value, v === null ? "–" : `${v >= 0 ? axis.plus : axis.minus} ${number(Math.abs(v))}`);
    }
    write(this.radius, number(state.estimate?.radius95_mm ?? null));
    const words = off === null ? "not steering"
      : `${number(length(off))} mm of ${number(state.tolerance_mm)} mm`;
    this.canvas.setAttribute("aria-label", `Target against tolerance: ${words}`);
  }

  view(d, view, x, y, radius, off) {
    const { tolerance_mm: tolerance, estimate } = this.state;
    const scale = radius / (1.3 * tolerance);
    const put = (v) => [x + v[view.across] * scale, y - v[view.up] * scale];
    d.font = `13px ${FONT}`;
    d.textAlign = "center";
    d.textBaseline = "middle";
    d.fillStyle = COLOURS.soft;
    d.fillText(view.name, x, y - radius - 24);
    d.fillText(view.top, x, y - radius - 6);
    d.fillText(view.bottom, x, y + radius + 8);
    d.fillText(view.left, x - radius - 8, y);
    d.fillText(view.right, x + radius + 8, y);
    d.strokeStyle = COLOURS.line;
    d.lineWidth = 1;
    d.beginPath();
    d.moveTo(x - radius, y); d.lineTo(x + radius, y);
    d.moveTo(x, y - radius); d.lineTo(x, y + radius);
    d.stroke();
    const over = off !== null && length(off) > tolerance;
    d.strokeStyle = over ? COLOURS.bad : COLOURS.tolerance;
    d.fillStyle = over ? "rgba(255,123,114,.12)" : "rgba(105,219,124,.08)";
    d.lineWidth = 2.5;
    d.beginPath();
    d.arc(x, y, tolerance * scale, 0, 2 * Math.PI);
    d.fill();
    d.stroke();
    if (off === null) return;
    d.save();
    d.beginPath();
    d.rect(x - radius, y - radius, 2 * radius, 2 * radius);
    d.clip();
    d.strokeStyle = "rgba(76,194,255,.45)";
    d.lineWidth = 1.5;
    d.beginPath();
    this.trail.forEach((point, i) => { const [a, b] = put(point.off); if (i) d.lineTo(a, b); else d.moveTo(a, b); });
    d.stroke();
    this.ellipse(d, estimate.covariance_mm2, view, put(off), scale);
    d.restore();
    const [a, b] = put(off).map((v, i) => Math.min(Math.max(v, [x, y][i] - radius), [x, y][i] + radius));
    d.fillStyle = over ? COLOURS.bad : COLOURS.estimate;
    d.strokeStyle = "#08111a";
    d.lineWidth = 2;
    d.beginPath();
    d.arc(a, b, 6, 0, 2 * Math.PI);
    d.fill();
    d.stroke();
  }

  ellipse(d, covariance, view, [x, y], scale) {
    const at = (i, j) => covariance[PLACE[i][j]];
    const [xx, yy, xy] = [at(view.across, view.across), at(view.up, view.up), at(view.across, view.up)];
    const middle = (xx + yy) / 2;
    const spread = Math.hypot((xx - yy) / 2, xy);
    const [a, b] = [middle + spread, Math.max(middle - spread, 0)].map((v) => CHI * Math.sqrt(v) * scale);
    d.strokeStyle = COLOURS.estimate;
    d.setLineDash([5, 4]);
    d.lineWidth = 1.5;
    d.beginPath();
    d.ellipse(x, y, a, b, -0.5 * Math.atan2(2 * xy, xx - yy), 0, 2 * Math.PI);
    d.stroke();
    d.setLineDash([]);
  }
}
